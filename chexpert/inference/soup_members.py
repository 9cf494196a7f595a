"""Whether the weights of several checkpoints can be averaged: one network, one input, one start."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chexpert.checkpoints import fingerprint, get_output_head, read_checkpoint, without_pretrained
from chexpert.checkpoints.averaged import State, find_misfits
from chexpert.config import find_checkpoint
from chexpert.config.training_checks import find_backbones
from chexpert.errors import Code, UserError
from chexpert.inference.members import find_run
from chexpert.inference.soup_data import get_held_out_setting
from chexpert.inference.soup_differences import describe_heads, describe_observations, describe_value
from chexpert.models import describe_contamination, describe_run, merge_contamination
from chexpert.models.history import get_worst
from chexpert.runs import files as run_files
from chexpert.runs.config_keys import flatten
from chexpert.runs.diff import list_differing_keys
from chexpert.runs.read import read_mapping
from chexpert.runs.synthetic import is_synthetic_metadata
from chexpert.weights import names_a_file, parse_source
from chexpert.weights.license import describe_part

HEAD_HINT = "average weights of one network; probabilities of different ones: chexpert ensemble"
COMPARED = ("valid", "train")
IGNORED = ("frozen", "pretrained")
"""Settings of a network that change no weight's place."""


@dataclass(frozen=True)
class SoupMember:
    """A checkpoint whose weights are averaged.

    Attributes:
        path: its file.
        metadata: of the checkpoint.
        weights: by name, on the CPU.
        digest: of the file's content.
    """

    path: Path
    metadata: Mapping[str, Any]
    weights: State
    digest: str

    @property
    def config(self) -> Mapping[str, Any]:
        """The config of its run."""
        return self.metadata["config"]

    @property
    def name(self) -> str:
        """Its run and file, without the folders above."""
        run = find_run(self.path)
        return f"{run.resolve().name}/{self.path.name}" if run else self.path.name


def read_soup_members(files: Sequence[Path]) -> list[SoupMember]:
    """Read the checkpoints whose weights are to be averaged, and check that they can be.

    Raises:
        UserError: fewer than two, a file that holds no weights or does not record the run, or other networks,
            observations, preprocessing, data or starts.
    """
    if len(files) < 2:
        hint = "give several runs, or one that kept more checkpoints: save_top_k=5"
        raise UserError("one checkpoint alone has no average", code="too-few", where=str(files[0]), hint=hint)
    members = [_read(path) for path in files]
    for other in members[1:]:
        check_same_network(members[0], other)
        check_same_data(members[0], other)
    return members


def _read(path: Path) -> SoupMember:
    if path.suffix != ".ckpt":
        message = "this file does not record how its run started"
        hint = "give run folders, or their checkpoints/*.ckpt"
        raise UserError(message, code="input-kind", where=str(path), hint=hint)
    metadata, weights = read_checkpoint(path)
    return SoupMember(path, metadata, weights, fingerprint(path))


def check_same_network(first: SoupMember, other: SoupMember) -> None:
    """Check that two checkpoints are of one network, with the same outputs and the same input.

    Raises:
        UserError: they are not; the message says what differs.
    """
    where = f"{first.path} and {other.path}"
    one, two = (flatten({"model": without_pretrained(member.config["model"])}) for member in (first, other))
    differing = [key for key in list_differing_keys([one, two]) if key.rpartition(".")[2] not in IGNORED]
    if differing:
        key = differing[0]
        message = f"other networks: {key} is {describe_value(one.get(key))} and {describe_value(two.get(key))}"
        message += f", and {len(differing) - 1} settings more" if len(differing) > 1 else ""
        raise UserError(message, code="other-model", where=where, hint=HEAD_HINT)
    for code, message in _list_differences(first.metadata, other.metadata):
        raise UserError(message, code=code, where=where, hint=HEAD_HINT)
    if misfits := find_misfits(first.weights, other.weights):
        message = f"other networks: {len(misfits)} weights differ in name or shape, the first {misfits[0]}"
        raise UserError(message, code="other-model", where=where, hint=HEAD_HINT)


def _list_differences(first: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[Code, str]]:
    """Yield code and message for each of observations, outputs and preprocessing that differs."""
    names = first["observations"]
    if names != other["observations"]:
        yield "other-observations", f"other observations: {describe_observations(names, other['observations'])}"
    heads = get_output_head(first), get_output_head(other)
    if heads[0] != heads[1]:
        yield "other-model", f"other outputs: {describe_heads(*heads, names)}"
    own, theirs = first["preprocessing"], other["preprocessing"]
    if own != theirs:
        yield "other-preprocessing", f"other preprocessing: {describe_value(own)}, and {describe_value(theirs)}"


