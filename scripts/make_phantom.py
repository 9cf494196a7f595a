"""Write a phantom: synthetic chest images with labels and masks, laid out as any copy of CheXpert."""

import argparse
from pathlib import Path

from chexpert.cli.renamed import add_renamed
from chexpert.console import open_streams


def read_strength(text: str) -> tuple[str, float]:
    name, _, factor = text.rpartition("=")
    try:
        return name, float(factor)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not FINDING=FACTOR, as in Edema=0.5") from None


def make_parser() -> argparse.ArgumentParser:
    """The options of `chexpert.data.phantom.Options`, which checks them; importing it here would make --help slow."""
    parser = argparse.ArgumentParser(description=__doc__)
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
    add("--enriched", action=argparse.BooleanOptionalAction, help="rare competition findings more often (yes)")
    add("--laterals", type=float, metavar="SHARE", help="of all views (0.145)")
    add("--strength", type=read_strength, nargs="+", metavar="FINDING=FACTOR", help="below 1 is harder to see")
    add("--shortcut", type=float, metavar="P", help="of devices with Cardiomegaly, 1 - P without; also two more valid")
    add("--counterfactuals", nargs="+", metavar="FINDING", help="valid images that show it, painted without it")
    add("--defects", nargs="+", metavar="KIND", help="plant: missing, truncated, duplicate, shared")
    add("--workers", type=int, metavar="W", help="processes; by default one for each processor")
    add("--sheet", type=Path, metavar="PNG", help="a picture of images with their masks outlined")
    return parser


def main() -> None:
    parser = make_parser()
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    out, sheet, workers = given.pop("out"), given.pop("sheet", None), given.pop("workers", None)

    from chexpert.data.phantom import Options, write_phantom  # after the parsing, so that --help is quick
    from chexpert.data.phantom.contact_sheet import write_sheet
    from chexpert.data.phantom.contents import describe_contents
    from chexpert.errors import OWN, UserError, get_exit_code

    try:
        given["strength"] = dict(given.get("strength", ()))
        print(*describe_contents(write_phantom(out, workers=workers, **given), Options(**given)), sep="\n")
        if sheet:
            write_sheet(sheet, Options(**given))
            print(f"written: {sheet}, some of its images with their masks outlined")
    except (UserError, OSError) as error:  # a full disk, a picture that cannot be written
        text = str(error).replace(f"where: {OWN}", "where: --")
        parser.exit(get_exit_code(error), f"error: {text}\n")


if __name__ == "__main__":
    open_streams()
    main()
