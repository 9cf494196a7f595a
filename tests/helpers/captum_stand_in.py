"""A stand-in for captum.attr where captum is not installed: its class names and signatures, and simple bodies.

Hooks that GuidedBackprop sets stay where the forward pass fails, as captum's do.
"""

import numpy as np
import torch
from numpy.polynomial.legendre import leggauss
from torch import nn


class Attribution:
    def __init__(self, forward_func):
        self.forward_func = forward_func

    def gradients(self, inputs, target):
        inputs = inputs.detach().requires_grad_()
        return torch.autograd.grad(self.forward_func(inputs)[:, target].sum(), inputs)[0]


class GradientAttribution(Attribution):
    pass


class PerturbationAttribution(Attribution):
    pass


class LayerAttribution(Attribution):
    def __init__(self, forward_func, layer, device_ids=None):
        super().__init__(forward_func)
        self.layer = layer


class NeuronAttribution(LayerAttribution):
    pass


class Saliency(GradientAttribution):
    def attribute(self, inputs, target=None, abs=True, additional_forward_args=None):
        gradients = self.gradients(inputs, target)
        return gradients.abs() if abs else gradients


class InputXGradient(GradientAttribution):
    def attribute(self, inputs, target=None, additional_forward_args=None):
        return inputs * self.gradients(inputs, target)


class IntegratedGradients(GradientAttribution):
    def __init__(self, forward_func, multiply_by_inputs=True):
        super().__init__(forward_func)
        self.multiply_by_inputs = multiply_by_inputs

    def attribute(
        self,
        inputs,
        baselines=None,
        target=None,
        additional_forward_args=None,
        n_steps=50,
        method="gausslegendre",
        internal_batch_size=None,
        return_convergence_delta=False,
    ):
        places, weights = (torch.from_numpy(one).float() for one in leggauss(n_steps))
        points = baselines + (places.view(-1, 1, 1, 1) + 1) / 2 * (inputs - baselines)
        chunks = points.split(internal_batch_size or n_steps)
        gradients = torch.cat([self.gradients(chunk, target) for chunk in chunks])
        mean = (weights.view(-1, 1, 1, 1) / 2 * gradients).sum(0, keepdim=True)
        return mean * (inputs - baselines) if self.multiply_by_inputs else mean


class GradientShap(GradientAttribution):
    def __init__(self, forward_func, multiply_by_inputs=True):
        super().__init__(forward_func)

    def attribute(
        self,
        inputs,
        baselines,
        n_samples=5,
        stdevs=0.0,
        target=None,
        additional_forward_args=None,
        return_convergence_delta=False,
    ):
        chosen = baselines[np.random.choice(len(baselines), n_samples).tolist()]  # noqa: NPY002
        noisy = inputs + torch.normal(0, torch.full((n_samples, *inputs.shape[1:]), float(stdevs)))
        place = torch.tensor(np.random.uniform(0.0, 1.0, n_samples)).float().view(-1, 1, 1, 1)  # noqa: NPY002
        gradients = self.gradients(chosen + place * (noisy - chosen), target)
        return (gradients * (noisy - chosen)).mean(0, keepdim=True)


class GuidedBackprop(GradientAttribution):
    def __init__(self, model):
        super().__init__(model)
        self.model = model

    def attribute(self, inputs, target=None, additional_forward_args=None):
        relus = [module for module in self.model.modules() if isinstance(module, nn.ReLU)]

        def rectify(module, given, taken):
            return (given[0].clamp(min=0),)

        hooks = [relu.register_full_backward_hook(rectify) for relu in relus]
        gradients = self.gradients(inputs, target)
        for hook in hooks:
            hook.remove()
        return gradients


class Occlusion(PerturbationAttribution):
    def attribute(
        self,
        inputs,
        sliding_window_shapes,
        strides=None,
        baselines=None,
        target=None,
        additional_forward_args=None,
        perturbations_per_eval=1,
        show_progress=False,
    ):
        assert isinstance(sliding_window_shapes, tuple)
        assert len(sliding_window_shapes) == 3
        (_, high, wide), (_, down, right) = sliding_window_shapes, strides
        height, width = inputs.shape[-2:]
        places = [(y, x) for y in range(0, height - high + down, down) for x in range(0, width - wide + right, right)]
        whole, sums, covers = self.forward_func(inputs)[:, target], torch.zeros(height, width), torch.zeros(1)
        covers = torch.zeros(height, width)
        for start in range(0, len(places), perturbations_per_eval):
            some = places[start : start + perturbations_per_eval]
            hidden = inputs.repeat(len(some), 1, 1, 1)
            for row, (y, x) in enumerate(some):
                window = slice(y, y + high), slice(x, x + wide)
                hidden[row, 0][window] = baselines[0, 0][window]
            for (y, x), drop in zip(some, whole - self.forward_func(hidden)[:, target], strict=True):
                sums[y : y + high, x : x + wide] += drop.detach()
                covers[y : y + high, x : x + wide] += 1
        return (sums / covers)[None, None]


class FeatureAblation(PerturbationAttribution):
    def attribute(
        self,
        inputs,
        baselines=None,
        target=None,
        additional_forward_args=None,
        feature_mask=None,
        perturbations_per_eval=1,
        show_progress=False,
        **kwargs,
    ):
        whole = self.forward_func(inputs)[:, target]
        drops = [
            whole - self.forward_func(torch.where(feature_mask == n, baselines, inputs))[:, target]
            for n in range(int(feature_mask.max()) + 1)
        ]
        return torch.cat(drops)[feature_mask]


class ShapleyValues(FeatureAblation):
    pass


class FeaturePermutation(FeatureAblation):
    def __init__(self, forward_func, perm_func=None):
        super().__init__(forward_func)


class NoiseTunnel(Attribution):
    def __init__(self, attribution_method):
        super().__init__(attribution_method.forward_func)
        self.attribution_method = attribution_method

    def attribute(
        self,
        inputs,
        nt_type="smoothgrad",
        nt_samples=5,
        nt_samples_batch_size=None,
        stdevs=1.0,
        draw_baseline_from_distrib=False,
        **kwargs,
    ):
        assert isinstance(stdevs, float)
        noisy = inputs + torch.normal(0, torch.full((nt_samples, *inputs.shape[1:]), stdevs))
        chunks = noisy.split(nt_samples_batch_size or nt_samples)
        return torch.cat([self.attribution_method.attribute(chunk, **kwargs) for chunk in chunks]).mean(0, keepdim=True)


class LRP(GradientAttribution):
    def __init__(self, model):
        super().__init__(model)

    def attribute(
        self, inputs, target=None, additional_forward_args=None, return_convergence_delta=False, verbose=False
    ):
        raise TypeError("Module of type <class 'OutputHead'> has no rule defined")


class LayerGradCam(LayerAttribution):
    pass


class LayerIntegratedGradients(LayerAttribution):
    pass


class NeuronGuidedBackprop(NeuronAttribution):
    pass


class LLMAttribution(Attribution):
    def __init__(self, attr_method, tokenizer):
        pass
