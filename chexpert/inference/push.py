"""Put the model of a run on the Hugging Face Hub: weights, what is needed to use them, and the model card."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import huggingface_hub
import yaml
from huggingface_hub import errors as hub_errors

from chexpert.checkpoints import load, read_metadata
from chexpert.checkpoints.hub import DIGESTS, METADATA, WEIGHTS, get_sha256, reporting
from chexpert.errors import UserError
from chexpert.explain.quality.cost import hash_weights
from chexpert.gate import check_weights, read_gate
from chexpert.models.licenses import complete_license
from chexpert.models.pretrained import get_endpoint
from chexpert.report.model_card.card import renew_card
from chexpert.report.names import HIDDEN, HUB, hide_value
from chexpert.runs import files as run_files
from chexpert.runs.config_keys import flatten
from chexpert.runs.read import read_config, read_mapping_or_empty
from chexpert.weights.hub_name import HubName, parse_hub_name
from chexpert.weights.license import StartLicense, list_licenses

CARD = "README.md"
"""The name of the model card on the Hub."""
OWN = (CARD, WEIGHTS, METADATA, run_files.GATE)
IGNORED = (".gitattributes", CARD)
"""Files of a repository that holds no model yet."""
PARTS = ("members", "teachers", "left_out")
PART = re.compile(r"(member|teacher) \d+")
PLACE = re.compile(r"[/\\]|^~")
HEADER = re.compile(r"\ufeff?---\n(.*?\n)---(?=\n|\Z)", re.DOTALL)
LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass
class Pushed:
    """What is in the repository, or would be.

    Attributes:
        files: content or path by name; the names are all that the repository gets.
        notes: what was left out, and which licenses are not known.
        commit: of the repository; None where nothing was sent.
    """

    files: dict[str, bytes | Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    commit: str | None = None

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each file."""
        return {name: len(own) if isinstance(own, bytes) else own.stat().st_size for name, own in self.files.items()}


def push_run(
    run: Path,
    repository: str,
    *,
    public: bool = False,
    revision: str | None = None,
    overwrite: bool = False,
    license_id: str | None = None,
    accept_non_commercial: bool = False,
    dry_run: bool = False,
) -> Pushed:
    """Put the best weights of a run on the Hugging Face Hub.

    Sent are best.safetensors, best.json with the SHA-256 of the others, gate.safetensors if there is one, and
    the model card, as the run's files have it now, as README.md: no pickle, no image, no name of a patient, no path.

    Args:
        run: run folder.
        repository: ``OWNER/NAME``; it is made if it is not there.
        public: whether all may read it.
        revision: branch; made if it is not there.
        overwrite: whether another model that is there is replaced.
        license_id: of the weights, as the Hub spells it, for the header of the card.
        accept_non_commercial: whether weights that started from ones of a non-commercial license are sent.
        dry_run: list the files and send nothing.

    Raises:
        UserError: a file is missing, the license or the name stands against it, there is no token or no network, or
            the repository has another model.
    """
    name = parse_hub_name(f"hf:{repository}" + (f"@{revision}" if revision else ""))
    assert name is not None
    if "@" in repository:
        message = f"{repository!r} names no repository of the Hugging Face Hub"
        raise UserError(message, code="value", where=repository, hint="OWNER/NAME, and --revision BRANCH")
    pushed = collect_files(run, license_id)
    pushed.notes += check_licenses(run, accept_non_commercial)
    if dry_run:
        return pushed
    if huggingface_hub.get_token() is None:
        hint = "log in by `hf auth login`, or set HF_TOKEN; --dry-run needs none"
        raise UserError("no token of the Hugging Face Hub", code="no-access", where=str(name), hint=hint)
    with reporting(name, "--dry-run, which needs none"):
        pushed.commit = _send(pushed, name, public=public, overwrite=overwrite)
    return pushed


