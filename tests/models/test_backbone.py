"""timm networks without their heads."""

import pytest
import torch
from helpers.errors import raises

from chexpert.models import Backbone

SMALL = "mnasnet_small"
SWIN = {"img_size": 64, "embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2)}


@pytest.fixture
def seen():
    """A backbone with mean 0.5 and std 0.25 whose network stores its inputs."""
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
def test_feature_map_is_channels_first(name, options, shape):
    backbone = Backbone(name, options=options).eval()
    with torch.no_grad():
        features = backbone(torch.zeros(2, 1, 64, 64, dtype=torch.uint8))
    assert tuple(features.shape) == shape
    assert backbone.width == shape[1]


@pytest.mark.parametrize(
    ("size", "count", "rows"),
    [
        # the class token, then the patches
        ([64, 64], 17, [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]),
        ([32, 96], 13, [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]),
        # no class token, as in the stages of CaiT and XCiT
        ([64, 64], 16, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]]),
    ],
)
def test_tokens_become_a_map_in_reading_order(size, count, rows):
    backbone = Backbone("test_vit", options={"img_size": size})
    backbone.net.forward_features = lambda images: torch.arange(float(count))[None, :, None].expand(1, count, 64)
    assert backbone(torch.zeros(1, 1, *size))[0, 0].tolist() == rows


def test_undeclared_class_token_is_left_out():
    tokens = torch.arange(17.0)[None, :, None].expand(1, 17, 64)  # as VOLO's
    assert Backbone(SMALL).to_map(tokens, (64, 64))[0, 0, 0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((384, 320), (24, 20)),
        ((320, 384), (20, 24)),
        ((768, 640), (24, 20)),  # of a network that pools 2 x 2 patches
        ((400, 320), (13, 10)),  # of 25 x 20 patches, pooled with the last row padded
        ((784, 644), (56, 46)),
    ],
)
@pytest.mark.parametrize("before", [0, 1])
def test_tokens_of_a_rectangle_become_a_map_of_its_proportions(size, grid, before):
    backbone = Backbone(SMALL)  # has no patches that would say so
    backbone.net.num_prefix_tokens = before
    count = before + grid[0] * grid[1]
    tokens = torch.arange(float(count))[None, :, None].expand(1, count, 2)
    expected = torch.arange(float(before), count).view(grid)
    assert torch.equal(backbone.to_map(tokens, size)[0, 1], expected)


def test_image_of_any_size_has_its_own_grid_and_not_that_of_the_network():
    options = {"img_size": [64, 96], "dynamic_img_size": True}
    backbone = Backbone("vit_tiny_patch16_224", options={**options, "depth": 1})
    tokens = torch.arange(25.0)[None, :, None].expand(1, 25, 192)
    backbone.net.forward_features = lambda images: tokens
    assert backbone(torch.zeros(1, 1, 96, 64))[0, 0].tolist() == torch.arange(1.0, 25).view(6, 4).tolist()
    assert backbone(torch.zeros(1, 1, 64, 96))[0, 0].tolist() == torch.arange(1.0, 25).view(4, 6).tolist()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet10t", {}),
        ("test_vit", {"img_size": [96, 64]}),
        ("vit_tiny_patch16_224", {"dynamic_img_size": True, "depth": 1}),
        ("swin_tiny_patch4_window7_224", SWIN | {"img_size": [96, 64]}),
    ],
)
def test_map_of_a_rectangle_lies_on_the_image_as_it_lies(name, options):
    """What changes in one corner of the image changes the map there most."""
    torch.manual_seed(0)
    backbone = Backbone(name, options=options).eval()
    images = torch.rand(1, 1, 96, 64, generator=torch.Generator().manual_seed(0)).repeat(5, 1, 1, 1)
    for number, (top, left) in enumerate(((0, 0), (0, 32), (64, 0), (64, 32)), 1):
        images[number, :, top : top + 32, left : left + 32] = 1 - images[number, :, top : top + 32, left : left + 32]
    with torch.no_grad():
        maps = backbone(images)
    assert maps.shape[2] * 2 == maps.shape[3] * 3
    changes = torch.nn.functional.adaptive_avg_pool2d((maps[1:] - maps[:1]).abs().mean(1), (3, 2)).flatten(1)
    assert changes.argmax(1).tolist() == [0, 1, 4, 5]


def test_transformer_of_any_size_maps_images_of_another_size():
    backbone = Backbone("test_vit", options={"img_size": 64}).eval()
    assert tuple(backbone(torch.zeros(1, 1, 96, 96)).shape) == (1, 64, 6, 6)


def test_stage_with_several_maps_is_an_error():
    backbone = Backbone("test_resnet")
    backbone.net.layer3.register_forward_hook(lambda module, inputs, output: (output, output))
    with raises("feature-map", "explainer.*.stride"):
        backbone.tap(torch.zeros(1, 1, 64, 64), 16)


def test_stage_that_only_feature_info_lists_is_an_error(seen):
    seen.net.feature_info = [{"reduction": 16, "module": "block.3"}]
    with raises("feature-map", "explainer.*.stride") as error:
        seen.layer_at(16)
    assert "16" in error.value.message


