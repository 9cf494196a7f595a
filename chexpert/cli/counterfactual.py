"""Show how images would look if the model saw less, or more, of an observation in them (Latent Shift).

chexpert counterfactual outputs/RUN image.jpg --observation Edema --out lowered
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from chexpert.cli.shared_arguments import add_ids


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder, a checkpoint, or hf:OWNER/NAME@COMMIT")
    add("images", nargs="*", metavar="IMAGE", help="images; by default validation views that show the observation")
    add("--observation", required=True, metavar="NAME", help="whose logit is moved")
    add("--out", type=Path, metavar="FOLDER", help="a new folder (RUN/counterfactuals)")
    add("--autoencoder", type=Path, metavar="FILE", help="one of an earlier call; by default one is trained")
    add("--count", type=int, default=4, help="validation views (4)")
    add("--amount", type=_share, default=0.9, help="of the way of the probability to 0, and to 1 (0.9)")
    add("--decoded", action="store_true", help="show decoded images, and not their change added to the image")
    add("--train-images", type=int, default=5000, metavar="N", help="training images of the autoencoder (5000)")
    add("--epochs", type=int, default=30, help="of the autoencoder (30)")
    add("--device", help="cpu, cuda, ... (the GPU, if there is one)")
    add_ids(parser, "path: call images by their names, patients' too")


def run(given: Namespace) -> int:
    """Make the images, and print what was found and written."""
    from chexpert.explain.counterfactual.latent_shift import ShiftSettings
    from chexpert.inference.counterfactual import Training, make_counterfactuals
    from chexpert.report import describe_counterfactuals

    folder, content = make_counterfactuals(
        given.run, given.images, given.observation,
        out=given.out, autoencoder=given.autoencoder, count=given.count, device=given.device, ids=given.ids,
        training=Training(given.train_images, given.epochs),
        settings=ShiftSettings(given.amount, detail=not given.decoded),
    )  # fmt: skip
    print(describe_counterfactuals(content))
    print("\n".join(f"written:       {folder / file}" for entry in content["views"] for file in entry["files"]))
    return 0


def _share(text: str) -> float:
    """Return a share between 0 and 1."""
    if not 0 < (share := float(text)) < 1:
        raise ArgumentTypeError(f"{text} is not above 0 and below 1")
    return share
