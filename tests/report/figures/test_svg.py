"""Figures of matplotlib as inline SVG."""

import re
from xml.etree import ElementTree

import pytest

from chexpert.report.figures.svg import INK, plot_svg


def paint(axes):
    axes.plot([0, 1], [0, 1], "o-", color="#0072B2", label="a $line <b>")
    axes.plot([0, 1], [1, 0], color=INK, alpha=0.2)
    axes.legend()


@pytest.fixture(scope="module")
def chart():
    return plot_svg("key", 'of "a" & b', (2, 2), paint)


def test_svg_has_no_style_or_metadata(chart):
    assert "style" not in chart
    assert "xlink" not in chart
    assert "metadata" not in chart


def test_ink_is_the_color_of_the_text(chart):
    assert "currentColor" in chart
    assert "#000000" not in chart
    assert 'stroke="#0072b2"' in chart


def test_ids_begin_with_the_key_and_references_match(chart):
    ids = re.findall(r'\bid="([^"]+)"', chart)
    assert ids
    assert all(name.startswith("key-") for name in ids)
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', chart)) == set(ids)


def test_svg_has_a_label_scales_and_is_deterministic(chart):
    root = ElementTree.fromstring(chart)
    assert root.attrib == {"viewBox": "0 0 144 144", "class": "chart", "role": "img", "aria-label": 'of "a" & b'}
    assert plot_svg("key", 'of "a" & b', (2, 2), paint) == chart


def test_text_with_markup_stays_text(chart):
    assert "a $line <b>" in [text.text for text in ElementTree.fromstring(chart).iter("text")]
