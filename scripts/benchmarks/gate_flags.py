"""What the gate of a run flags: upright frontals of other seeds, everything else, real images; and what it costs.

    python scripts/benchmarks/gate_flags.py RUN --images FOLDER --json OUT

RUN was trained on the phantom and has a gate. FOLDER holds real images as CheXpert lays them out: gates are fitted on
three quarters of their patients, with the run's network, and applied to the others.
"""

import argparse
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--images", type=Path, help="a folder of real images, as CheXpert lays them out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13], help="of the phantoms")
    parser.add_argument("--patients", type=int, default=60, help="of each phantom")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--timed", type=int, default=200, help="images of each round of the timing")
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()
    from gate_measures import measure  # after the parsing, so that --help is quick

    measure(given)


if __name__ == "__main__":
    main()
