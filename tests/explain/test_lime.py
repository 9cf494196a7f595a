import numpy as np
import pytest
import torch
from lime.lime_image import LimeImageExplainer

from chexpert.explain import Lime
from chexpert.explain.lime import fit
from chexpert.explain.superpixels import segment
from chexpert.models import Backbone, Combined, Model
from chexpert.models.readout import Readout


class Linear(Model):
    """A logit that is the mean gray of the left half, and one of the right half."""

    def __init__(self) -> None:
        super().__init__({}, Readout(2))
        self.seen: list[int] = []

    def feature_maps(self, images):
        self.seen.append(len(images))
        assert not torch.is_grad_enabled()
        return {"x": images.float() / 255}

    def score(self, maps):
        half = maps["x"].shape[-1] // 2
        return torch.stack([maps["x"][..., :half].mean((1, 2, 3)), maps["x"][..., half:].mean((1, 2, 3))], 1)


@pytest.fixture
def image() -> torch.Tensor:
    """Bright squares on a gray ground, so that hiding one (by blur) changes its half."""
    film = np.full((64, 64), 90, dtype=np.uint8)
    film[20:30, 8:18] = film[40:50, 44:54] = 250
    return torch.from_numpy(film)[None]


def test_equals_the_lime_package_on_the_same_segments_and_perturbations(image):
    ours = Lime(samples=120, superpixels=12, seed=3)
    model = Linear()
    gray = image[0].numpy()
    segments = segment(gray, 12)
    shown = ours.draw(int(segments.max()))

    class SameDraws(np.random.RandomState):
        def randint(self, *_, **__):
            return shown.ravel().copy()

    def predict(films):
        batch = torch.from_numpy(np.ascontiguousarray(films[..., 0]).astype(np.uint8))[:, None]
        with torch.no_grad():
            return model(batch).sigmoid().numpy()

    # The package hides by a colour or by each segment's mean: give ours the same flat colour.
    explanation = LimeImageExplainer(feature_selection="none", random_state=SameDraws(0)).explain_instance(
        gray, predict, labels=(1,), hide_color=40, top_labels=None, num_samples=120,
        segmentation_fn=lambda _: segments - segments.min(),
    )  # fmt: skip
    hidden = torch.full_like(image[0], 40)
    probabilities = ours.probe(model, image, segments, shown, hidden)
    weights, r2 = fit(shown, probabilities[:, 1], ours.kernel_width)
    theirs = dict(explanation.local_exp[1])
    assert max(abs(weights[k] - theirs[k]) for k in theirs) < 1e-6
    assert r2 == pytest.approx(explanation.score[1] if isinstance(explanation.score, dict) else explanation.score)


def test_weights_point_at_the_half_that_the_output_reads(image):
    ((left, right),) = Lime(samples=200, superpixels=12)(Linear(), image[None], [[0, 1]])
    assert left.signed[20:30, 8:18].mean() > 5 * abs(left.signed[40:50, 44:54]).mean()
    assert right.signed[40:50, 44:54].mean() > 5 * abs(right.signed[20:30, 8:18]).mean()


def test_one_pass_of_bounded_batches_serves_all_outputs(image):
    model = Linear()
    Lime(samples=50, superpixels=12, batch_size=16)(model, image[None], [[0, 1]])
    assert model.seen == [16, 16, 16, 2]


def test_the_same_seed_gives_the_same_map_and_batches_do_not_matter(image):
    def explain(**options):
        return Lime(samples=60, superpixels=12, **options)(Linear(), image[None], [[0]])[0][0].signed

    assert (explain(seed=1) == explain(seed=1)).all()
    assert abs(explain(seed=1, batch_size=7) - explain(seed=1, batch_size=60)).max() < 1e-6
    assert (explain(seed=1) != explain(seed=2)).any()


def test_it_runs_on_a_combined_model_and_restores_its_mode():
    model = Combined({"a": Backbone("resnet18"), "b": Backbone("mnasnet_small")}, outputs=2).train()
    image = torch.randint(0, 256, (1, 64, 64), dtype=torch.uint8)
    ((attribution,),) = Lime(samples=24, superpixels=8)(model, image[None], [[0]])
    assert attribution.signed.shape == (64, 64)
    assert attribution.manifest["samples"] == 24
    assert model.training
