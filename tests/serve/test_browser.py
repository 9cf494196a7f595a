"""The viewer in a browser: by keyboard, on every screen, without outside requests, and hostile names run nothing."""

import asyncio
import base64
import json
import shutil
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from helpers.dicom import make_dicom
from helpers.hostile_runs import HOSTILE, RUN

from chexpert.serve.app import make_app
from chexpert.serve.job_queue import JobQueue
from chexpert.serve.server import bind

pytestmark = pytest.mark.browser

WAIT = 60.0


@pytest.fixture(scope="module")
def address(model) -> Iterator[str]:
    """The viewer, served by a thread of this process."""
    queue, token = JobQueue(), "a-token"
    with bind(0) as listening:
        port = listening.getsockname()[1]
        app = make_app(model, queue, token, port)
        config = uvicorn.Config(
            app, http="h11", ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server._serve([listening])), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{port}/{token}/"
        server.should_exit = True
        thread.join(WAIT)
    queue.close()


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_page_load_timeout(WAIT)
    driver.set_script_timeout(WAIT)
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, address):
    """The page on a wide screen."""
    return open_page(browser, address)


def open_page(browser, address, width=1400, scheme="light"):
    for log in ("browser", "performance"):
        browser.get_log(log)
    size = {"width": width, "height": 1180, "deviceScaleFactor": 1, "mobile": width < 900}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(address)
    wait(browser, "return document.querySelectorAll('#method option').length > 0")
    return browser


def wait(browser, script, seconds=WAIT):
    end = time.monotonic() + seconds
    while not browser.execute_script(script):
        assert time.monotonic() < end, (script, find(browser, "#error").text)
        time.sleep(0.05)


def find(browser, selector):
    return browser.find_element("css selector", selector)


def show(browser, path):
    """Choose a file, and wait for its map."""
    find(browser, "#file").send_keys(str(path))
    wait_for_map(browser)


def wait_for_map(browser):
    wait(browser, "return !document.getElementById('map').hidden && document.getElementById('map').complete")


DROP = """
const [units, content, done] = arguments;
const name = String.fromCharCode(...units);
const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
const carried = new DataTransfer();
carried.items.add(new File([bytes], name));
window.dispatchEvent(new DragEvent("drop", {dataTransfer: carried, bubbles: true, cancelable: true}));
const end = Date.now() + 50000;
const look = () => {
  const error = document.getElementById("error"), shown = document.getElementById("shown");
  if (!error.hidden || (!shown.hidden && document.getElementById("map").src)) done([error.textContent,
    document.getElementById("name").textContent]);
  else if (Date.now() > end) done(["too late", ""]);
  else setTimeout(look, 20);
};
setTimeout(look, 20);
"""


def drop(browser, name: str, content: bytes) -> tuple[str, str]:
    """Drop a file on the page; return the error and the shown name."""
    units = memoryview(name.encode("utf-16-le", "surrogatepass")).cast("H").tolist()
    return tuple(browser.execute_async_script(DROP, units, base64.b64encode(content).decode()))


def press(browser, key: str) -> None:
    """Press a key where the focus is."""
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(key).perform()


def list_requests(browser) -> list[str]:
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    return [address for address in sent if not address.startswith("data:")]