def collect_files(run: Path, license_id: str | None = None) -> Pushed:
    """Return the files of a run that leave it, each checked.

    Raises:
        UserError: one is missing, is of another model, or names a file of the user.
    """
    if license_id is not None and not LICENSE.fullmatch(license_id):
        hint = "as the Hub spells it, such as mit, apache-2.0, cc-by-nc-4.0, other"
        raise UserError(f"{license_id!r} is no license", code="value", where="--license", hint=hint)
    weights = run_files.checkpoint(run).with_suffix(run_files.SAFETENSORS)
    if not weights.is_file():
        hint = "give the folder of a run that has finished an epoch"
        raise UserError("no exported weights", code="missing-file", where=str(weights), hint=hint)
    card, path = renew_card(run), run / run_files.MODEL_CARD
    if card is None:
        raise UserError("no model card", code="missing-file", where=str(path), hint="chexpert report RUN writes it")
    metadata = read_metadata(weights)
    _check_private(metadata, weights.with_suffix(".json"))
    loaded, pushed = load(weights), Pushed()
    digests = {WEIGHTS: get_sha256(weights)}
    pushed.files = {WEIGHTS: weights}
    gate = run / run_files.GATE
    if gate.is_file():
        own = read_gate(gate)
        check_weights(own, hash_weights(loaded.model), gate)
        if own.distance.reference is not None:
            why = "it holds the features of single training images (gate=knn)"
            pushed.notes.append(f"{run_files.GATE} is left out: {why}; gate=mahalanobis holds none")
        else:
            digests[run_files.GATE] = get_sha256(gate)
            pushed.files[run_files.GATE] = gate
    content = json.dumps(metadata | {DIGESTS: digests}, indent=2, allow_nan=False) + "\n"
    pushed.files[METADATA] = content.encode()
    pushed.files[CARD] = set_license(card, license_id, path).encode()
    return pushed


def set_license(card: str, license_id: str | None, path: Path = Path(run_files.MODEL_CARD)) -> str:
    r"""Return a card with this license in its header, and without the sentence that none is chosen.

    Raises:
        UserError: it has no header that the Hub can read.

    >>> set_license("---\nlicense: other\ntags: []\n---\nText", "mit")
    '---\nlicense: mit\ntags: []\n---\nText'
    """
    if license_id is None:
        return card
    found = HEADER.match(card := card.replace("\r\n", "\n"))
    try:
        header = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        header = None
    if found is None or not isinstance(header, dict):
        message, hint = "the card begins with no header of YAML between lines of ---", "chexpert report RUN writes it"
        raise UserError(message, code="damaged-file", where=str(path), hint=hint)
    text = yaml.safe_dump(header | {"license": license_id}, sort_keys=False, allow_unicode=False, width=120)
    body = card[found.end() :]
    body = re.sub(r"(?m)^The owner of the weights has to choose.*$", f"License of the weights: {license_id}.", body)
    return f"---\n{text}---{body}"


def check_licenses(run: Path, accepted: bool) -> list[str]:
    """Return notes on the licenses of the weights that a run started from.

    Raises:
        UserError: one is non-commercial, and that was not accepted.
    """
    config, metrics = read_config(run), read_mapping_or_empty(run / run_files.METRICS)
    exported = read_mapping_or_empty(run_files.checkpoint(run).with_suffix(".json"))
    made_of = exported.get("made_of") or metrics.get("made_of")
    found = list_licenses(config.get("model"), config.get("start_from"), metrics.get("contamination"), made_of)
    found = [complete_license(one) for one in found]
    if not config:
        found.append(StartLicense("weights that are not recorded: config.yaml is missing", "not known", None))
    bound = [one for one in found if one.non_commercial]
    if bound and not accepted:
        names = "; ".join(f"{one.weights}: {one.license}" for one in bound)
        hint = "--accept-non-commercial, if you keep to it; choose a license that does: --license cc-by-nc-4.0"
        message = f"the model started from weights whose license forbids commercial use ({names})"
        raise UserError(message, code="license", where=str(run), hint=hint)
    return [f"license of {one.weights}: {one.license}: check it" for one in found if one.non_commercial is None]


