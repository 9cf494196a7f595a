import numpy as np
import pytest
import torch
from helpers.known_answers import Weighted, make_weights
from lime.lime_image import LimeImageExplainer
from lime.wrappers.scikit_image import SegmentationAlgorithm
from scipy.ndimage import sum_labels
from scipy.stats import spearmanr

from chexpert.explain import Lime
from chexpert.explain.batched_inference import Probe, peak_bytes
from chexpert.explain.methods.fills import fill_image
from chexpert.explain.methods.lime import hide_superpixels
from chexpert.explain.methods.local_model import fit, sample_superpixels
from chexpert.explain.methods.superpixels import quickshift, segment
from chexpert.models import Backbone, Model, Single
from chexpert.models.output_head import OutputHead


class Linear(Model):
    """A logit that is the mean gray of the left half, and one of the right half."""

    def __init__(self) -> None:
        super().__init__({}, OutputHead(2))
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
    original = np.full((64, 64), 90, dtype=np.uint8)
    original[20:30, 8:18] = original[40:50, 44:54] = 250
    return torch.from_numpy(original)[None]


def test_weights_equal_those_of_the_lime_package(image):
    model = Linear()
    gray = image[0].numpy()
    segments = segment(gray, 12)
    shown = sample_superpixels(120, int(segments.max()), seed=3).astype(int)

    class SameSamples(np.random.RandomState):
        def randint(self, *_, **__):
            return shown.ravel().copy()

    def predict(originals):
        batch = torch.from_numpy(np.ascontiguousarray(originals[..., 0]).astype(np.uint8))[:, None]
        with torch.no_grad():
            return model(batch).sigmoid().numpy()

    # The package hides by a color or by each segment's mean: give ours the same flat color.
    explanation = LimeImageExplainer(feature_selection="none", random_state=SameSamples(0)).explain_instance(
        gray, predict, labels=(1,), hide_color=40, top_labels=None, num_samples=120,
        segmentation_fn=lambda _: segments - segments.min(),
    )  # fmt: skip
    write = hide_superpixels(image, torch.full_like(image[0], 40), segments, shown)
    probabilities = Probe()(model, 120, write, image).sigmoid().numpy()
    weights, r2 = fit(shown, probabilities, kernel_width=0.25)
    theirs = dict(explanation.local_exp[1])
    assert max(abs(weights[k, 1] - theirs[k]) for k in theirs) < 1e-6
    assert r2[1] == pytest.approx(explanation.score[1] if isinstance(explanation.score, dict) else explanation.score)


def test_map_shows_the_half_that_the_output_reads(image):
    ((left, right),) = Lime(samples=200, superpixels=12)(Linear(), image[None], [[0, 1]])
    assert left.signed[20:30, 8:18].mean() > 5 * abs(left.signed[40:50, 44:54]).mean()
    assert right.signed[40:50, 44:54].mean() > 5 * abs(right.signed[20:30, 8:18]).mean()


def test_one_pass_serves_all_outputs_in_bounded_batches(image):
    model = Linear()
    Lime(samples=50, superpixels=12, batch_size=16)(model, image[None], [[0, 1]])
    assert model.seen == [16, 16, 16, 2]


def test_seed_decides_the_map_and_batch_size_does_not(image):
    def explain(**options):
        return Lime(samples=60, superpixels=12, **options)(Linear(), image[None], [[0]])[0][0].signed

    assert (explain(seed=1) == explain(seed=1)).all()
    assert abs(explain(seed=1, batch_size=7) - explain(seed=1, batch_size=60)).max() < 1e-6
    assert (explain(seed=1) != explain(seed=2)).any()


def test_memory_does_not_grow_with_the_samples():
    model, image = Weighted(make_weights(96, 4)), torch.randint(0, 256, (1, 1, 96, 96), dtype=torch.uint8)
    few, many = (peak_bytes(lambda n=n: Lime(samples=n, batch_size=64)(model, image, [[0, 1]])) for n in (500, 5000))
    assert many <= 1.1 * few


@pytest.mark.parametrize("of", ["logit", "probability"])
def test_superpixels_rank_by_their_part_in_a_linear_logit(of):
    weights = 0.002 * make_weights(64, 6)  # small: where the sigmoid is straight
    image = torch.from_numpy(np.random.default_rng(0).integers(100, 150, (1, 64, 64)).astype(np.uint8))
    segments = segment(image[0].numpy(), 30)
    lime = Lime(samples=2000, superpixels=30, fill="black", of=of)
    (attributions,) = lime(Weighted(weights), image[None], [[0, 1]])
    labels = np.arange(1, segments.max() + 1)
    for own, attribution in zip(weights, attributions, strict=True):
        parts = sum_labels(own * image[0].numpy() / 255, segments, labels)
        found = np.array([attribution.signed[segments == k][0] for k in labels])
        assert spearmanr(parts, found).statistic >= 0.99
        strong = abs(parts) > 0.1 * abs(parts).max()
        assert (np.sign(found) == np.sign(parts))[strong].all()
        if of == "logit":
            assert attribution.manifest["r2"] > 0.999
            assert np.allclose(found, parts, rtol=0.05, atol=0.05 * abs(parts).max())


