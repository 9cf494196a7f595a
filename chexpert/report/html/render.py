"""One self-contained HTML file from a template: no network, texts escaped, a policy that lets nothing else run."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent
NONE = "'none'"
NOT_A_DEVICE = (
    "Not a medical device. For research only: no number or picture here may be used to diagnose or treat anyone."
)
UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")
"""Characters that a browser may not take, and those that turn the order of a text around."""


def render_page(template: str, script: str = "", **context: Any) -> str:
    """Render a template as the text of a page.

    Args:
        template: file name of a template in this folder that extends ``base.html``.
        script: JavaScript that the page may run; it finds its data in ``<script type="application/json">``.
        context: values of the template's variables; all of them are escaped but those that are Markup.

    Returns:
        A self-contained HTML page, which loads nothing from a network.
    """
    style = (HERE / "style.css").read_text(encoding="utf-8")
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_hash(style)}; script-src {_hash(script) if script else NONE}"
    )
    return render(template, style=style, script=script, policy=policy, **context)


def render(template: str, **context: Any) -> str:
    """Render a template of a page, or of a part for a notebook, which has neither style nor script of its own."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.get_template(template).render(not_a_device=NOT_A_DEVICE, **context)
    return UNSHOWN.sub("\ufffd", text)


def read_script(name: str) -> str:
    """Read a script of this folder.

    Args:
        name: file name, such as ``gallery.js``.

    Returns:
        The text of the script.
    """
    return (HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What a content security policy knows an inline style or script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
