"""The words that a shell offers for ``chexpert train``: GROUP=OPTION and KEY=."""

from chexpert.cli.corrections.settings import Settings
from chexpert.conf_folder import find_conf


def list_words(prefix: str) -> list[str]:
    """Return the settings that begin with what was typed.

    >>> list_words("scheduler=c")
    ['scheduler=constant', 'scheduler=cosine']
    """
    settings = Settings(find_conf())
    options = [f"{group}={option}" for group, names in settings.groups.items() for option in names]
    keys = [f"{key}=" for key in settings.top]
    nodes = [
        f"{group}.{key}="
        for group, option in settings.defaults.items()
        if isinstance(option, str) and group in settings.groups
        for key in settings.list_keys(group, option)
    ]
    return sorted(word for word in {*options, *keys, *nodes} if word.startswith(prefix))
