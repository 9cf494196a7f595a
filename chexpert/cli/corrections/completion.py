"""The words that a shell offers for ``chexpert train``: GROUP=OPTION and KEY=."""

from collections.abc import Iterator, Sequence

from chexpert.cli.corrections.answer import find_own_folder
from chexpert.cli.corrections.settings import LISTED, Settings
from chexpert.conf_folder import find_conf
from chexpert.errors import UserError


def list_words(prefix: str, typed: Sequence[str] = ()) -> list[str]:
    """Return the settings that begin with what was typed.

    Args:
        prefix: the word that is completed.
        typed: the words before it, which may name a folder of options.

    >>> list_words("scheduler=c")
    ['scheduler=constant', 'scheduler=cosine']
    """
    try:
        settings = Settings(find_conf(), find_own_folder(typed))
    except UserError:  # of the folder: the command itself reports it
        settings = Settings(find_conf())
    options = [f"{group}={option}" for group, names in settings.groups.items() for option in names]
    keys = [f"{key}=" for key in settings.top]
    return sorted(word for word in {*options, *keys, *_list_inner_keys(settings)} if word.startswith(prefix))


def _list_inner_keys(settings: Settings) -> Iterator[str]:
    """Yield the keys of every explainer and tracker, and of the usual option of other groups."""
    for group, option in settings.defaults.items():
        if group in LISTED:
            for place in settings.list_nodes(group):
                yield from (f"{group}.{place}.{key}=" for key in settings.list_keys(group, place))
        elif isinstance(option, str) and group in settings.groups:
            yield from (f"{group}.{key}=" for key in settings.list_keys(group, option))
