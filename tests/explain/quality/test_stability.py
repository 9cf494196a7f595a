"""Second maps of the same view: by another seed, or of the image with a little noise."""

import numpy as np
import pytest
import torch

from chexpert.explain.attribution import Attribution
from chexpert.explain.methods.cam import GradCAM
from chexpert.explain.methods.random_map import RandomMap
from chexpert.explain.methods.rise import Rise
from chexpert.explain.quality.stability import add_noise, check_stability, choose, count_passes
from chexpert.models import Backbone, Single

IMAGES = torch.randint(0, 256, (4, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
OUTPUTS = [[0, 1], [0], [1], [0, 1]]


class Gray:
    """Shows the image; with a seed its rows rolled by it; counts the images that it is given."""

    name = "gray"

    def __init__(self, seed: int | None = None, used: bool = True, cost: int = 1) -> None:
        self.used, self.cost, self.seen = used, cost, []
        if seed is not None:
            self.seed = seed

    def passes(self, outputs):
        return self.cost

    def __call__(self, model, images, outputs):
        self.seen.append(images.clone())
        shift = getattr(self, "seed", 0) if self.used else 0
        return [
            [Attribution(np.roll(image[0].numpy().astype("float32"), shift, 0)) for _ in own]
            for image, own in zip(images, outputs, strict=True)
        ]


def check(explainer, passes=1000, images=IMAGES, outputs=OUTPUTS, model=None):
    first = explainer(model, images, outputs)
    return check_stability(model, explainer, images, outputs, first, passes)


def get_values(rows):
    return [row["stability"] for own in rows for row in own if row]


def test_explainer_with_a_seed_is_given_another_seed():
    explainer = Gray(seed=3)
    kind, rows = check(explainer)
    assert kind == "seed"
    assert explainer.seed == 3
    assert [len(own) for own in rows] == [2, 1, 1, 2]
    assert np.abs(get_values(rows)).max() < 0.2  # rows of noise, moved by one


def test_explainer_without_a_seed_is_given_noise():
    kind, rows = check(Gray())
    assert kind == "noise"
    assert min(get_values(rows)) > 0.99
    assert max(get_values(rows)) < 1


def test_seed_without_influence_counts_as_none():
    kind, rows = check(Gray(seed=3, used=False))
    assert kind == "noise"
    assert len(get_values(rows)) == 6


def test_seed_is_tried_on_the_first_view_with_a_map():
    images = IMAGES.clone()
    images[0] = 7  # its map is the same for every seed
    explainer = Gray(seed=3)
    kind, rows = check(explainer, images=images)
    assert kind == "seed"
    assert np.abs(get_values(rows[1:])).max() < 0.2
    assert [len(seen) for seen in explainer.seen] == [4, 1, 1, 2]  # of all, the trial, those before and after it


def test_difference_of_rounding_is_no_influence_of_the_seed():
    class Rounded(Gray):
        def __call__(self, model, images, outputs):
            found = super().__call__(model, images, outputs)
            return [[Attribution(one.signed * np.float32(1 + 1e-5 * self.seed)) for one in own] for own in found]

    assert check(Rounded(seed=3, used=False))[0] == "noise"


def test_map_that_is_always_the_same_is_perfectly_stable():
    class Fixed(Gray):
        def __call__(self, model, images, outputs):
            return [[Attribution(np.eye(32, dtype="float32"))] * len(own) for own in outputs]

    assert get_values(check(Fixed())[1]) == pytest.approx([1] * 6)


def test_noise_is_a_hundredth_of_the_range_and_always_the_same():
    gray = torch.full((2, 1, 128, 128), 128, dtype=torch.uint8)
    noise = add_noise(gray).float() - 128
    assert noise.std().item() == pytest.approx(2.55, rel=0.03)
    assert noise.mean().item() == pytest.approx(0, abs=0.05)
    assert torch.equal(add_noise(gray), add_noise(gray))
    assert (add_noise(torch.full_like(gray, 255)) > 240).all()  # no value turns around


@pytest.mark.parametrize(
    ("cost", "passes", "expected"),
    [
        (1, 1000, [[0, 1]] * 5 + [[]] * 3),  # five maps of each
        (10, 150, [[0, 1]] * 3 + [[]] * 5),  # a fifth of the passes
        (1000, 5000, [[0, 1]] * 2 + [[]] * 6),  # two views, whatever they cost
        (0, 0, [[0, 1]] * 5 + [[]] * 3),
    ],
)
def test_few_maps_are_made_again(cost, passes, expected):
    explainer, outputs = Gray(cost=cost), [[0, 1]] * 8
    assert choose(explainer, outputs, passes) == expected
    assert count_passes(explainer, outputs, passes) == cost * sum(map(bool, expected))


def test_only_chosen_outputs_have_a_value():
    images, outputs = IMAGES[[0] * 7], [[0]] * 5 + [[0, 1], [1]]
    _, rows = check(Gray(), images=images, outputs=outputs)
    assert [[*map(len, own)] for own in rows] == [[1]] * 5 + [[0, 1], [1]]


def test_views_without_outputs_are_not_explained_again():
    explainer = Gray()
    assert check(explainer, outputs=[[], [], [], []])[1] == [[], [], [], []]
    assert len(explainer.seen) == 1  # the first maps


def test_control_differs_from_itself_and_a_cam_hardly_does():
    torch.manual_seed(0)
    model = Single(Backbone("resnet10t"), 2).eval()
    images = torch.randint(0, 256, (2, 1, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    kind, rows = check(RandomMap(), images=images, outputs=[[0, 1]] * 2, model=model)
    assert kind == "seed"
    assert np.abs(get_values(rows)).max() < 0.6
    kind, rows = check(GradCAM(), images=images, outputs=[[0, 1]] * 2, model=model)
    assert kind == "noise"
    assert min(get_values(rows)) > 0.9
    assert check(Rise(samples=8, cells=4), images=images, outputs=[[0]] * 2, model=model)[0] == "seed"
