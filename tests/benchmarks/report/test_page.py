"""The listening page as a file: all there, all inert, nothing lost in silence."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.report import markdown, page, stimulus
from benchmarks.waveform import SAMPLE_RATE, read, to_int16


class Elements(HTMLParser):
    """Start tags with their attributes, and the text between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def blind_data(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def test_everything_is_in_the_one_file(results: dict[str, Any], out: Path) -> None:
    figure = out / "rate_distortion.svg"
    figure.write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    path = page.write(results, out, [figure], "## Paired\n\n| less | CER |\n|---|---|\n| **ours** | -0.1 |")
    assert path == out / "report" / "index.html"
    assert [file.name for file in path.parent.iterdir()] == ["index.html"]
    found = Elements(path.read_text())
    assert len(found.all("audio")) == 9
    assert len([image for image in found.all("img") if image["alt"].startswith("Spectrogram")]) == 9
    sources = [attributes[name] for _, attributes in found.tags for name in ("src", "href") if name in attributes]
    assert all(source.startswith(("data:", "#")) for source in sources)
    for text in (
        "2025-01-02",
        "abc1234",
        "320 bit/s",
        "WER0.50",
        "CER ↓",
        "lower is better",
        "Not in this run: unitcodec-vc",
        "Quality against bit rate",
        "SIM0.81",
        "FFE0.050",
        "speaker s1",
        "3 of 3",
        "Paired",
        "-0.1",
    ):
        assert text in found.text
    assert "DNSMOS" not in re.sub(r'<p class="note">.*?</p>', "", path.read_text(), flags=re.DOTALL)
    assert path.stat().st_size < 1_000_000


def test_the_speech_is_the_decoded_files_sample_by_sample(results: dict[str, Any], out: Path) -> None:
    import soundfile

    html = page.write(results, out).read_text()
    sources = {audio["id"]: audio["src"] for audio in Elements(html).all("audio")}
    for trial in blind_data(html)["utterances"]:
        for system, one in trial["stimuli"].items():
            content = base64.b64decode(sources[one["audio"]].removeprefix("data:audio/flac;base64,"))
            samples, rate = soundfile.read(io.BytesIO(content), dtype="int16")
            assert rate == SAMPLE_RATE
            np.testing.assert_array_equal(samples, to_int16(read(out / "decoded" / system / f"{trial['name']}.wav")))


def test_gains_undo_level_errors_within_bounds(results: dict[str, Any], out: Path) -> None:
    rows = results["systems"]["codec2-700c"]["rows"]
    rows[1]["loudness_lu"], rows[2]["loudness_lu"] = -60.0, None
    gains = [trial["stimuli"]["codec2-700c"]["gain"] for trial in blind_data(page.write(results, out).read_text())["utterances"]]
    assert gains == [pytest.approx(12.04, abs=0.05), 12.0, 0.0]


def test_what_others_wrote_is_text_and_nothing_else(results: dict[str, Any], out: Path) -> None:
    html = page.write(
        results, out, tables="## <img src=x>\n\n| <script>x</script> |\n|---|\n| <b>a</b> |\n\n<i>t</i>"
    ).read_text()
    found = Elements(html)
    assert [attributes.get("type") for attributes in found.all("script")] == ["application/json", "module"]
    assert not [image for image in found.all("img") if not image["src"].startswith("data:")]
    assert not [name for _, attributes in found.tags for name in attributes if name.startswith("on")]
    assert not found.all("b")
    assert not found.all("i")
    assert "weights not found: <b>encodec</b>" in found.text
    assert found.text.count("window.hacked = 1") > 10
    policy = next(meta["content"] for meta in found.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_a_missing_or_broken_file_is_a_gap_with_its_name(results: dict[str, Any], out: Path) -> None:
    (out / "decoded" / "unitcodec" / "u1.wav").unlink()
    (out / "decoded" / "codec2-700c" / "u2.wav").write_bytes(b"no sound")
    (out / "decoded" / "original" / "u0.wav").unlink()
    html = page.write(results, out).read_text()
    text = Elements(html).text
    for gap in (
        "decoded speech missing: unitcodec/u1.wav",
        "decoded speech unreadable: codec2-700c/u2.wav",
        "decoded speech missing: original/u0.wav",
    ):
        assert f"gap: {gap}" in text
    # Nothing can be judged against an original that is not there.
    assert [(trial["name"], set(trial["stimuli"])) for trial in blind_data(html)["utterances"]] == [
        ("u1", {"original", "codec2-700c"}),
        ("u2", {"original", "unitcodec"}),
    ]


def test_a_recording_without_samples_has_no_rate(results: dict[str, Any], out: Path) -> None:
    for figures in results["systems"].values():
        for row in figures.get("rows", ()):
            row["seconds"] = 0.0
    assert "320 bit/s" not in Elements(page.write(results, out).read_text()).text


def test_a_converted_voice_stands_beside_the_voice_wanted(results: dict[str, Any], out: Path) -> None:
    results["systems"]["unitcodec"]["rows"][0]["target"] = "u2"
    html = page.write(results, out, limit=1).read_text()
    found = Elements(html)
    wanted = next(audio for audio in found.all("audio") if audio["aria-label"] == "Voice wanted: u2")
    assert wanted["src"] == stimulus.flac(read(out / "decoded" / "original" / "u2.wav"))
    assert [system["converted"] for system in blind_data(html)["systems"]] == [False, True, False]


def test_a_failed_write_leaves_the_old_page(results: dict[str, Any], out: Path) -> None:
    before = page.write(results, out).read_bytes()
    with pytest.raises(FileNotFoundError):
        page.write(results, out, [out / "no-such-figure.svg"])
    assert (out / "report" / "index.html").read_bytes() == before


@pytest.mark.parametrize(("speakers", "each", "limit"), [(10, 10, 12), (3, 20, 12), (40, 3, 12), (1, 50, 5), (2, 2, 9)])
def test_utterances_are_spread_over_speakers(speakers: int, each: int, limit: int) -> None:
    utterances = [{"name": f"{s}-{i}", "speaker": str(s)} for s in range(speakers) for i in range(each)]
    chosen = page.choose(utterances, limit)
    assert len(chosen) == min(limit, len(utterances))
    assert chosen == [utterance for utterance in utterances if utterance in chosen]
    assert len({utterance["speaker"] for utterance in chosen}) == min(speakers, limit)


def test_few_utterances_of_one_speaker_do_not_shorten_the_page() -> None:
    utterances = [{"name": str(i), "speaker": "a" if i else "b"} for i in range(20)]
    assert len(page.choose(utterances, 12)) == 12


def test_the_low_anchor_keeps_to_the_mask_of_bs_1534() -> None:
    impulse = np.zeros(4001, dtype=np.float32)
    impulse[2000] = 1.0
    anchor = stimulus.low_anchor(impulse)
    assert len(anchor) == len(impulse)
    assert int(anchor.argmax()) == 2000  # no delay against the reference
    frequency = np.fft.rfftfreq(len(anchor), 1 / SAMPLE_RATE)
    level = 20 * np.log10(np.abs(np.fft.rfft(anchor)) + 1e-9)
    assert np.abs(level[frequency <= 3500]).max() < 0.1
    assert level[frequency >= 4000].max() < -25
    assert level[frequency >= 4500].max() < -50


def test_spectrograms_show_frequency_upwards_and_bear_silence() -> None:
    Image = pytest.importorskip("PIL.Image", reason="pillow is not installed (the extra eval)")

    tone = np.sin(2 * np.pi * 6000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    content = stimulus.spectrogram(tone).partition(",")[2]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("L"), dtype=float)
    assert 1 - picture.mean(axis=1).argmax() / len(picture) == pytest.approx(6 / 8, abs=0.02)
    for silence in (np.zeros(SAMPLE_RATE, dtype=np.float32), np.zeros(1, dtype=np.float32)):
        assert stimulus.spectrogram(silence).startswith("data:image/webp;base64,")


def test_markdown_tables_headings_and_gaps() -> None:
    html = markdown.to_html(
        "## A & B\n\n| system | CER | SIM |\n|---|---|---|\n| **ours** | 0.1 | 0.2 |\n| x | gap: none | |\n\nfirst\nsecond"
    )
    assert "<h3>A &amp; B</h3>" in html
    assert '<th scope="row"><strong>ours</strong></th><td>0.1</td><td>0.2</td>' in html
    assert '<tr class="gap"><th scope="row">x</th><td colspan="2">gap: none</td></tr>' in html
    assert "<p>first\nsecond</p>" in html
    assert markdown.to_html("gap: a\ngap: b") == "<p>gap: a<br>\ngap: b</p>"
