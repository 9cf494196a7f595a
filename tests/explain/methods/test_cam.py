import pytest
import torch

from chexpert.explain import GradCAM
from chexpert.metrics.localization.overlap import upsample
from chexpert.models import Backbone, Combined, Single


def test_channels_are_weighted_by_their_summed_gradient():
    feature = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])  # two channels of 1 x 2
    gradient = torch.tensor([[[[1.0, 3.0]], [[-1.0, -1.0]]]])  # sums 4 and -2
    assert GradCAM().combine(feature, gradient).tolist() == [[[-2.0, 8.0]]]


def test_one_forward_pass_serves_all_outputs(monkeypatch):
    model = Single(Backbone("resnet10t"), outputs=4)
    image = torch.randint(0, 256, (1, 64, 64), dtype=torch.uint8)
    singles = [GradCAM()(model, image[None], [[k]])[0][0].signed for k in range(4)]
    calls = []
    monkeypatch.setattr(model, "feature_maps", lambda x, f=model.feature_maps: calls.append(1) or f(x))
    (together,) = GradCAM()(model, image[None], [range(4)])
    assert len(calls) == 1
    for single, attribution in zip(singles, together, strict=True):
        assert abs(single - attribution.signed).max() < 1e-6


def test_last_map_of_a_network_with_channels_last_is_turned_once():
    swin = {"img_size": 96, "embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2), "window_size": 3}
    torch.manual_seed(0)
    model = Single(Backbone("swin_tiny_patch4_window7_224", options=swin), outputs=1).eval()
    image = torch.randint(0, 256, (1, 1, 96, 96), dtype=torch.uint8)
    ((attribution,),) = GradCAM()(model, image, [[0]])
    expected = torch.einsum("khw,k->hw", model.feature_maps(image)["backbone"][0], model.head.weight[0])
    assert attribution.manifest["grid"] == [3, 3]
    assert abs(attribution.signed - upsample(expected[None].detach(), 96, 96)[0].numpy()).max() < 1e-6


def test_member_map_is_its_part_of_the_logit_on_any_grid():
    torch.manual_seed(0)
    coarse, fine = Backbone("resnet10t"), Backbone("resnet10t", options={"output_stride": 8})
    fine.load_state_dict(coarse.state_dict())
    model = Combined({"coarse": coarse, "fine": fine}, outputs=1).eval()
    image = torch.randint(0, 256, (1, 64, 64), dtype=torch.uint8)
    maps = model.feature_maps(image[None])
    assert [m.shape[-1] for m in maps.values()] == [2, 8]
    ((attribution,),) = GradCAM()(model, image[None], [[0]])
    for name, feature in maps.items():  # the map's mean is gradient x pooled feature, by hand
        pooled = {key: value.mean((2, 3), keepdim=True).detach() for key, value in maps.items()}
        pooled[name].requires_grad_()
        (gradient,) = torch.autograd.grad(model.weigh(pooled)[0, 0], pooled[name])
        expected = (gradient * feature.mean((2, 3), keepdim=True)).sum().item()
        cam = GradCAM().combine(feature, gradient.expand_as(feature) / feature[0, 0].numel())
        assert cam.mean().item() == pytest.approx(expected, abs=1e-5 * abs(cam).max().item())
        assert attribution.members[name].mean() == pytest.approx(expected, rel=0.2, abs=1e-4)  # upsampling changes it
