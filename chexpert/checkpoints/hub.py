"""Trained models on the Hugging Face Hub: ``hf:OWNER/NAME@REVISION`` is downloaded once, verified and cached."""

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import huggingface_hub
from huggingface_hub import errors as hub_errors

from chexpert.console import NOTE, log
from chexpert.errors import UserError
from chexpert.models.pretrained import avoiding_retries, get_endpoint
from chexpert.models.weight_file import first_line
from chexpert.runs import files as run_files
from chexpert.weights import HUB
from chexpert.weights.hub_name import HubName, parse_hub_name

WEIGHTS = f"{run_files.BEST}{run_files.SAFETENSORS}"
METADATA = f"{run_files.BEST}.json"
DIGESTS = "sha256"
"""The key of best.json that holds the SHA-256 of each other file of a repository, by name."""
LIMITS = {METADATA: 10**8, run_files.GATE: 10**9, WEIGHTS: 2 * 10**10}
"""Most bytes of each file that is downloaded; nothing else of a repository is."""
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".tar")
COMMIT = re.compile(r"[0-9a-f]{40}")


def get_local_path(path: str | Path) -> Path:
    """Return a path as it is; of ``hf:OWNER/NAME@REVISION`` the weights in the local cache, downloaded if needed.

    Raises:
        UserError: they cannot be had, or the repository is not to be trusted.
    """
    name = parse_hub_name(path)
    return fetch_model(name) if name else Path(path)


def fetch_model(name: HubName) -> Path:
    """Return the weights of a repository in the local cache, with best.json beside them, and the gate if there is one.

    The revision is resolved to a commit, from which all files are. A commit that is in the cache needs no network;
    without a network the last one of a branch is taken from the cache.

    Raises:
        UserError: they cannot be had, or the repository is not to be trusted: another SHA-256 than promised, a name
            that leads out of its folder, a file that is too large, no safetensors.
    """
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries say the same five times
    pinned = bool(name.revision and COMMIT.fullmatch(name.revision))
    if pinned and (cached := _find_cached(name)):
        return _verify(cached, name)
    with avoiding_retries():
        try:
            with reporting(name):
                sizes = _check_listing(name, _get_listing(name))
                folder = _download(name, sizes)
        except UserError as error:
            cached = _find_cached(name) if error.code == "download" else None
            if cached is None:
                raise
            log.log(NOTE, f"{name}: no network; from the cache: commit {cached.name}")
            return _verify(cached, name)
    if not pinned:
        log.log(NOTE, f"{name} is at commit {folder.name}; the same again: {HubName(name.repository, folder.name)}")
    return _verify(folder, name)


def _find_cached(name: HubName) -> Path | None:
    """Return the folder of a commit in the cache, where it has the weights and best.json."""
    find, revision = huggingface_hub.try_to_load_from_cache, name.revision
    weights, metadata = (find(name.repository, file, revision=revision) for file in (WEIGHTS, METADATA))
    return Path(weights).parent if isinstance(weights, str) and isinstance(metadata, str) else None


def _get_listing(name: HubName) -> Any:
    return huggingface_hub.HfApi(get_endpoint()).model_info(
        name.repository, revision=name.revision, files_metadata=True
    )


def _check_listing(name: HubName, info: Any) -> dict[str, Any]:
    """Check names, kinds and sizes of the files before any is downloaded; return those to download, by name."""
    listed = {str(one.rfilename): one for one in info.siblings or ()}
    for path in listed:
        if path.startswith("/") or "\\" in path or ".." in PurePosixPath(path).parts or "\0" in path:
            message = f"the repository has a file whose name leads out of its folder: {path}"
            raise UserError(message, code="outside-root", where=str(name), hint="do not use this repository")
    if lacking := [file for file in (WEIGHTS, METADATA) if file not in listed]:
        pickled = [path for path in listed if path.endswith(PICKLED)]
        more = f"; its weights are pickled ({pickled[0]}), and reading them would run its code" if pickled else ""
        message = f"no model of this project: it has no {' and no '.join(lacking)}{more}"
        hint = f"weights of a backbone from the Hub: chexpert train pretrained={HUB}{name.repository}"
        raise UserError(message, code="not-a-checkpoint", where=str(name), hint=hint)
    wanted = {file: listed[file] for file in LIMITS if file in listed}
    for file, one in wanted.items():
        _check_size(name, file, one.size)
    return wanted


