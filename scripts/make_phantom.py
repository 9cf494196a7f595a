"""Write a phantom: synthetic chest films with labels and masks, laid out as CheXpert-v1.0-small and CheXlocalize."""

import argparse
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to make; it must not exist yet, or be empty")
    parser.add_argument("--train", type=int, default=1200, metavar="N", help="films with report labels")
    parser.add_argument("--valid", type=int, default=240, metavar="N", help="films with true labels and masks")
    parser.add_argument("--size", type=int, default=256, metavar="PX", help="short side of the films")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="another seed, other patients")
    parser.add_argument("--workers", type=int, metavar="W", help="processes; by default one for each processor")
    given = parser.parse_args()
    if given.out.is_dir() and any(given.out.iterdir()):
        parser.error(f"{given.out} is not empty: name a new folder, or remove it first")

    from chexpert.data.phantom import write_phantom  # after the parsing, so that --help is quick

    options = {"train": given.train, "valid": given.valid, "size": given.size, "seed": given.seed}
    print(write_phantom(given.out, workers=given.workers, **options))


if __name__ == "__main__":
    main()