def _check_private(metadata: Mapping[str, Any], path: Path) -> None:
    """Raise where a setting of the model, or another entry, names a file or a run: its text would leave with it."""
    for key, value in flatten({key: own for key, own in metadata.items() if key != DIGESTS}).items():
        own = key.removeprefix("config.")
        if hide_value(own, value) == HIDDEN if own != key else _names_place(value):
            hint = "train without it, or take it out of best.json if the model does not need it"
            message = f"the setting {own} may name a file of yours"
            raise UserError(message, code="conflict", where=str(path), hint=hint)
    made_of = metadata.get("made_of") or {}
    for part in (part for kind in PARTS for part in made_of.get(kind, ())):
        if not PART.fullmatch(str(part.get("name"))):
            hint = "make it again by this version, or write `member 1` and so on in its place"
            message = "made_of names a run of yours"
            raise UserError(message, code="conflict", where=str(path), hint=hint)


def _names_place(value: Any) -> bool:
    """Return whether a text, or one in a list, looks like a path; names of the Hub do not."""
    if isinstance(value, Mapping | list | tuple):
        return any(map(_names_place, value.values() if isinstance(value, Mapping) else value))
    return isinstance(value, str) and any(
        PLACE.search(word) and not word.startswith(HUB) for word in value.strip("()").replace("(", " ").split()
    )


def _send(pushed: Pushed, name: HubName, *, public: bool, overwrite: bool) -> str:
    """Make repository and branch where they are missing, and send all files in one commit; return its digest."""
    api = huggingface_hub.HfApi(get_endpoint())
    there = _check_repository(api, pushed, name, public=public, overwrite=overwrite)
    if name.revision and name.revision != "main":
        api.create_branch(name.repository, branch=name.revision, exist_ok=True)
    add = huggingface_hub.CommitOperationAdd
    operations: list[Any] = [
        add(file, own if isinstance(own, bytes) else str(own)) for file, own in pushed.files.items()
    ]
    stale = [file for file in OWN if file in there and file not in pushed.files]
    operations += [huggingface_hub.CommitOperationDelete(file) for file in stale]
    message = "Model of a chexpert run"
    done = api.create_commit(name.repository, operations, commit_message=message, revision=name.revision)
    return str(done.oid)


def _check_repository(
    api: huggingface_hub.HfApi, pushed: Pushed, name: HubName, *, public: bool, overwrite: bool
) -> set[str]:
    """Make the repository where it is missing; return the names of its files.

    Raises:
        UserError: it has another model and is not to be overwritten, or is seen by others than wanted.
    """
    try:
        info = api.model_info(name.repository)
    except hub_errors.RepositoryNotFoundError:
        api.create_repo(name.repository, private=not public)
        return set()
    if bool(info.private) == public:
        kind, wanted = ("private", "without --public") if info.private else ("public", "with --public")
        message = f"the repository is {kind}; who can read it is not changed here"
        hint = f"push {wanted}, change it on its page, or push to another name"
        raise UserError(message, code="conflict", where=str(name), hint=hint)
    try:
        info = api.model_info(name.repository, revision=name.revision, files_metadata=True)
    except hub_errors.RevisionNotFoundError:  # a branch that begins as a copy of the default one
        info = api.model_info(name.repository, files_metadata=True)
    listed = {one.rfilename: one for one in info.siblings or ()}
    others = [file for file in listed if file not in IGNORED]
    lfs = getattr(listed.get(WEIGHTS), "lfs", None)
    own = pushed.files[WEIGHTS]
    assert isinstance(own, Path)
    if others and not overwrite and not (lfs and lfs["sha256"] == get_sha256(own)):
        hint = "--overwrite, another name, or --revision BRANCH with --overwrite"
        message = f"the repository has another model: {', '.join(sorted(others)[:5])}"
        raise UserError(message, code="not-empty", where=str(name), hint=hint)
    return set(listed)
