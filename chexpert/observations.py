"""The names of CheXpert's observations (Irvin et al. 2019, arxiv.org/abs/1901.07031), spelled as in its CSV files."""

STATES = ("positive", "uncertain", "negative", "blank")
"""Of a label: 1, -1, 0 and nothing; tables of counts have this order."""

OBSERVATIONS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
"""All 14, in the order of the columns of train.csv."""

COMPETITION = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
"""The five by whose mean AUROC the competition ranks."""

REPORT_LABELS = ("1", "0", "-1", "blank")
"""The label values of a report, as files of learned targets name them."""

STUDY_SCORES = ("max", "mean", "noisy_or")
"""How the views of a study make its score, see :func:`chexpert.metrics.reduce_scores`; no other place lists them."""

HIGHEST_ERROR_RATE = 0.5
"""Error rates of prediction sets lie below it."""

LOCALIZED = (
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Support Devices",
)
"""The ten for which CheXlocalize has masks."""

OUTSIDE = tuple(name for name in OBSERVATIONS if name not in LOCALIZED)
"""The four for which it has none; data sets with boxes have some of them."""

CHEXLOCALIZE = {"Lung Opacity": "Airspace Opacity"}
"""What CheXlocalize calls otherwise in its files."""

SPELLINGS = {
    "Airspace Opacity": "Lung Opacity",
    "Effusion": "Pleural Effusion",
    "Enlarged Cardiom.": "Enlarged Cardiomediastinum",
    "Enlarged Cardiomed.": "Enlarged Cardiomediastinum",
}
"""Of an observation in the files of others: CheXlocalize, torchxrayvision, tables of papers."""

PARENTS = {
    "Cardiomegaly": "Enlarged Cardiomediastinum",
    "Lung Lesion": "Lung Opacity",
    "Edema": "Lung Opacity",
    "Consolidation": "Lung Opacity",
    "Pneumonia": "Consolidation",
    "Atelectasis": "Lung Opacity",
}
"""What each observation is a kind of (Irvin et al. 2019, Figure 1); the others are roots."""


def find_observation(name: str) -> str | None:
    """The observation that a column is named after, whatever its case, blanks and dashes; None where there is none.

    >>> find_observation("pleural_effusion"), find_observation("Airspace Opacity"), find_observation("Edma")
    ('Pleural Effusion', 'Lung Opacity', None)
    """
    return _KNOWN.get(_letters(name))


def _letters(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


_KNOWN = {_letters(name): name for name in OBSERVATIONS} | {_letters(key): name for key, name in SPELLINGS.items()}