def test_tokens_without_a_grid_are_an_error():
    backbone = Backbone("test_vit", options={"img_size": 64})
    backbone.net.forward_features = lambda images: torch.zeros(1, 11, 64)
    with raises("feature-map", "backbone.name") as error:
        backbone(torch.zeros(1, 1, 64, 64))
    assert "11" in error.value.message


@pytest.mark.parametrize(
    ("name", "options"), [("vit_tiny_patch16_224", {"img_size": 64}), ("swin_tiny_patch4_window7_224", SWIN)]
)
def test_image_of_another_size_is_an_error_with_the_option(name, options):
    backbone = Backbone(name, options=options)
    for sides, setting in (([96, 96], "96"), ([96, 64], "[96,64]")):
        with raises("image-size", "data.image_size") as error:
            backbone(torch.zeros(1, 1, *sides))
        assert name in error.value.message
        assert "64 x 64" in error.value.message
        assert f"options.img_size={setting}" in error.value.hint


def test_transformer_registers_each_weight_once():
    state = Backbone("test_vit", options={"img_size": 64}).state_dict()
    assert len({value.data_ptr() for value in state.values()}) == len(state)


def test_channels_last_map_is_transposed():
    backbone = Backbone(SMALL)
    features = torch.rand(1, 2, 3, backbone.width)
    backbone.net.forward_features, backbone.net.output_fmt = (lambda images: features), "NHWC"
    turned = backbone(torch.zeros(1, 1, 64, 96))
    assert tuple(turned.shape) == (1, backbone.width, 2, 3)
    assert torch.equal(turned[0, 7], features[0, :, :, 7])


def test_vgg_leaves_out_the_layers_after_its_last_map():
    backbone = Backbone("vgg11", options={"mlp_ratio": 0.01})  # few weights to initialize in the layers left out
    assert sum(p.numel() for p in backbone.parameters()) < 10_000_000
    assert tuple(backbone.eval()(torch.zeros(1, 1, 64, 64)).shape) == (1, 512, 2, 2)


def test_stem_has_one_input_channel():
    assert Backbone("resnet18").net.conv1.weight.shape[1] == 1


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (torch.full((1, 1, 4, 4), 0.5), 0.0),
        (torch.full((1, 1, 4, 4), 255, dtype=torch.uint8), 2.0),  # white: two standard deviations above the mean
    ],
)
def test_images_are_normalized_by_mean_and_std(seen, image, expected):
    seen(image)
    assert torch.equal(seen.inputs[0], torch.full((1, 1, 4, 4), expected))


def test_default_statistics_are_those_of_imagenet_in_gray():
    backbone = Backbone("resnet18")
    assert float(backbone.mean) == pytest.approx((0.485 + 0.456 + 0.406) / 3)
    assert float(backbone.std) == pytest.approx((0.229 + 0.224 + 0.225) / 3)


def test_statistics_are_saved_with_the_weights():
    other = Backbone(SMALL)
    other.load_state_dict(Backbone(SMALL, mean=0.25, std=0.125).state_dict())
    assert (float(other.mean), float(other.std)) == (0.25, 0.125)


def test_frozen_backbone_gets_no_gradient():
    backbone = Backbone(SMALL, frozen=True)
    assert not backbone(torch.zeros(1, 1, 32, 32)).requires_grad
    assert not any(p.requires_grad for p in backbone.parameters())


@pytest.mark.parametrize("frozen", [True, False])
def test_only_a_frozen_backbone_stays_in_eval_mode(frozen):
    backbone = torch.nn.Sequential(Backbone(SMALL, frozen=frozen)).train()[0]
    assert all(module.training is not frozen for module in backbone.modules())
    before = {name: value.clone() for name, value in backbone.named_buffers()}
    backbone(torch.rand(4, 1, 32, 32))
    assert all(torch.equal(value, before[name]) for name, value in backbone.named_buffers()) is frozen


@pytest.mark.parametrize("stride", [None, 16])
def test_activation_side_changes_neither_statistics_nor_modes(stride):
    backbone = Backbone(SMALL).train()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    backbone.activation_side(torch.rand(1, 1, 64, 64), stride)
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())
    assert all(module.training for module in backbone.modules())


@pytest.mark.parametrize(
    ("name", "arguments", "code", "where"),
    [
        ("densenet1211", {}, "unknown-backbone", "the options: name"),
        (SMALL, {"pretrained": "nowhere.pt"}, "missing-file", "the options: pretrained"),
        (SMALL, {"pretrained": 3}, "value", "the options: pretrained"),
        (SMALL, {"options": {"checkpoint_path": "a.pt"}}, "unknown-key", "the options: options"),
    ],
)
def test_wrong_arguments_are_errors(name, arguments, code, where):
    (error,) = Backbone.validate_args(name, **arguments)
    assert (error.code, error.where) == (code, where)


def test_unknown_backbone_is_an_error_with_similar_names():
    (error,) = Backbone.validate_args("densenet1211")
    assert "'densenet1211'" in error.message
    assert "densenet121" in error.hint


@pytest.mark.parametrize("pretrained", [True, False])
def test_good_arguments_have_no_errors(pretrained):
    assert Backbone.validate_args(SMALL, pretrained=pretrained) == []