@pytest.mark.parametrize("width", [1400, 820, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_the_screen_and_asks_its_own_server_alone(browser, address, images, width, scheme):
    open_page(browser, address, width, scheme)
    show(browser, images[0])
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.get_log("browser") == []
    assert all(request.startswith(address) for request in list_requests(browser))
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]
    browser.execute_script("scrollTo(0, document.body.scrollHeight)")
    banner = find(browser, ".device")
    assert banner.text.startswith("Research software: not a medical device.")
    assert browser.execute_script("return arguments[0].getBoundingClientRect().top >= 0", banner)
    image, overlay = find(browser, "#image").rect, find(browser, "#map").rect
    assert image == overlay


def test_table_has_the_probabilities_of_the_model(opened, model, images):
    show(opened, images[0])
    expected = model.predict(images[0].read_bytes())["rows"]
    shown = [line.text.split("\n")[0] for line in opened.find_elements("css selector", "#rows tr")]
    assert [line.startswith(row["observation"]) for line, row in zip(shown, expected, strict=True)] == [True] * 14
    values = opened.find_elements("css selector", "#rows .value > span:first-child")
    wanted = [row["probability"] if row["calibrated"] is None else row["calibrated"] for row in expected]
    assert [value.text for value in values] == [f"{value:.3f}" for value in wanted]
    find(opened, "#raw").click()
    values = opened.find_elements("css selector", "#rows .value > span:first-child")
    assert [value.text for value in values] == [f"{row['probability']:.3f}" for row in expected]


def test_method_observation_opacity_and_neighbors(opened, images):
    show(opened, images[0])
    first = find(opened, "#map").get_attribute("src")
    find(opened, "#rows tr[data-observation=Fracture] button").click()
    wait_for_map(opened)
    assert find(opened, "#map-text").text.startswith("Fracture by gradcam")
    find(opened, "#method").send_keys("hirescam")
    wait(opened, "return document.getElementById('map-text').textContent.startsWith('Fracture by hirescam')")
    assert find(opened, "#map").get_attribute("src") != first
    opened.execute_script(
        "const o = document.getElementById('opacity'); o.value = 25; o.dispatchEvent(new Event('input'))"
    )
    assert opened.execute_script("return document.getElementById('map').style.opacity") == "0.25"
    find(opened, "#compare").click()
    wait(opened, "return document.querySelectorAll('#neighbors li').length === 5")
    assert "patient" not in find(opened, "#neighbors").text


def test_slow_map_shows_its_progress_and_is_canceled_by_escape(opened, images):
    from selenium.webdriver.common.keys import Keys

    show(opened, images[0])
    find(opened, "#method").send_keys("rise")
    wait(opened, "return document.getElementById('progress').value > 0")
    assert find(opened, "#cancel").is_displayed()
    find(opened, "body").send_keys(Keys.ESCAPE)
    assert find(opened, "#map-text").text == "Canceled."
    assert opened.switch_to.active_element.get_attribute("id") == "method"
    assert not find(opened, "#work").is_displayed()
    find(opened, "#method").send_keys("gradcam")  # the model is free again
    wait_for_map(opened)
    assert opened.get_log("browser") == []


def test_every_control_works_by_keyboard(opened, images):
    from selenium.webdriver.common.keys import Keys

    show(opened, images[0])
    opened.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    press(opened, Keys.TAB)
    visited = []
    for _ in range(40):
        active = opened.switch_to.active_element
        visited.append(active.get_attribute("id") or active.get_attribute("class") or active.text)
        assert active.value_of_css_property("outline-style") != "none", visited[-1]
        press(opened, Keys.TAB)
        if opened.switch_to.active_element.tag_name == "body":
            break
    order = ["skip", "file", "observation", "method", "opacity", "rule", "raw", "Atelectasis", "Fracture", "compare"]
    places = [visited.index(name) for name in order]
    assert places == sorted(places)
    find(opened, "#opacity").send_keys(Keys.ARROW_LEFT)
    assert find(opened, "#opacity-value").text == "65 %"
    find(opened, "#rows tr[data-observation=Edema] button").send_keys(Keys.ENTER)
    wait(opened, "return document.getElementById('map-text').textContent.startsWith('Edema by')")
    assert find(opened, "#observation").get_attribute("value") == "Edema"
    nameless = opened.execute_script(
        "const kinds = 'input, select, button, progress, img:not([hidden]), [role=group], section';"
        "const isNamed = (e) => e.getAttribute('aria-label') || e.alt || e.textContent.trim() || e.labels?.length;"
        "return [...document.querySelectorAll(kinds)].filter((e) => !isNamed(e)).map((e) => e.outerHTML)"
    )
    assert nameless == []


def test_hostile_names_run_nothing(opened, address, images):
    """The file's name is the only text of its sender that the page shows."""
    content = images[0].read_bytes()
    assert len(HOSTILE) >= 43
    for name in HOSTILE:
        error, shown = drop(opened, f"{name}.jpg", content)
        assert error == ""
        assert shown
        assert not set(shown) & set("\u202e\u2028\x1b\x07\ufeff")
    assert opened.execute_script("return window.owned === undefined")
    strange = (
        "script:not([src='viewer.js']), iframe, object, video, math, base, svg, [onerror], [onload], meta[http-equiv]"
    )
    assert opened.find_elements("css selector", strange) == []
    assert opened.get_log("browser") == []
    assert all(request.startswith(address) for request in list_requests(opened))
    assert opened.current_url == address


def test_same_file_can_be_chosen_again(opened, images):
    show(opened, images[0])
    opened.execute_script(
        "const file = document.getElementById('file');"
        "file.addEventListener('click', (event) => event.preventDefault(), {once: true}); file.click()"
    )
    assert find(opened, "#file").get_attribute("value") == ""
    show(opened, images[0])
    assert find(opened, "#error").text == ""


def test_observation_without_a_training_label_is_marked(browser, address, model, images):
    described = model.describe()
    for one in described["observations"]:
        one["labeled"] = one["name"] != "Fracture"
    script = (
        "const ask = window.fetch; window.fetch = (path, options) => path === 'api/run'"
        f" ? Promise.resolve(new Response({json.dumps(json.dumps(described))})) : ask(path, options)"
    )
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    try:
        open_page(browser, address)
        show(browser, images[0])
        marked = [one.text for one in browser.find_elements("css selector", "#rows tr:has(.unlabeled) th")]
        assert marked == ["Fracture\nnot trained on (no labels in the training data)"]
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


@pytest.mark.filterwarnings("ignore")  # of pydicom, on such a modality
@pytest.mark.parametrize("text", [f"<img src=x onerror={RUN}>", f"</p><script>{RUN}</script>"])
def test_text_in_a_file_runs_nothing(opened, tmp_path, text):
    path = make_dicom(tmp_path / "a.dcm", Modality=text, PatientName=text, SeriesDescription=text)
    drop(opened, "a.dcm", path.read_bytes())
    assert opened.execute_script("return window.owned === undefined")
    assert "modality" in find(opened, "#gate").text
    assert opened.find_elements("css selector", "[onerror], #gate *") == []
    assert opened.get_log("browser") == []


@pytest.mark.parametrize(
    "content", [b"<script>window.owned=1</script>", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"\0" * 200]
)
def test_file_that_is_no_image_is_one_sentence(opened, images, content):
    show(opened, images[0])
    error, _ = drop(opened, "x.png", content)
    assert error.startswith("This image cannot be read: ")
    assert not find(opened, "#shown").is_displayed()
    assert opened.execute_script("return window.owned === undefined")
    show(opened, images[1])
    assert find(opened, "#error").text == ""


def test_injected_script_is_blocked(opened):
    opened.execute_script(
        "const s = document.createElement('script'); try { s.textContent = 'window.owned = 1'; } catch {}"
        "document.head.append(s)"
    )
    assert opened.execute_script("return window.owned === undefined")
