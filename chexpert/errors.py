"""What a user can fix: the one exception that is shown without a traceback."""

from chexpert.console import show


class UserError(Exception):
    r"""An error in the input, in one message: what is wrong, where, and the hint.

    >>> str(UserError("label '2' is not blank, -1, 0 or 1", where="train.csv, line 7", hint="correct the row"))
    "label '2' is not blank, -1, 0 or 1\n  where: train.csv, line 7\n  hint:  correct the row"
    """

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        message, where, hint = (show(str(text)).replace("\r", r"\r") for text in (message, where, hint))
        self.message, self.where, self.hint = message, where, hint
        lines = [message]
        if where:
            lines.append(f"  where: {where}")
        if hint:
            lines.append(f"  hint:  {hint}")
        super().__init__("\n".join(lines))


def advise_extra(extra: str) -> str:
    """How an optional dependency is installed: from the checkout, since the package is in no registry.

    >>> advise_extra("sweep")
    "pip install -e '.[sweep]' in the project's folder"
    """
    return f"pip install -e '.[{extra}]' in the project's folder"