def check_same_data(first: SoupMember, other: SoupMember) -> None:
    """Check that the runs were trained and evaluated on the same images, where both say so.

    Runs that held out different patients trained on different ones of the same table: their train splits may differ.

    Raises:
        UserError: they were not.
    """
    prints = []
    for member in (first, other):
        run = find_run(member.path)
        splits = read_mapping(run / run_files.DATA).get("splits", {}) if run else {}
        prints.append({split: splits.get(split, {}).get("fingerprint") for split in COMPARED})
    held = [get_held_out_setting(member.config) for member in (first, other)]
    for split in COMPARED if held[0] == held[1] else ("valid",):
        one, two = (own[split] for own in prints)
        if None in (one, two) or one == two:
            continue
        message = f"runs on other data: their {split} splits differ"
        hint = "average runs of the same data; to compare others: chexpert evaluate"
        raise UserError(message, code="other-data", where=f"{first.path} and {other.path}", hint=hint)


def describe_start(members: Sequence[SoupMember]) -> str:
    """Return in words which start the members share.

    Models from different starts lie in different valleys of the loss, and their mean in none (Frankle et al. 2020,
    arxiv.org/abs/1912.05671).

    Raises:
        UserError: they share none.
    """
    runs = {find_run(member.path) or member.path: member for member in members}
    if len(runs) == 1:
        return "checkpoints of one run"
    starts = {run: get_start(member) for run, member in runs.items()}
    (first, own), *others = starts.items()
    for run, start in others:
        if start != own:
            message = f"other starts: {describe(own)}, and {describe(start)}"
            hint = "train them from one start: start_from=RUN, pretrained weights, or the same seed; or average their "
            hint += "probabilities: chexpert ensemble"
            raise UserError(message, code="not-comparable", where=f"{first} and {run}", hint=hint)
    return describe(own)


def describe(start: Mapping[str, Any]) -> str:
    """Return a start in words."""
    if "start_from" in start:
        return f"start_from={start['start_from']}"
    weights = ", ".join(map(str, start["pretrained"]))
    return (
        f"pretrained={weights}"
        if start["seed"] is None
        else f"pretrained={weights}, random weights of seed {start['seed']}"
    )


def get_start(member: SoupMember) -> dict[str, Any]:
    """Return what the weights of a member's run began from, equal for equal starts.

    Of pretrained backbones the classifier begins at random, from the seed. It reads the same features, so that it is
    no other valley: seeds may differ then.
    """
    config = member.config
    if "seed" not in config:
        message, hint = "this checkpoint does not record its run's start", "give a checkpoint of a run folder"
        raise UserError(message, code="missing-run", where=str(member.path), hint=hint)
    if source := config.get("start_from"):
        return {"start_from": identify_start(str(source))}
    pretrained = [identify_pretrained(node.get("pretrained")) for _, node in find_backbones(config["model"], "model")]
    random = not pretrained or not all(pretrained)
    return {"pretrained": pretrained, "seed": config["seed"] if random else None}


def identify_pretrained(value: Any) -> Any:
    """Return the digest of a file of weights; names of public weights, flags and files that are gone as they are."""
    file = parse_source(value).file if names_a_file(value) else None
    if file is None or not Path(file).is_file():
        return value or False
    return f"weights {hashlib.sha256(Path(file).read_bytes()).hexdigest()[:12]}"


def identify_start(source: str) -> str:
    """Return the digest of the weights of ``start_from``; the path as it was given where they are gone."""
    try:
        return f"weights {fingerprint(find_checkpoint(source))[:12]}"
    except Exception:  # moved, or no file of torch.save
        return source


def describe_members(members: Sequence[SoupMember], numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Return number, digest and start of members, for metadata that leaves this machine: no path and no name of a run.

    Args:
        members: all of them.
        numbers: places of those to describe.
    """
    return [
        {"name": name_member(place), "weights": members[place].digest} | describe_part(members[place].metadata)
        for place in numbers
    ]


def merge_metadata(members: Sequence[SoupMember]) -> dict[str, Any]:
    """Return the metadata of averaged weights: those of the first member, with what any of them learned from.

    Members may have trained on different data, of which the first member's metadata name one: what a member's own run
    saw is then in the sentence too.
    """
    sentences = [member.metadata.get("contamination") for member in members]
    synthetic = any(is_synthetic_metadata(member.metadata) for member in members)
    merged = {**members[0].metadata, "contamination": merge_contamination(sentences), "synthetic": synthetic}
    histories = [describe_run(member.metadata) for member in members]
    if describe_run(merged).saw_chexpert != get_worst(histories):
        merged["contamination"] = describe_contamination(histories)
    return merged


def name_member(place: int) -> str:
    """Return the name of a member by its place, from 0 on."""
    return f"member {place + 1}"
