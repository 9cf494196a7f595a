"""Put the model of a run on the Hugging Face Hub: weights as safetensors, what is needed to use them, the model card.

    chexpert push outputs/RUN OWNER/NAME --dry-run
Sent are best.safetensors, best.json, gate.safetensors if there is one, and MODEL_CARD.md as README.md: nothing else.
The repository is private unless --public is given. chexpert.load("hf:OWNER/NAME@COMMIT") loads the model from there,
and chexpert predict takes that name as RUN. The token is that of `hf auth login`, or HF_TOKEN.
Exit code 2: a file is missing, there is no token, or the repository or a license stands against it.
Not a medical device.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder")
    add("repository", metavar="OWNER/NAME", help="made if it is not there")
    seen = parser.add_mutually_exclusive_group()
    seen.add_argument("--private", dest="public", action="store_false", help="you and your group alone (the default)")
    seen.add_argument("--public", action="store_true", help="everybody can read it")
    add("--revision", metavar="BRANCH", help="made if it is not there (main)")
    add("--overwrite", action="store_true", help="replace another model that is there")
    add("--license", dest="license_id", metavar="ID", help="of the weights, such as mit, for the card (other)")
    accept_help = "the model started from weights of a non-commercial license, and you keep to it"
    add("--accept-non-commercial", action="store_true", help=accept_help)
    add("--dry-run", action="store_true", help="check and list the files, and send nothing")
    parser.set_defaults(public=False)


def run(given: Namespace) -> None:
    """Check the files, list them, and send them."""
    from chexpert.console import NOTE, log
    from chexpert.inference.push import push_run

    options = dict(vars(given))
    repository = options["repository"]
    pushed = push_run(options.pop("run"), options.pop("repository"), **options)
    for note in pushed.notes:
        log.log(NOTE, note)
    for name, size in pushed.sizes().items():
        print(f"{name:<18} {size:>13,} bytes")
    if pushed.commit is None:
        print("nothing was sent (--dry-run)")
        return
    print(f"sent to {repository}, {'public' if given.public else 'private'}, commit {pushed.commit}")
    print(f'load it: chexpert.load("hf:{repository}@{pushed.commit}")')
