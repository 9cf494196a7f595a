"""timm networks without their heads."""

import pytest
import torch

from chexpert.errors import UserError
from chexpert.models import Backbone

SMALL = "mnasnet_small"
SWIN = {"img_size": 64, "embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2)}


@pytest.fixture
def seen():
    """A backbone with mean 0.5 and std 0.25 whose network keeps what it was given."""
    backbone = Backbone(SMALL, mean=0.5, std=0.25)
    backbone.inputs = []
    backbone.net.forward_features = lambda images: backbone.inputs.append(images) or images.expand(-1, 1280, -1, -1)
    return backbone


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("resnet18", {}, (2, 512, 2, 2)),
        ("mnasnet_small", {}, (2, 1280, 2, 2)),
        ("efficientnet_b0", {}, (2, 1280, 2, 2)),
        ("densenet121", {}, (2, 1024, 2, 2)),
        ("test_convnext", {}, (2, 64, 2, 2)),
        ("test_vit", {"img_size": 64}, (2, 64, 4, 4)),
        ("swin_tiny_patch4_window7_224", SWIN, (2, 64, 2, 2)),
    ],
)
def test_the_feature_map_is_channels_first_and_as_wide_as_told(name, options, shape):
    backbone = Backbone(name, options=options).eval()
    with torch.no_grad():
        features = backbone(torch.zeros(2, 1, 64, 64, dtype=torch.uint8))
    assert tuple(features.shape) == shape
    assert backbone.width == shape[1]


def test_tokens_become_a_map_in_reading_order():
    backbone = Backbone("test_vit", options={"img_size": 64})
    tokens = torch.arange(17.0)[None, :, None].expand(1, 17, 64)  # the class token, then 4 x 4 patches
    backbone.net.forward_features = lambda images: tokens
    features = backbone(torch.zeros(1, 1, 64, 64))
    assert features[0, 0].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]


def test_tokens_of_a_film_that_is_no_square_become_a_map_of_its_shape():
    backbone = Backbone("test_vit", options={"img_size": [32, 96]}).eval()
    tokens = torch.arange(13.0)[None, :, None].expand(1, 13, 64)  # the class token, then 2 x 6 patches
    backbone.net.forward_features = lambda images: tokens
    features = backbone(torch.zeros(1, 1, 32, 96))
    assert features[0, 0].tolist() == [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]


def test_a_network_that_takes_films_of_any_size_gives_a_map_of_theirs():
    backbone = Backbone("test_vit", options={"img_size": 64}).eval()
    assert tuple(backbone(torch.zeros(1, 1, 96, 96)).shape) == (1, 64, 6, 6)


def test_tokens_without_the_class_token_become_a_map_too():
    backbone = Backbone("test_vit", options={"img_size": 64})  # as CaiT's and XCiT's stages give them
    tokens = torch.arange(16.0)[None, :, None].expand(1, 16, 64)
    assert backbone.to_map(tokens)[0, 0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]]


def test_a_class_token_that_the_network_does_not_tell_of_is_left_out():
    backbone = Backbone("mnasnet_small")
    tokens = torch.arange(17.0)[None, :, None].expand(1, 17, 64)  # as VOLO's
    assert backbone.to_map(tokens)[0, 0, 0].tolist() == [1, 2, 3, 4]


def test_a_stage_of_several_maps_is_refused():
    backbone = Backbone("test_vit", options={"img_size": 64})
    backbone.net.blocks[-1].register_forward_hook(lambda module, inputs, output: (output, output))
    with pytest.raises(UserError, match="puts out several maps"):
        backbone.tap(torch.zeros(1, 1, 64, 64), 16)


def test_a_stage_that_the_network_does_not_have_is_none(seen):
    seen.net.feature_info = [{"reduction": 16, "module": "block.3"}]
    with pytest.raises(UserError, match="no stage of stride 16"):
        seen.layer_at(16)


def test_no_weight_of_a_transformer_is_registered_twice():
    state = Backbone("test_vit", options={"img_size": 64}).state_dict()
    assert len({value.data_ptr() for value in state.values()}) == len(state)


def test_tokens_that_are_no_grid_are_told():
    backbone = Backbone("test_vit", options={"img_size": 64})
    backbone.net.forward_features = lambda images: torch.zeros(1, 11, 64)
    with pytest.raises(UserError, match="puts out 11 tokens, and its patches are 4 x 4"):
        backbone(torch.zeros(1, 1, 64, 64))


