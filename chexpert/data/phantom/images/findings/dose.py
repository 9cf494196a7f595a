"""How strongly a finding shows at a given severity."""

STRENGTH = {
    "Atelectasis": 0.75,
    "Cardiomegaly": 0.14,
    "Consolidation": 0.75,
    "Edema": 0.165,
    "Enlarged Cardiomediastinum": 0.10,
    "Fracture": 0.50,
    "Lung Lesion": 0.45,
    "Pleural Effusion": 0.50,
    "Pleural Other": 0.34,
    "Pneumothorax": 0.22,
    "Support Devices": 0.40,
}
"""Attenuation at severity 1 (Cardiomegaly: growth of the cardiothoracic ratio; Enlarged Cardiomediastinum: widening of
each side in body units).

Those of the five competition observations were set by trial on phantom 3, so that a small network learns every finding
but none to the end (AUROC .80-.97 each); see docs/decisions/phantom.md. The others are distractors, set by eye.
"""

FAINTEST = 0.45
"""Share of the strength that is left at severity 0+: a positive radiograph must show more than the mask's threshold."""


def dose(name: str, severity: float) -> float:
    """Return the attenuation (or growth) of a finding: `FAINTEST` to 1 of its strength, 0 where severity is 0.

    A device is there or not: its severity changes nothing.

    Args:
        name: finding, one of `STRENGTH`.
        severity: severity in [0, 1].

    Returns:
        The attenuation, 0 to the finding's `STRENGTH`; of Cardiomegaly and Enlarged Cardiomediastinum the growth.

    >>> dose("Pleural Effusion", 1.0), dose("Pleural Effusion", 0.0)
    (0.5, 0.0)
    """
    if severity <= 0:
        return 0.0
    return STRENGTH[name] * (1.0 if name == "Support Devices" else FAINTEST + (1 - FAINTEST) * severity)
