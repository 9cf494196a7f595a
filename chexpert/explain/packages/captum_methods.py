"""The classes of captum that explain an image, their options and their cost, as their signatures say."""

import inspect
from collections.abc import Mapping
from math import prod
from typing import Any

from chexpert.errors import OWN, UserError
from chexpert.explain.packages.options import find_name_errors, list_parameters

CHUNKS = ("internal_batch_size", "perturbations_per_eval", "nt_samples_batch_size")
"""Arguments that divide the work of a method."""
INNER = "attribution_method"
"""The option of NoiseTunnel that names the method under it."""
GIVEN = (
    *("inputs", "target", "additional_forward_args", "baselines", "feature_mask", "model", "forward_func", INNER),
    *("return_convergence_delta", "return_input_shape", "custom_attribution_func", "show_progress", "verbose", *CHUNKS),
)
"""Arguments that this project gives, or leaves as they are."""
COUNTS = ("n_steps", "n_samples", "nt_samples")
NOTES = {
    "Saliency": "absolute values: the sign is lost, unless options.abs=false",
    "DeepLift": "rules for ReLU, ELU, leaky ReLU, sigmoid, tanh, softplus, softmax and max pooling modules; "
    "everything else has its gradient",
    "GuidedBackprop": "it depends little on what the upper layers have learned, see the sanity check",
    "Deconvolution": "it depends little on what the upper layers have learned, see the sanity check",
    "InputXGradient": "the baseline is black",
    "Lime": "superpixels inside the body and one around it; hidden ones have the gray of the fill",
}
NOTES |= dict.fromkeys(("KernelShap", "FeatureAblation", "ShapleyValueSampling"), NOTES["Lime"])
NOTES["DeepLiftShap"] = NOTES["DeepLift"]
IMPOSSIBLE = {
    "FeaturePermutation": ("shuffles features among images, and views are explained one by one", "FeatureAblation"),
    "ShapleyValues": ("takes every order of the superpixels, N! x N passes", "ShapleyValueSampling"),
}
"""Why a method cannot be used, and another that can."""


def list_methods() -> dict[str, Any]:
    """Return the classes of the installed captum that are attributions, by name, without their bases."""
    import captum.attr

    return {
        name: one
        for name, one in vars(captum.attr).items()
        if inspect.isclass(one) and issubclass(one, captum.attr.Attribution) and not name.endswith("Attribution")
    }


def find_method_errors(method: object, options: Any) -> list[UserError]:
    """Return the errors of a method that captum does not have, or that does not explain an image by itself."""
    methods = list_methods()
    possible = [name for name in methods if not explain_impossible(name)]
    names = {"method": method}
    if method == "NoiseTunnel" and isinstance(options, Mapping):
        names[f"options.{INNER}"] = options.get(INNER, "Saliency")
    for key, name in names.items():
        known = methods if key == "method" else {n: one for n, one in methods.items() if n != "NoiseTunnel"}
        if wrong := find_name_errors(name, known, "an attribution of captum", key):
            return wrong if str(name) not in methods else [replace_hint(wrong[0], "a method other than NoiseTunnel")]
        if why := explain_impossible(str(name)):
            other = suggest(str(name), possible)
            hint = f"{OWN}{key}={other}, or one of {', '.join(sorted(possible))}"
            return [UserError(f"{name} {why}", code="choice", where=f"{OWN}{key}", hint=hint)]
    return []


def replace_hint(error: UserError, hint: str) -> UserError:
    """Return an error with another hint."""
    return UserError(error.message, code=error.code, where=error.where, hint=hint)


def explain_impossible(name: str) -> str:
    """Return why a class cannot explain an image from its name and the model alone; empty where it can."""
    if name in IMPOSSIBLE:
        return IMPOSSIBLE[name][0]
    first, *others = inspect.signature(list_methods()[name]).parameters.values()
    needed = [one.name for one in others if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]
    if "layer" in needed:
        return "explains a layer inside the network, or needs one"
    if name != "NoiseTunnel" and first.name not in ("model", "forward_func"):
        needed.insert(0, first.name)
    return f"needs {', '.join(needed)}, which no setting can give" if needed else ""


def suggest(name: str, possible: list[str]) -> str:
    """Return a method that explains the image in the way of one that cannot."""
    if name in IMPOSSIBLE:
        return IMPOSSIBLE[name][1]
    plain = name.removeprefix("Layer").removeprefix("Neuron")
    return plain if plain in possible else "IntegratedGradients"


def list_options(method: str, options: Any) -> list[str]:
    """Return the names of the options of a method; of NoiseTunnel also those of the method under it."""
    methods = list_methods()
    if method == "NoiseTunnel":
        inner = str(options.get(INNER, "Saliency")) if isinstance(options, Mapping) else "Saliency"
        return [INNER, *list_parameters(methods[method].attribute, GIVEN), *list_options(inner, {})]
    one = methods[method]
    return [*list_parameters(one, GIVEN), *list_parameters(one.attribute, GIVEN)]


def count_passes(method: str, inner: str | None, options: Mapping[str, Any], features: int) -> int:
    """Return the passes of one output, a backward pass as two.

    Args:
        method: name of the class.
        inner: name of the class under NoiseTunnel.
        options: as given.
        features: that a method which changes the image hides one by one: superpixels, or places of a window.
    """
    import captum.attr

    methods = list_methods()
    main = methods[inner or method]
    parameters = list_parameters(main.attribute) | (list_parameters(methods[method].attribute) if inner else {})
    counts = prod(int(options.get(key, parameters[key].default)) for key in COUNTS if key in parameters)
    if issubclass(main, captum.attr.GradientAttribution):
        return 3 * counts
    samples = "n_samples" in parameters and (inner or method) != "ShapleyValueSampling"
    return counts if samples else counts * features + 1


def make_notes(method: str, main: str, options: Mapping[str, Any]) -> list[str]:
    """Return what a method does otherwise than the project's own, for the manifest."""
    notes = [NOTES[main]] if main in NOTES and not (main == "Saliency" and options.get("abs") is False) else []
    if method == "NoiseTunnel":
        notes.append("of noisy images: the deviation is options.stdevs, 1.0 by default, of gray values from 0 to 1")
    return notes