def test_stability_is_near_1_for_a_linear_model_and_0_for_noise():
    image = torch.from_numpy(np.random.default_rng(0).integers(100, 150, (1, 64, 64)).astype(np.uint8))

    class Noise(Weighted):
        def score(self, maps):
            return torch.from_numpy(rng.standard_normal((len(maps["x"]), 2)))

    rng = np.random.default_rng(0)
    lime = Lime(samples=400, superpixels=30, fill="black")
    for kind, low, high in ((Weighted, 0.95, 1), (Noise, -0.5, 0.5)):
        (attributions,) = lime(kind(0.02 * make_weights(64, 6)), image[None], [[0, 1]])
        assert all(low <= attribution.manifest["stability"] <= high for attribution in attributions)


def test_five_seeds_agree_at_20_samples_a_superpixel():
    class Bent(Weighted):
        def score(self, maps):
            return super().score(maps).relu().sum(1, keepdim=True)

    image = torch.from_numpy(np.random.default_rng(0).integers(100, 150, (1, 64, 64)).astype(np.uint8))
    segments, model = segment(image[0].numpy(), 30), Bent(0.02 * make_weights(64, 6, outputs=6))
    samples = 20 * int(segments.max())
    places = [np.flatnonzero(segments == k)[0] for k in range(1, segments.max() + 1)]
    weights, lower = [], []
    for seed in range(5):
        ((attribution,),) = Lime(samples, 30, fill="black", seed=seed)(model, image[None], [[0]])
        weights.append(attribution.signed.ravel()[places])
        lower.append(attribution.manifest["stability"])
    agreement = np.mean([spearmanr(a, b).statistic for i, a in enumerate(weights) for b in weights[:i]])
    assert 0.9 <= agreement < 1
    assert np.mean(lower) < agreement


def test_quickshift_segments_equal_those_of_the_lime_package(image, monkeypatch):
    taken = []
    monkeypatch.setattr("lime.lime_image.SegmentationAlgorithm.__call__", spy(SegmentationAlgorithm.__call__, taken))
    predict = lambda originals: np.zeros((len(originals), 1))  # noqa: E731
    LimeImageExplainer(random_state=0).explain_instance(
        image[0].numpy(), predict, labels=(0,), top_labels=None, num_samples=2
    )
    assert (quickshift(image[0].numpy()) == taken[0] + 1).all()
    ((attribution,),) = Lime(samples=20, segments="quickshift")(Linear(), image[None], [[0]])
    assert attribution.manifest["superpixels"] == taken[0].max() + 1


def spy(method, results):
    def call(*args):
        results.append(method(*args))
        return results[-1]

    return call


def test_fixed_number_of_samples_gives_the_weights_of_one_fit(image):
    """Without pairs and a stop, the map is what it was before there were any."""
    segments = segment(image[0].numpy(), 12)
    shown = sample_superpixels(150, int(segments.max()), seed=5)
    hidden = torch.from_numpy(fill_image(image[0].numpy(), "local"))
    logits = Probe(batch_size=16)(Linear(), 150, hide_superpixels(image, hidden, segments, shown), image).numpy()
    (attributions,) = Lime(150, 12, seed=5, batch_size=16, pairs=False, converged=None)(Linear(), image[None], [[0, 1]])
    weights, _ = fit(shown, logits, 0.25)
    for c, attribution in enumerate(attributions):
        assert (attribution.signed == np.append(0, weights[:, c])[segments].astype("float32")).all()
        assert (attribution.manifest["samples"], attribution.manifest["passes"]) == (150, 150)


def test_converged_explanation_ends_after_the_first_check_of_a_linear_model(image):
    model = Linear()
    ((attribution,),) = Lime(2000, 12, converged=0.8, batch_size=16)(model, image[None], [[0]])
    assert sum(model.seen) == attribution.manifest["passes"] == attribution.manifest["samples"] == 320
    assert attribution.manifest["stability"] >= 0.8


def test_converged_map_of_an_output_does_not_depend_on_the_others(image):
    alone, both = (
        Lime(600, 12, converged=0.999, batch_size=size, pairs=True)(Linear(), image[None], [outputs])[0]
        for size, outputs in ((7, [1]), (16, [0, 1]))
    )
    assert abs(alone[0].signed - both[1].signed).max() < 1e-6


def test_function_is_asked_until_it_converges(image):
    asked = []

    def left(images):
        asked.append(len(images))
        return images[:, :, :32].mean((1, 2))

    (attribution,) = Lime(2000, 12, converged=0.8).explain_function(left, image[0].numpy())
    assert sum(asked) == attribution.manifest["passes"] == 320


def test_bfloat16_gives_nearly_the_same_ranks(image):
    torch.manual_seed(0)
    model = Single(Backbone("resnet10t"), outputs=1)
    full, half = (
        Lime(200, 12, precision=precision)(model, image[None], [[0]])[0][0].signed for precision in (None, "bf16")
    )
    assert (full != half).any()
    assert spearmanr(full.ravel(), half.ravel()).statistic > 0.9
