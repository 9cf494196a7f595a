"""The licenses of timm's own weights, as timm records them."""

import timm

from chexpert.weights.license import UNKNOWN, StartLicense

TIMM = "timm's weights of "
NON_COMMERCIAL = ("-nc", "noncommercial", "non-commercial", "research-only")


def complete_license(one: StartLicense) -> StartLicense:
    """Return a license with what timm knows of its weights; others are returned as they are.

    >>> complete_license(StartLicense("timm's weights of resnet18", "not known here", None)).license
    'apache-2.0'
    """
    name = one.weights.removeprefix(TIMM)
    if name == one.weights or one.license != UNKNOWN:
        return one
    about = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    if about is None or not about.license:
        return one
    return StartLicense(one.weights, about.license, any(mark in about.license.lower() for mark in NON_COMMERCIAL))
