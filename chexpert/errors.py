"""What a user can mend: the one exception that is shown without a traceback."""

from chexpert.console import show


class ProblemError(Exception):
    """Something wrong with the input, told in one message: what is wrong, where, and the mend.

    >>> str(ProblemError("label '2' is not blank, -1, 0 or 1", where="train.csv, line 7", mend="correct the row"))
    "label '2' is not blank, -1, 0 or 1\\n  where: train.csv, line 7\\n  mend:  correct the row"
    """

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        what, where, mend = (show(str(text)).replace("\r", r"\r") for text in (what, where, mend))
        self.what, self.where, self.mend = what, where, mend
        lines = [what]
        if where:
            lines.append(f"  where: {where}")
        if mend:
            lines.append(f"  mend:  {mend}")
        super().__init__("\n".join(lines))


def advise_extra(extra: str) -> str:
    """How an optional dependency is installed: from the checkout, since the package is in no registry.

    >>> advise_extra("sweep")
    "pip install -e '.[sweep]' in the project's folder"
    """
    return f"pip install -e '.[{extra}]' in the project's folder"