def _check_size(name: HubName, file: str, size: int | None) -> None:
    if size is None or not 0 < size <= LIMITS[file]:
        known = "of unknown size" if size is None else f"of {size:,} bytes"
        message = f"{file} is {known}; at most {LIMITS[file]:,} are read"
        raise UserError(message, code="file-size", where=str(name), hint="do not use this repository")


def _download(name: HubName, wanted: Mapping[str, Any]) -> Path:
    """Download the files, best.json first, all of the commit that it is from."""
    revision, folder = name.revision, None
    for file in LIMITS:
        if file not in wanted:
            continue
        path = Path(huggingface_hub.hf_hub_download(name.repository, file, revision=revision, endpoint=get_endpoint()))
        folder, revision = path.parent, path.parent.name
        _check_size(name, file, path.stat().st_size)
        _check_digest(name, file, path, wanted[file])
    assert folder is not None
    return folder


def _check_digest(name: HubName, file: str, path: Path, listed: Any) -> None:
    """Compare a file with the digest under which the Hub lists it: SHA-256 of large files, git's own of others."""
    lfs = getattr(listed, "lfs", None)
    if lfs:
        found, promised = get_sha256(path), lfs["sha256"]
    else:
        content = path.read_bytes()
        found = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        promised = listed.blob_id
    if found != promised:
        raise _damaged(name, file, path, f"the Hub lists it as {promised}")


def _verify(folder: Path, name: HubName) -> Path:
    """Compare the files in the cache with the SHA-256 in best.json, and return the weights."""
    path = folder / METADATA
    try:
        digests = json.loads(path.read_text(encoding="utf-8"))[DIGESTS]
        promised = {file: str(digests[file]) for file in LIMITS if file != METADATA and (folder / file).is_file()}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"{METADATA} holds no SHA-256 of the weights: {type(error).__name__}"
        hint = "its owner has to write it by chexpert push"
        raise UserError(message, code="not-a-checkpoint", where=str(name), hint=hint) from error
    for file, digest in promised.items():
        if get_sha256(folder / file) != digest:
            raise _damaged(name, file, folder / file, f"{METADATA} promises {digest}")
    return folder / WEIGHTS


def _damaged(name: HubName, file: str, path: Path, promise: str) -> UserError:
    message = f"{file} has another digest than promised: {promise}"
    hint = f"remove {path.parent} and load it again; if it stays, do not use this repository"
    return UserError(message, code="damaged-file", where=str(name), hint=hint)


def get_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


BY_HAND = f"get the files {', '.join(LIMITS)} by hand and give the path of {WEIGHTS}"


@contextmanager
def reporting(name: HubName, hint: str = BY_HAND) -> Iterator[None]:
    """Turn the many errors of the Hub's library into one each: not there, no access, no network.

    Args:
        name: of the repository.
        hint: what to do where the Hub cannot be reached.
    """
    where = str(name)
    login = "log in by `hf auth login`, or set HF_TOKEN; the page of the repository says who has access"
    try:
        yield
    except UserError:
        raise
    except hub_errors.GatedRepoError as error:
        message = "its owner gives access on request only, and this token has none"
        raise UserError(message, code="no-access", where=where, hint=login) from error
    except hub_errors.RevisionNotFoundError as error:
        message = f"the repository has no revision {name.revision}"
        raise UserError(message, code="missing-file", where=where, hint=f"{HUB}{name.repository}") from error
    except hub_errors.RepositoryNotFoundError as error:
        message = "there is no such repository, or it is private and this token has no access"
        raise UserError(message, code="missing-file", where=where, hint=f"check the name; or {login}") from error
    except hub_errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status in (401, 403):
            message = "this token has no access" if huggingface_hub.get_token() else "there is no token"
            raise UserError(message, code="no-access", where=where, hint=login) from error
        message = f"the Hub answers with an error: {first_line(error)}"
        raise UserError(message, code="download", where=where, hint=f"try again later; or {hint}") from error
    except Exception as error:
        message = f"the Hub cannot be reached: {first_line(error.__cause__ or error)}"
        raise UserError(message, code="download", where=where, hint=f"check the network; or {hint}") from error
