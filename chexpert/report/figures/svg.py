"""Plots of matplotlib as inline SVG: with the colors and fonts of the page, and nothing that its policy refuses."""

import io
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, found by a search, read by a screen reader
    "svg.hashsalt": "chexpert",  # the same plot has the same ids
    "text.parse_math": False,  # a $ in a name is a $
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
}
INK = "#000000"
"""Becomes the color of the page's text, in light and dark."""
FAINT = 0.18
"""Opacity of ink in lines that only guide the eye."""
DATE = {"Date": None, "Creator": None, "Format": None, "Type": None}
HREF = "{http://www.w3.org/1999/xlink}href"
UNUSED = ("font-family", "font-variant", "font-stretch", "writing-mode")
NUMBER = re.compile(r"-?\d+\.\d{3,}")
REFERENCE = re.compile(r"url\(#([^)]+)\)")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML does not take."""


def plot_svg(key: str, title: str, size: tuple[float, float], paint: Callable[[Axes], object]) -> Markup:
    """Plot one panel as inline SVG.

    Args:
        key: prefix of its ids; each plot of a page has another.
        title: its content, for those who do not see it.
        size: inches.
        paint: plots on the axes; parts in ``INK`` take the color of the page's text.
    """
    with matplotlib.rc_context(SETTINGS):
        canvas = Figure(figsize=size, layout="constrained")
        paint(canvas.subplots())
        file = io.StringIO()
        canvas.savefig(file, format="svg", transparent=True, metadata=DATE)
    return to_inline(file.getvalue(), key, title)


def show_text(text: str) -> str:
    r"""Return a text that matplotlib and SVG can show.

    >>> show_text("a\x00b\udcff")
    'a\ufffdb\ufffd'
    """
    return CONTROL.sub("\ufffd", text)


def to_inline(svg: str, key: str, title: str) -> Markup:
    """Convert an SVG file to an element of a page: styles as attributes, ids of its own, and named."""
    root = ElementTree.fromstring(svg)
    for parent in root.iter():
        for child in [child for child in parent if child.tag.endswith(("}metadata", "}style"))]:
            parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        _inline(element)
    _name_apart(root, key)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"class": "chart", "role": "img", "aria-label": show_text(title)}
    return Markup(re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode")))


def _inline(element: ElementTree.Element) -> None:
    """Declarations of ``style``, which the page's policy refuses, as attributes; two decimals; ink as the text."""
    for declaration in element.attrib.pop("style", "").split(";"):
        name, _, value = declaration.partition(":")
        if name.strip() and name.strip() not in UNUSED:
            element.set(name.strip(), value.strip().removesuffix("px"))
    if HREF in element.attrib:
        element.set("href", element.attrib.pop(HREF))
    for name, value in element.items():
        if value == INK:
            element.set(name, "currentColor")
        elif name != "id" and "." in value:
            element.set(name, NUMBER.sub(lambda number: f"{float(number[0]):.2f}", value))


def _name_apart(root: ElementTree.Element, key: str) -> None:
    """Ids that are referred to begin with the key; the others go."""
    used = {name for element in root.iter() for value in element.attrib.values() for name in REFERENCE.findall(value)}
    used |= {element.attrib["href"][1:] for element in root.iter() if "href" in element.attrib}
    for element in root.iter():
        if (own := element.attrib.pop("id", None)) in used:
            element.set("id", f"{key}-{own}")
        if "href" in element.attrib:
            element.set("href", f"#{key}-{element.attrib['href'][1:]}")
        for name, value in element.items():
            if "url(#" in value:
                element.set(name, REFERENCE.sub(rf"url(#{key}-\1)", value))
