"""matplotlib's figures as inline SVG."""

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


def test_no_style_is_left_that_a_strict_policy_would_refuse(chart):
    assert "style" not in chart
    assert "xlink" not in chart
    assert "metadata" not in chart


def test_it_takes_the_color_of_the_text_and_keeps_its_own_ones(chart):
    assert "currentColor" in chart
    assert "#000000" not in chart
    assert 'stroke="#0072b2"' in chart


def test_ids_are_the_key_s_and_references_lead_to_them(chart):
    ids = re.findall(r'\bid="([^"]+)"', chart)
    assert ids
    assert all(name.startswith("key-") for name in ids)
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', chart)) == set(ids)


def test_it_is_named_scales_and_is_the_same_each_time(chart):
    root = ElementTree.fromstring(chart)
    assert root.attrib == {"viewBox": "0 0 144 144", "class": "chart", "role": "img", "aria-label": 'of "a" & b'}
    assert plot_svg("key", 'of "a" & b', (2, 2), paint) == chart


def test_texts_stay_texts_whatever_they_hold(chart):
    assert "a $line <b>" in [text.text for text in ElementTree.fromstring(chart).iter("text")]