@pytest.mark.parametrize(
    ("name", "options"), [("vit_tiny_patch16_224", {"img_size": 64}), ("swin_tiny_patch4_window7_224", SWIN)]
)
def test_a_film_of_a_size_that_a_transformer_was_not_made_for_is_told_with_the_mend(name, options):
    message = rf"{name} takes images of 64 x 64 pixels, not 96 x 96(.|\n)*options.img_size=96"
    with pytest.raises(UserError, match=message):
        Backbone(name, options=options)(torch.zeros(1, 1, 96, 96))


def test_a_map_with_channels_last_is_turned():
    backbone = Backbone(SMALL)
    features = torch.rand(1, 2, 3, backbone.width)
    backbone.net.forward_features, backbone.net.output_fmt = (lambda images: features), "NHWC"
    turned = backbone(torch.zeros(1, 1, 64, 96))
    assert tuple(turned.shape) == (1, backbone.width, 2, 3)
    assert torch.equal(turned[0, 7], features[0, :, :, 7])


def test_vgg_leaves_out_the_layers_behind_its_last_map():
    backbone = Backbone("vgg11", options={"mlp_ratio": 0.01})  # the layers left out have few weights to draw
    assert sum(p.numel() for p in backbone.parameters()) < 10_000_000
    assert tuple(backbone.eval()(torch.zeros(1, 1, 64, 64)).shape) == (1, 512, 2, 2)


def test_the_stem_takes_one_channel():
    assert Backbone("resnet18").net.conv1.weight.shape[1] == 1


def test_uint8_and_float_images_are_the_same_to_it():
    backbone = Backbone(SMALL).eval()
    images = torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(backbone(images), backbone(images / 255))


def test_an_image_at_the_mean_is_zero_to_the_network(seen):
    seen(torch.full((1, 1, 4, 4), 0.5))
    assert torch.equal(seen.inputs[0], torch.zeros(1, 1, 4, 4))


def test_white_lies_two_standard_deviations_above_the_mean(seen):
    seen(torch.full((1, 1, 4, 4), 255, dtype=torch.uint8))
    assert torch.equal(seen.inputs[0], torch.full((1, 1, 4, 4), 2.0))


def test_the_statistics_are_by_default_those_of_imagenet_in_gray():
    backbone = Backbone("resnet18")
    assert float(backbone.mean) == pytest.approx((0.485 + 0.456 + 0.406) / 3)
    assert float(backbone.std) == pytest.approx((0.229 + 0.224 + 0.225) / 3)


def test_the_statistics_travel_with_the_weights():
    other = Backbone(SMALL)
    other.load_state_dict(Backbone(SMALL, mean=0.25, std=0.125).state_dict())
    assert (float(other.mean), float(other.std)) == (0.25, 0.125)


def test_a_frozen_backbone_gets_no_gradient():
    backbone = Backbone(SMALL, frozen=True)
    assert not backbone(torch.zeros(1, 1, 32, 32)).requires_grad
    assert not any(p.requires_grad for p in backbone.parameters())


@pytest.mark.parametrize(("frozen", "kept"), [(True, True), (False, False)])
def test_only_a_frozen_backbone_keeps_the_statistics_of_its_normalization(frozen, kept):
    backbone = Backbone(SMALL, frozen=frozen).train()
    before = {name: value.clone() for name, value in backbone.named_buffers()}
    backbone(torch.rand(4, 1, 32, 32))
    assert all(torch.equal(value, before[name]) for name, value in backbone.named_buffers()) == kept


@pytest.mark.parametrize("frozen", [True, False])
def test_only_a_frozen_backbone_stays_in_eval_mode(frozen):
    backbone = torch.nn.Sequential(Backbone(SMALL, frozen=frozen)).train()[0]
    assert [module.training for module in backbone.modules()] == [not frozen] * len(list(backbone.modules()))


def test_an_unknown_name_is_told_with_close_ones():
    (error,) = Backbone.validate_args("densenet1211")
    assert "'densenet1211'" in error
    assert "densenet121" in error.split("hint:")[1]


def test_a_missing_weight_file_is_told():
    (error,) = Backbone.validate_args(SMALL, pretrained="nowhere.pt")
    assert "nowhere.pt" in error


@pytest.mark.parametrize("pretrained", [True, False])
def test_good_arguments_have_no_problems(pretrained):
    assert Backbone.validate_args(SMALL, pretrained=pretrained) == []


@pytest.mark.parametrize("stride", [None, 16])
def test_looking_for_the_activation_leaves_statistics_and_modes_alone(stride):
    backbone = Backbone(SMALL).train()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    backbone.activation_side(torch.rand(1, 1, 64, 64), stride)
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())
    assert all(module.training for module in backbone.modules())
