"""The CAM family on models with maps in closed form."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from chexpert.explain import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM
from chexpert.models import Model
from chexpert.models.output_head import OutputHead

SIZE, HALF = 32, 16
WEIGHTS = torch.tensor([[2.0, -1.0], [-0.5, 3.0]])  # outputs x halves


class Linear(Model):
    """A feature map as large as the image, average pooling, a linear head without bias.

    Args:
        regions: (R, H, W) of 0 and 1; in each, the image is one gray feature.
        mixing: (K, R), a 1x1 convolution of these features to K channels.
        head: (C, K).
    """

    def __init__(self, regions: torch.Tensor, mixing: torch.Tensor, head: torch.Tensor) -> None:
        super().__init__({}, OutputHead(len(head)))
        self.regions, self.mixing, self.head = regions, mixing, head

    def feature_maps(self, images):
        gray = images.float() / (1 if images.is_floating_point() else 255)
        return {"x": torch.einsum("kr,brhw->bkhw", self.mixing, gray * self.regions)}

    def score(self, maps):
        return maps["x"].mean((2, 3)) @ self.head.T

    def weight_of_pixels(self, output: int) -> np.ndarray:
        """w (H, W) of the logit, which is the mean over pixels of w times the gray value."""
        return torch.einsum("k,kr,rhw->hw", self.head[output], self.mixing, self.regions).numpy()


def halves() -> torch.Tensor:
    regions = torch.zeros(2, SIZE, SIZE)
    regions[0, :, :HALF], regions[1, :, HALF:] = 1, 1
    return regions


@pytest.fixture
def original() -> torch.Tensor:
    """(1, 1, H, W) uint8: a textured bright patch in each half, on black."""
    original = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.uint8)
    texture = torch.randint(180, 256, (8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    original[0, 0, 4:12, 4:12] = texture
    original[0, 0, 20:28, 20:28] = texture.flip(0)
    return original


@pytest.fixture
def one_channel_a_half() -> Linear:
    return Linear(halves(), torch.eye(2), WEIGHTS)


@pytest.fixture
def mixed() -> Linear:
    """The same logits from three channels that each see both halves, with features and weights of both signs."""
    mixing = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-2.0, 0.5]])
    return Linear(halves(), mixing, WEIGHTS @ torch.linalg.pinv(mixing))


@pytest.fixture
def one_feature() -> Linear:
    """Three channels of both signs, all of the same feature: the gray of the whole image."""
    return Linear(torch.ones(1, SIZE, SIZE), torch.tensor([[1.0], [-2.0], [0.5]]), torch.tensor([[1.0, -1.0, 2.0]] * 2))


def check(signed: np.ndarray, answer: np.ndarray, tolerance: float = 1e-6) -> None:
    """Exact signs, and the same order of pixels."""
    signed = np.where(abs(signed) <= tolerance * abs(signed).max(), 0, signed)
    assert len(set(np.sign(answer).ravel())) > 1
    assert (np.sign(signed) == np.sign(answer)).all()
    assert spearmanr(signed.ravel(), answer.ravel()).statistic >= 0.99


@pytest.mark.parametrize("explainer", [GradCAM(), HiResCAM()], ids=lambda e: e.name)
@pytest.mark.parametrize("kind", ["one_channel_a_half", "mixed", "one_feature"])
def test_map_is_the_part_of_each_pixel_in_the_logit(explainer, kind, original, request):
    model = request.getfixturevalue(kind)
    for output, attribution in enumerate(explainer(model, original, [[0, 1]])[0]):
        answer = model.weight_of_pixels(output) * original[0, 0].numpy() / 255
        check(attribution.signed, answer)
        assert attribution.signed == pytest.approx(answer, abs=1e-5)
        assert attribution.signed.mean() == pytest.approx(model(original)[0, output].item(), rel=1e-4)


def test_layer_cam_is_the_positive_part(one_channel_a_half, original):
    for output, attribution in enumerate(LayerCAM()(one_channel_a_half, original, [[0, 1]])[0]):
        answer = np.maximum(one_channel_a_half.weight_of_pixels(output) * original[0, 0].numpy() / 255, 0)
        check(attribution.signed, answer)
        assert attribution.signed == pytest.approx(answer, abs=1e-5)


def test_grad_cam_plus_plus_is_the_damped_positive_part(one_channel_a_half, original):
    for output, attribution in enumerate(GradCAMPlusPlus()(one_channel_a_half, original, [[0, 1]])[0]):
        parts = one_channel_a_half.weight_of_pixels(output) * original[0, 0].numpy() / 255
        answer = np.maximum(parts, 0)
        check(attribution.signed, answer)
        assert attribution.signed == pytest.approx(answer / (2 + answer.mean()), abs=1e-5)


def test_eigen_cam_is_the_map_of_a_single_feature(one_feature, original):
    ((attribution, _),) = EigenCAM()(one_feature, original, [[0, 1]])
    assert attribution.signed == pytest.approx(original[0, 0].numpy() / 255 * 4, abs=1e-4)
    check(attribution.signed, original[0, 0].numpy().astype(float), tolerance=1e-5)


def test_eigen_cam_separates_two_halves_by_sign(original):
    model = Linear(halves(), torch.eye(2), torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
    for output, attribution in enumerate(EigenCAM()(model, original, [[0, 1]])[0]):
        check(attribution.signed, model.weight_of_pixels(output) * original[0, 0].numpy(), tolerance=1e-5)


@pytest.mark.parametrize("fill", ["blur", "black"])
def test_score_cam_gives_each_half_its_sign_and_size(fill, one_channel_a_half, original):
    for output, attribution in enumerate(ScoreCAM(fill=fill)(one_channel_a_half, original, [[0, 1]])[0]):
        check(attribution.signed, one_channel_a_half.weight_of_pixels(output) * original[0, 0].numpy())


def test_score_cam_weights_are_exact_on_black(one_channel_a_half, original):
    ((attribution,),) = ScoreCAM(fill="black")(one_channel_a_half, original, [[0]])
    gray = original[0, 0].numpy() / 255
    expected = np.zeros((SIZE, SIZE))
    for half, weight in ((slice(0, HALF), 2.0), (slice(HALF, SIZE), -1.0)):
        mask = gray[:, half] / gray[:, half].max()
        expected[:, half] = mask * weight * (mask * gray[:, half]).sum() / SIZE**2
    assert attribution.signed == pytest.approx(expected, abs=1e-6)
