"""Networks that see patches one by one, and their logits as a map."""

import numpy as np
import pytest
import torch

from chexpert.engine.features import digest_member
from chexpert.errors import UserError
from chexpert.explain import GradCAM, GradCamPackage, HiResCAM, PatchLogits
from chexpert.image_size import ImageSize
from chexpert.models import Backbone, Combined, PatchBackbone, Single

NAME = "resnet10t"


def make_images(*size, batch=2):
    return torch.randint(256, (batch, 1, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def linear(backbone):
    """Let the single feature of a patch be the mean of its pixels in [0, 1]."""
    backbone.net.forward_features = lambda images: images
    backbone.mean.zero_()
    backbone.std.fill_(1)
    return backbone


@pytest.mark.parametrize(("size", "patch", "step"), [((64, 64), 32, None), ((64, 96), 32, None), ((64, 80), 32, 16)])
def test_logit_is_the_mean_of_the_patches_logits(size, patch, step):
    torch.manual_seed(0)
    model = Single(PatchBackbone(NAME, patch=patch, step=step), outputs=3).eval()
    alone = Single(Backbone(NAME), outputs=3).eval()
    alone.load_state_dict(model.state_dict())  # the same names: weights of either fit the other
    images, step = make_images(*size), step or patch
    corners = [(y, x) for y in range(0, size[0] - patch + 1, step) for x in range(0, size[1] - patch + 1, step)]
    with torch.no_grad():
        patches = torch.stack([alone(images[:, :, y : y + patch, x : x + patch]) for y, x in corners])
        torch.testing.assert_close(model(images), patches.mean(0), atol=1e-5, rtol=1e-5)
    for view, found in enumerate(PatchLogits()(model, images, [[1], [2, 0]])):
        for output, attribution in zip([[1], [2, 0]][view], found, strict=True):
            slow, times = np.zeros((2, *size))
            for (y, x), logits in zip(corners, patches[:, view, output], strict=True):
                slow[y : y + patch, x : x + patch] += float(logits - model.head.bias[output])
                times[y : y + patch, x : x + patch] += 1
            np.testing.assert_allclose(attribution.signed, slow / times, atol=1e-5)


def test_map_of_a_linear_patch_model_is_exact():
    model = Single(linear(PatchBackbone(NAME, patch=2)), outputs=1).eval()
    model.head = torch.nn.Linear(1, 1)
    with torch.no_grad():
        model.head.weight.fill_(2.0)
        model.head.bias.fill_(-1.0)
    images = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    images[0, 0, 0, 0], images[0, 0, 2:, 2:] = 255, 51
    assert model(images).item() == pytest.approx(2 * (0.25 + 0.2) / 4 - 1)
    (((attribution),),) = PatchLogits()(model, images, [[0]])
    expected = np.array([[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0.4, 0.4], [0, 0, 0.4, 0.4]])
    np.testing.assert_allclose(attribution.signed, expected, atol=1e-6)
    assert "grid" not in attribution.manifest  # it is flat within a patch
    assert attribution.manifest["unit"] == "logit of each patch, less the bias"
    assert PatchLogits(smooth=True)(model, images, [[0]])[0][0].manifest["grid"] == [2, 2]


def test_pixels_outside_a_patch_do_not_count_for_it():
    model = Single(PatchBackbone(NAME, patch=32), outputs=1).eval()
    images = make_images(64, 64, batch=1)
    changed = images.clone()
    changed[..., 32:, 32:] = 0
    before, after = (PatchLogits()(model, one, [[0]])[0][0].signed for one in (images, changed))
    assert np.array_equal(before[:32], after[:32])
    assert np.array_equal(before[:, :32], after[:, :32])
    assert not np.allclose(before[32:, 32:], after[32:, 32:])


def test_overlap_gives_each_pixel_the_mean_of_its_patches():
    backbone = linear(PatchBackbone(NAME, patch=4, step=2))
    values = torch.arange(6.0).view(1, 2, 3)
    found = backbone.spread(values, ImageSize(6, 8))
    assert found[0, 0].tolist() == [0, 0, 0.5, 0.5, 1.5, 1.5, 2, 2]
    assert found[0, 2, 2] == (0 + 1 + 3 + 4) / 4
    assert backbone.count_patches(ImageSize(6, 8)) == (2, 3)


def test_smooth_map_of_overlapping_patches_has_their_values_at_their_centers():
    backbone = linear(PatchBackbone(NAME, patch=6, step=2))  # centers at 3, 5, 7 of 10 pixels
    found = backbone.interpolate(torch.tensor([[[0.0, 2.0, 6.0]]]))
    assert found[0, 0].tolist() == [0, 0, 0, 0.5, 1.5, 3, 5, 6, 6, 6]
    model = Single(PatchBackbone(NAME, patch=32, step=16), outputs=1).eval()
    ((attribution,),) = HiResCAM()(model, make_images(64, 80, batch=1), [[0]])
    assert "grid" not in attribution.manifest  # cells overlap


def test_map_of_conditional_logits_is_no_exact_one():
    model = Single(PatchBackbone(NAME, patch=32), outputs=2, parents=[-1, 0]).eval()
    ((attribution,),) = PatchLogits()(model, make_images(64, 64, batch=1), [[1]])
    assert "unit" not in attribution.manifest


def test_features_of_other_patches_have_another_file():
    torch.manual_seed(0)
    whole = Backbone(NAME)
    digests = set()
    for one in (whole, PatchBackbone(NAME), PatchBackbone(NAME, patch=16), PatchBackbone(NAME, patch=16, step=8)):
        one.load_state_dict(whole.state_dict())
        digests.add(digest_member(one))
    assert len(digests) == 4


def test_fullgrad_cannot_read_patches():
    with pytest.raises(UserError) as caught:
        GradCamPackage("FullGrad").check(Single(PatchBackbone(NAME, patch=32), outputs=1))
    assert (caught.value.code, caught.value.where) == ("explainer", "explainer.grad_cam_package.method")
    model = Single(PatchBackbone(NAME, patch=32), outputs=1).eval()
    ((attribution,),) = GradCamPackage("XGradCAM")(model, make_images(64, 64, batch=1), [[0]])
    assert attribution.signed.shape == (64, 64)


def test_smooth_map_is_that_of_hirescam():
    model = Single(PatchBackbone(NAME, patch=16), outputs=2).eval()
    images = make_images(64, 64)
    smooth, other = PatchLogits(smooth=True), HiResCAM()
    for one, two in zip(smooth(model, images, [[0], [1]]), other(model, images, [[0], [1]]), strict=True):
        assert np.array_equal(one[0].signed, two[0].signed)


def test_member_of_a_combined_model_has_its_own_map():
    members = {"patches": PatchBackbone(NAME, patch=32), "other": PatchBackbone("resnet18", patch=64)}
    model = Combined(members, outputs=2).eval()
    images = make_images(64, 64, batch=1)
    ((found,),) = PatchLogits()(model, images, [[1]])
    bias = model.classifier.bias[1].item()
    assert found.signed.mean() + bias == pytest.approx(model(images)[0, 1].item(), abs=1e-4)
    assert np.ptp(found.members["other"]) == 0  # one patch
    ((gradcam,),) = GradCAM()(model, images, [[1]])
    assert gradcam.signed.mean() + bias == pytest.approx(model(images)[0, 1].item(), abs=0.1)


def test_earlier_maps_are_not_read():
    model = Single(PatchBackbone(NAME, patch=32), outputs=1).eval()
    images = make_images(64, 64, batch=1)
    last, stage = (HiResCAM(stride)(model, images, [[0]])[0][0] for stride in (None, 16))
    assert np.array_equal(last.signed, stage.signed)
    assert stage.manifest["layer"] == {"backbone": "resnet10t.forward_features on patches of 32 px"}


@pytest.mark.parametrize(
    ("arguments", "code", "where"),
    [
        ({"patch": 0}, "value", "patch"),
        ({"patch": 32, "step": 64}, "value", "step"),
        ({"patch": 32, "step": True}, "value", "step"),
        ({"patch": 32, "pooling": "cls"}, "conflict", "pooling"),
    ],
)
def test_bad_arguments(arguments, code, where):
    (error,) = PatchBackbone.validate_args(NAME, **arguments)
    assert (error.code, error.where.split()[-1]) == (code, where)


def test_pixels_that_no_patch_covers_are_an_error():
    backbone = PatchBackbone(NAME, patch=32)
    with pytest.raises(UserError) as caught:
        backbone(make_images(100, 64))
    assert (caught.value.code, caught.value.where) == ("image-size", "data.image_size")
    assert caught.value.hint.startswith("data.image_size=[96,64]")
    backbone(make_images(96, 64))


def test_whole_images_have_no_patch_logits():
    with pytest.raises(UserError) as caught:
        PatchLogits().check(Single(Backbone(NAME), outputs=1))
    assert (caught.value.code, caught.value.where) == ("explainer", "explainer.patch_logits")


def test_transformers_cut_patches_of_their_own():
    with pytest.raises(UserError) as caught:
        PatchBackbone("vit_tiny_patch16_224", patch=32, options={"img_size": 32, "depth": 1})
    assert caught.value.code == "conflict"
