"""Read a JSON file of a run that holds what was fitted after the weights."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from chexpert.errors import Code, UserError

Fitted = TypeVar("Fitted")


def read_fitted_file(path: Path, parse: Callable[[Any, str], Fitted], what: str, hint: str) -> Fitted:
    """Return what ``parse`` makes of the content of a file and its path; the content is None where there is no file.

    Args:
        path: JSON file.
        parse: raises the error of a missing file, or of content of another form.
        what: is in the file, for the error.
        hint: likewise.

    Raises:
        UserError: as ``parse``, or the file cannot be read.
    """
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")), str(path))
    except FileNotFoundError:
        return parse(None, str(path))
    except (OSError, ValueError) as error:
        code: Code = "unreadable-file" if isinstance(error, OSError) else "damaged-file"
        raise UserError(f"no {what}: {error}", code=code, where=str(path), hint=hint) from error
