"""The listening page in headless Chromium, from disk, with real key presses."""

from __future__ import annotations

import csv
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import page

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

COLUMNS = "mode,listener,seed,trial,utterance,a,b,system,role,score,answer,correct,seconds,timestamp,levels_matched,corpus,commit"

FLAGS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --mute-audio --window-size=1200,900"""

# What the page's audio is told to do, seen from outside.
SPY = """
window.starts = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...when) {
  window.starts.push([...when, this.buffer.length, this.loop]);
  return start.apply(this, when);
};
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One Chromium for the module, its downloads in ``browser.downloads``; skips where there is none."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    chromedriver = shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip("not installed: chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in [*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    downloads = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    driver.downloads = downloads
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def opened(browser: Any, results: dict[str, Any], out: Path) -> Iterator[Any]:
    """The page, just opened with the seed 7; afterwards nothing in the console, and no request left this machine's disk."""
    url = page.write(results, out).as_uri()
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(f"{url}#seed=7")
    browser.execute_script("localStorage.clear()")
    browser.get("about:blank")
    browser.get(f"{url}#seed=7")
    yield browser
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert any(request.startswith("file:") for request in requests)
    assert {request.partition(":")[0] for request in requests} <= {"file", "data", "blob", "about"}
    assert browser.execute_script("return window.hacked") is None


def press(browser: Any, *keys: str) -> None:
    webdriver.ActionChains(browser).send_keys(*keys).perform()


def fill(browser: Any, field: str, value: str) -> None:
    browser.find_element("id", field).send_keys(Keys.CONTROL + "a", Keys.NULL, value)


def wait(browser: Any, condition: Callable[[], Any]) -> Any:
    return WebDriverWait(browser, 10, 0.02).until(lambda _: condition())


def text(browser: Any, selector: str) -> str:
    return str(browser.execute_script("return document.querySelector(arguments[0]).textContent", selector))


def start(browser: Any, form: str) -> None:
    """Start a test by the keyboard and wait for its first trial."""
    browser.execute_script("document.querySelector(arguments[0]).focus()", f"#{form}-form .start")
    press(browser, Keys.ENTER)
    loaded(browser)


def loaded(browser: Any) -> None:
    wait(browser, lambda: browser.execute_script("return document.activeElement.matches('dialog[open] [data-play]:enabled')"))


def playing(browser: Any) -> str | None:
    """The number of the stimulus that is heard."""
    script = "return document.querySelector('dialog[open] [data-play][aria-pressed=true]')?.dataset.play"
    value: str | None = browser.execute_script(script)
    return value


def exported(browser: Any) -> list[dict[str, str]]:
    for old in browser.downloads.iterdir():
        old.unlink()
    browser.execute_script("document.querySelector('#export').focus()")
    press(browser, Keys.ENTER)
    file = browser.downloads / "listening.csv"
    wait(browser, file.exists)
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        rows = list(reader)
    assert ",".join(reader.fieldnames or ()) == COLUMNS
    return rows


def test_every_player_loads(opened: Any) -> None:
    opened.execute_script("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    durations = "return [...document.querySelectorAll('audio')].map((audio) => audio.error?.message ?? audio.duration)"
    wait(opened, lambda: None not in opened.execute_script(durations))
    assert opened.execute_script(durations) == [pytest.approx(1.0)] * 9
    pictures = "return [...document.images].map((image) => image.complete && image.naturalWidth > 0)"
    assert opened.execute_script(pictures) == [True] * 9


def test_one_player_at_a_time_and_the_place_is_kept(opened: Any) -> None:
    first, second = opened.find_elements("css selector", "details[open] audio")[:2]
    first.send_keys(Keys.SPACE)
    wait(opened, lambda: first.get_property("currentTime") > 0.2)
    second.send_keys(Keys.SPACE)
    wait(opened, lambda: first.get_property("paused"))
    assert second.get_property("currentTime") >= 0.2
    picture = opened.find_element("css selector", "details[open] .spectrogram")
    picture.click()  # in the middle
    wait(opened, lambda: second.get_property("paused") and first.get_property("currentTime") >= 0.49)


def test_abx_by_the_keyboard(opened: Any) -> None:
    fill(opened, "listener", 'A "quoted", name')
    fill(opened, "abx-count", "5")
    opened.execute_script(SPY)
    start(opened, "abx")
    for key, number in (("a", "0"), ("x", "2"), ("b", "1")):
        press(opened, key)
        assert playing(opened) == number
    # A, B and X were started once, at one moment and one place, and loop over one length.
    starts = opened.execute_script("return window.starts")
    assert starts == [starts[0]] * 3
    assert starts[0][1:] == [0, 16000, True]
    press(opened, Keys.ENTER)  # no answer yet, and so no next
    assert text(opened, "#abx-title") == "ABX, trial 1 of 5"
    answers = [("1", "a"), ("2", "b"), (Keys.ARROW_LEFT, "a"), (Keys.ARROW_RIGHT, "b"), ("1", "a")]
    for i, (key, _) in enumerate(answers):
        assert text(opened, "#abx-title") == f"ABX, trial {i + 1} of 5"
        assert text(opened, "#result") == ""
        press(opened, key, Keys.SPACE if i % 2 else Keys.ENTER)
        if i < 4:
            loaded(opened)
    rows = exported(opened)
    names = {"a": "unitcodec", "b": "codec2-700c"}
    assert [row["answer"] for row in rows] == [names[answer] for _, answer in answers]
    assert {row["utterance"] for row in rows} == {"u0", "u1", "u2"}
    correct = 0
    for i, row in enumerate(rows):
        assert (row["mode"], row["listener"], row["seed"], row["trial"]) == ("abx", 'A "quoted", name', "7", str(i + 1))
        assert (row["a"], row["b"], row["role"], row["levels_matched"]) == ("unitcodec", "codec2-700c", "x", "true")
        assert (row["corpus"], row["commit"]) == ("0123456789abcdef", "abc1234")
        assert row["correct"] == str(int(row["answer"] == row["system"]))
        assert 0 <= float(row["seconds"]) < 60
        correct += int(row["correct"])
    p = sum(math.comb(5, k) for k in range(correct, 6)) / 2**5
    result = text(opened, "#result")
    assert f"{correct} of 5 correct" in result
    assert float(result.partition("p = ")[2].partition(". ")[0].split(".p")[0]) == pytest.approx(p, rel=0.05)


def test_mushra_by_the_keyboard_survives_a_reload(opened: Any) -> None:
    fill(opened, "mushra-count", "2")
    start(opened, "mushra")
    press(opened, "r")
    assert playing(opened) == "0"
    press(opened, "2", Keys.PAGE_UP, Keys.ARROW_RIGHT)
    assert playing(opened) == "2"
    place = "return Number(document.querySelector('#mushra .seek').value)"
    wait(opened, lambda: opened.execute_script(place) > 0.1)
    press(opened, Keys.SPACE)
    assert playing(opened) is None
    held = opened.execute_script(place)
    time.sleep(0.1)
    assert opened.execute_script(place) == held > 0
    press(opened, "n")
    assert text(opened, "#mushra [role=status]") == "Condition 1 is not rated yet."
    assert text(opened, "#mushra-title") == "MUSHRA, trial 1 of 2"

    opened.refresh()
    fill(opened, "mushra-count", "2")
    start(opened, "mushra")
    assert [output.text for output in opened.find_elements("css selector", "#conditions output")] == ["-", "11", "-", "-"]
    press(opened, "1", Keys.END, "3", Keys.HOME, "4", Keys.PAGE_UP * 3, "n")
    wait(opened, lambda: text(opened, "#mushra-title") == "MUSHRA, trial 2 of 2")
    loaded(opened)
    for number in "1234":
        press(opened, number, Keys.PAGE_UP * int(number))
    press(opened, "n")
    wait(opened, lambda: "MUSHRA: 2 utterances" in text(opened, "#result"))

    rows = exported(opened)
    assert sorted((row["trial"], row["role"], row["system"]) for row in rows) == sorted(
        (trial, role, system)
        for trial in "12"
        for role, system in (
            ("hidden_reference", "original"),
            ("low_anchor", "low-pass-3.5k"),
            ("system", "codec2-700c"),
            ("system", "unitcodec"),
        )
    )
    assert [row["score"] for row in rows] == ["11", "100", "0", "30", "10", "20", "30", "40"]
    assert {row["mode"] for row in rows} == {"mushra"}
    assert len({row["utterance"] for row in rows if row["trial"] == "1"}) == 1

    # Another seed is another test, with an order of its own kind; the answers of the first are kept.
    fill(opened, "seed", "8")
    start(opened, "mushra")
    assert opened.execute_script("return location.hash") == "#seed=8"
    press(opened, Keys.ESCAPE)
    wait(opened, lambda: not opened.execute_script("return document.querySelector('#mushra').open"))
    assert len(exported(opened)) == 8


def test_answers_are_exported_where_nothing_can_be_stored(opened: Any) -> None:
    denied = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('denied', 'SecurityError'); } })"
    script = opened.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": denied})
    try:
        opened.refresh()
        assert "keeps no answers" in text(opened, "#state")
        start(opened, "mushra")
        press(opened, "1", Keys.PAGE_UP, Keys.ESCAPE)
        assert [row["score"] for row in exported(opened)] == ["10"]
    finally:
        opened.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_what_is_missing_makes_no_test_fail(browser: Any, results: dict[str, Any], out: Path) -> None:
    shutil.rmtree(out / "decoded" / "original")
    browser.get(page.write(results, out).as_uri())
    for form in ("abx", "mushra"):
        browser.execute_script("document.querySelector(arguments[0]).click()", f"#{form}-form .start")
        assert text(browser, "#state").startswith("No utterance has")
    assert browser.get_log("browser") == []
