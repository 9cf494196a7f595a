"""The report in a browser: it works, also by keyboard, loads nothing, and runs no script but its own."""

import json
import shutil
from pathlib import Path

import pytest
from helpers.hostile_runs import make_hostile_run
from helpers.report_runs import make_run
from helpers.scored_explainers import write_run

from chexpert.evaluation.explainers import compare_explainers
from chexpert.report import write_explainers, write_report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium that records its console and its requests."""
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))  # otherwise selenium downloads one
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    return write_report(make_run(tmp_path_factory.mktemp("outputs") / "run"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    return write_report(make_hostile_run(tmp_path_factory.mktemp("outputs") / "run"), "path")


@pytest.fixture
def opened(browser, report):
    return open_page(browser, report)


def open_page(browser, path: Path, width: int = 1400):
    """Open a page; its logs begin with it."""
    for log in ("browser", "performance"):
        browser.get_log(log)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(path.as_uri())
    return browser


def list_requests(browser) -> list[str]:
    """Return the requested addresses, without those of data:."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [address for address in sent if not address.startswith("data:")]


def find(browser, selector: str):
    return browser.find_element("css selector", selector)


def list_shown(browser, selector: str) -> list:
    return [element for element in browser.find_elements("css selector", selector) if element.is_displayed()]


def set_value(browser, selector: str, value: str) -> None:
    script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))"
    browser.execute_script(script, find(browser, selector), value)


@pytest.mark.parametrize("width", [1400, 375])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_loads_nothing_logs_nothing_and_fits_the_screen(browser, report, width, scheme):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    open_page(browser, report, width)
    assert browser.get_log("browser") == []
    assert list_requests(browser) == [report.as_uri()]
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_of_explainers_fits_the_screen_and_its_tables_scroll(browser, tmp_path, width, scheme):
    values = {"Enlarged Cardiomediastinum": {"iou": [0.25] * 6, "road": [1.0, 2.0] * 3, "gap_over_random": [0.5] * 6}}
    run = write_run(tmp_path / "run", dict.fromkeys(("gradcam_plus_plus", "integrated_gradients", "lime"), values))
    page = write_explainers(tmp_path / "out", compare_explainers([run], replicates=50))[2]
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    open_page(browser, page, width)
    assert browser.get_log("browser") == []
    assert list_requests(browser) == [page.as_uri()]
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_gallery_filters_by_observation_truth_probability(opened):
    assert len(list_shown(opened, ".card")) == 4
    set_value(opened, "#filter-observation", "Edema")
    assert [card.get_attribute("data-observation") for card in list_shown(opened, ".card")] == ["Edema"] * 2
    set_value(opened, "#filter-truth", "present")
    assert [card.get_attribute("data-truth") for card in list_shown(opened, ".card")] == ["present"]
    assert find(opened, "#shown").text.startswith("1 of 4")
    set_value(opened, "#filter-observation", "")
    set_value(opened, "#filter-truth", "")
    set_value(opened, "#filter-low", "0.45")
    set_value(opened, "#filter-high", "0.55")
    assert [card.get_attribute("data-probability") for card in list_shown(opened, ".card")] == ["0.5", "0.5"]


def test_slider_fades_the_maps_only(opened):
    maps = opened.find_elements("css selector", ".image .map")
    assert {element.value_of_css_property("opacity") for element in maps} == {"1"}
    set_value(opened, "#opacity", "25")
    assert {element.value_of_css_property("opacity") for element in maps} == {"0.25"}
    assert find(opened, ".image use").value_of_css_property("opacity") == "1"
    assert find(opened, "#opacity-value").text == "25 %"


def test_methods_are_side_by_side_and_can_be_hidden(opened):
    first = find(opened, ".card")
    left, right = (method.rect for method in first.find_elements("css selector", ".method"))
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    find(opened, '.method-choice[value="lime"]').click()
    assert [method.get_attribute("data-method") for method in list_shown(opened, ".method")] == ["hirescam"] * 4


def test_every_control_works_by_keyboard(opened):
    from selenium.webdriver.common.keys import Keys

    find(opened, "body").send_keys(Keys.TAB)
    assert opened.switch_to.active_element.get_attribute("class") == "skip"
    visited = set()
    for _ in range(60):
        active = opened.switch_to.active_element
        visited.add(active.get_attribute("id") or active.get_attribute("class") or active.tag_name)
        outline = active.value_of_css_property("outline-style")
        assert outline != "none", active.get_attribute("outerHTML")[:200]
        active.send_keys(Keys.TAB)
        if opened.switch_to.active_element.tag_name == "body":
            break
    assert {"skip", "filter-observation", "filter-truth", "filter-low", "filter-high", "opacity", "method-choice",
            "scroll", "summary"} <= visited  # fmt: skip
    find(opened, "#opacity").send_keys(Keys.ARROW_LEFT)
    assert find(opened, "#opacity-value").text == "95 %"
    find(opened, "#filter-observation").send_keys("Edema")
    assert len(list_shown(opened, ".card")) == 2
    find(opened, ".method-choice").send_keys(Keys.SPACE)
    assert {method.get_attribute("data-method") for method in list_shown(opened, ".method")} == {"lime"}


def test_every_picture_and_control_has_a_label(opened):
    nameless = opened.execute_script(
        "return [...document.querySelectorAll('svg[role=img], input, select, [role=region], [role=group]')]"
        ".filter(e => !(e.getAttribute('aria-label') || (e.labels && e.labels.length))).map(e => e.outerHTML)"
    )
    assert nameless == []


def test_hostile_texts_run_nothing(browser, hostile):
    open_page(browser, hostile)
    set_value(browser, "#filter-truth", "present")
    set_value(browser, "#opacity", "50")
    for summary in browser.find_elements("css selector", "summary"):
        browser.execute_script("arguments[0].parentElement.open = true", summary)
    assert browser.execute_script("return window.owned === undefined && parent.owned === undefined")
    strange = "script:not(:last-of-type), img, iframe, object, form, video, math, base, [onerror], [onload], [style]"
    kinds = browser.execute_script(
        f"return [...document.querySelectorAll({strange!r})].filter(e => e.id !== 'gallery').map(e => e.outerHTML)"
    )
    assert kinds == []
    assert browser.get_log("browser") == []
    assert list_requests(browser) == [hostile.as_uri()]
    assert browser.current_url == hostile.as_uri()
    browser.execute_cdp_cmd("Page.printToPDF", {})


def test_policy_blocks_an_injected_script(browser, report, tmp_path):
    page = report.read_text().replace("<main", "<script>window.owned = 1</script><img src=x onerror='owned=1'><main", 1)
    path = tmp_path / "injected.html"
    path.write_text(page)
    open_page(browser, path)
    assert browser.execute_script("return window.owned === undefined")
    assert any("Content Security Policy" in entry["message"] for entry in browser.get_log("browser"))


def test_dark_page_prints_black_on_white_without_controls(browser, report):
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
    open_page(browser, report)
    assert browser.execute_script("return getComputedStyle(document.body).color") == "rgb(27, 31, 36)"
    assert list_shown(browser, ".filters, nav") == []
    assert len(list_shown(browser, ".card")) == 4
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
