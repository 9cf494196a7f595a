"""Write a phantom: synthetic chest images with labels and masks, laid out as any copy of CheXpert."""

from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from pathlib import Path

from chexpert.cli.shared_arguments import add_renamed


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of ``chexpert.data.phantom.Options``, which checks them; its import would make --help slow."""
    add = parser.add_argument
    add("out", type=Path, help="folder to make; it must not exist yet, or be empty")
    add("--patients", type=int, metavar="N", help="in train, with report labels (370: about 1,200 frontal images)")
    add("--valid", type=int, metavar="N", help="patients in valid, with true labels and masks (240)")
    add("--test", type=int, metavar="N", help="patients in test (0)")
    add("--size", type=int, metavar="PX", help="short side of the images (256)")
    add("--seed", type=int, metavar="S", help="another seed, other patients (0)")
    add("--layout", help="small (default), full, mlmip, aimi, bare, flat, chexlocalize or plus")
    add_renamed(parser, "--labellers", "--labelers")
    add("--labelers", action="store_true", default=None, help="train_cheXbert.csv and train_visualCheXbert.csv too")
    add("--enriched", action=BooleanOptionalAction, help="rare competition findings more often (yes)")
    add("--laterals", type=float, metavar="SHARE", help="of all views (0.145)")
    add("--strength", type=_read_strength, nargs="+", metavar="FINDING=FACTOR", help="below 1 is harder to see")
    add("--shortcut", type=float, metavar="P", help="of devices with Cardiomegaly, 1 - P without; also two more valid")
    add("--counterfactuals", nargs="+", metavar="FINDING", help="valid images that show it, painted without it")
    add("--defects", nargs="+", metavar="KIND", help="plant: missing, truncated, duplicate, shared")
    add("--workers", type=int, metavar="W", help="processes; by default one for each processor")
    add("--sheet", type=Path, metavar="PNG", help="a picture of images with their masks outlined")


def run(given: Namespace) -> None:
    """Write the phantom, and print what it contains."""
    options = {name: value for name, value in vars(given).items() if value is not None}
    out, sheet, workers = options.pop("out"), options.pop("sheet", None), options.pop("workers", None)

    from chexpert.data.phantom import Options, write_phantom
    from chexpert.data.phantom.contact_sheet import write_sheet
    from chexpert.data.phantom.contents import describe_contents
    from chexpert.errors import UserError, raise_errors

    options["strength"] = dict(options.get("strength", ()))
    try:
        print(*describe_contents(write_phantom(out, workers=workers, **options), Options(**options)), sep="\n")
        if sheet:
            write_sheet(sheet, Options(**options))
            print(f"written: {sheet}, some of its images with their masks outlined")
    except UserError as error:
        raise_errors([one.at_option() for one in getattr(error, "errors", [error])])


def _read_strength(text: str) -> tuple[str, float]:
    name, _, factor = text.rpartition("=")
    try:
        return name, float(factor)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not FINDING=FACTOR, as in Edema=0.5") from None
