"""Write the labels of an external data set, and its boxes as masks, for the commands that evaluate on it.

ROOT: NIH ChestX-ray14, MIMIC-CXR-JPG, VinDr-CXR, RSNA Pneumonia or PadChest, as it is distributed; nothing in it is
changed. Labels are mapped to CheXpert's by name: what has no counterpart is named, and observations that the data set
does not label are left out, never counted as negative.
OUT gets labels.csv (for predict, evaluate, drift), and where there are boxes boxed.csv and masks.json (for localize).
Exit code 2: the command or one of its files is wrong.
"""

import shlex
from argparse import ArgumentParser, Namespace
from pathlib import Path


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("root", type=Path, metavar="ROOT", help="the folder that holds the data set's tables")
    add("out", type=Path, metavar="OUT", help="a new folder")
    add("--split", default="test", choices=("train", "valid", "test"), help="which split (test)")
    add("--views", default="frontal", choices=("frontal", "lateral", "all"), help="which views (frontal)")
    add("--labeler", metavar="NAME", help="whose labels, where the data set has several")


def run(given: Namespace) -> None:
    """Write the files, and print the mapping of the labels."""
    from chexpert.data.sources.external.describe import describe_mapping, describe_split
    from chexpert.data.sources.external.export import BOXED, LABELS, MASKS, export_split
    from chexpert.data.sources.external.open_set import open_external
    from chexpert.observations import OBSERVATIONS, SPELLINGS

    layout = open_external(given.root)
    split = export_split(layout, given.split, given.views, given.out, given.labeler)
    print(*describe_mapping(layout.data_set), "", *describe_split(layout, given.split, split), sep="\n")
    print(*(f"written: {path}" for path in split.files), sep="\n")
    root, labels, scores = (shlex.quote(str(path)) for path in (given.root, given.out / LABELS, given.out / "p.csv"))
    print(f"predict:  chexpert predict RUN {labels} {scores} --observations all --root {root}")
    print(f"evaluate: chexpert evaluate --predictions {scores} --labels {labels} --hashed-by RUN --out OUT.json")
    if split.masks:
        masks, boxed, maps = (shlex.quote(str(given.out / name)) for name in (MASKS, BOXED, "maps"))
        names = {SPELLINGS.get(name, name) for own in split.masks.values() for name in own}
        outlined = " ".join(shlex.quote(name) for name in OBSERVATIONS if name in names)
        chosen = f"--explainer gradcam --ids path --observations {outlined}"
        print(f"explain:  chexpert explain RUN {boxed} --root {root} {chosen} --out {maps}")
        print(f"localize: chexpert localize --ground-truth {masks} --maps {maps}/gradcam/maps --out OUT.json")
