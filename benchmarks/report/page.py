"""One HTML file to listen to: figures, plots, every system's speech, blind ABX and MUSHRA tests.

It holds all that it shows, asks the network for nothing, and opens from disk.
"""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from benchmarks import files
from benchmarks.errors import BenchmarkError, Gap
from benchmarks.metrics import text
from benchmarks.metrics.pitch import PitchErrors
from benchmarks.report import markdown, plots, stimulus
from benchmarks.report import tables as report_tables
from benchmarks.system import OWN
from benchmarks.waveform import read

_SUMMARY = ("bps", "wer", "dwer", "cer", "sim", "eer", "dnsmos", "ffe", "ffe_yaapt", "estoi")
_SCRIPTS = ("session.js", "player.js", "listen.js", "abx.js", "mushra.js")

_MAX_GAIN = 12.0
"""dB; a system that fell silent is not turned up without end."""


@dataclass
class _Trial:
    """What the blind tests need of an utterance; ``stimuli`` name the page's audio elements and their gains in dB."""

    name: str
    anchor: str = ""
    stimuli: dict[str, dict[str, Any]] = field(default_factory=dict)


def write(results: dict[str, Any], out: Path, figures: Sequence[Path] = (), tables: str = "", limit: int = 12) -> Path:
    """Write OUT/report/index.html and return its path.

    ``results`` is what OUT/results.json holds; the speech is OUT/decoded/SYSTEM/UTTERANCE.wav, and a file that is not
    there becomes a gap with its name. ``figures`` are image files, ``tables`` Markdown (headings, tables, paragraphs).
    At most ``limit`` utterances are shown, evenly spaced over the speakers.
    """
    chosen = choose(results["utterances"], limit)
    shown = [_utterance(results, out, i, utterance) for i, utterance in enumerate(chosen)]
    script = "\n".join(_asset(name) for name in _SCRIPTS)
    style = _asset("page.css")
    html = Template(_asset("page.html")).substitute(
        policy=_policy(script, style),
        style=style,
        script=script,
        data=_inert_json(_blind_data(results, [trial for _, trial in shown])),
        made=_listed(results["made"]),
        summary=markdown.to_html(f"{report_tables.quality(results, _SUMMARY)}\n\n{report_tables.absent(results)}"),
        figures="".join(_figure(path) for path in figures),
        tables=f"<details><summary>All tables</summary>{markdown.to_html(tables)}</details>" if tables else "",
        count=f"{len(chosen)} of {len(results['utterances'])}",
        utterances="\n".join(section for section, _ in shown),
    )
    index = out / "report" / "index.html"
    files.write_text(index, html)
    return index


def choose(utterances: Sequence[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """``limit`` utterances in their order, evenly spaced over speakers and, within a speaker, over the utterances."""
    if limit >= len(utterances):
        return list(utterances)
    speakers: dict[str, list[int]] = {}
    for i, utterance in enumerate(utterances):
        speakers.setdefault(str(utterance.get("speaker")), []).append(i)
    share = -(-limit // len(speakers))
    pool = sorted({own[len(own) * i // share] for own in speakers.values() for i in range(share)})
    pool = pool if len(pool) >= limit else list(range(len(utterances)))
    return [utterances[pool[len(pool) * i // limit]] for i in range(limit)]


def _utterance(results: dict[str, Any], out: Path, index: int, utterance: dict[str, Any]) -> tuple[str, _Trial]:
    """An utterance's section of the page, and its part in the blind tests."""
    name, trial, cards = utterance["name"], _Trial(utterance["name"]), []
    for number, (system, figures) in enumerate(results["systems"].items()):
        row: dict[str, Any] = next((row for row in figures.get("rows", ()) if row["utterance"] == name), {})
        title, player = figures.get("title", system), f"audio-{index}-{number}"
        try:
            if "gap" in figures:
                raise Gap(figures["gap"])
            path = out / "decoded" / system / f"{name}.wav"
            spoken = stimulus.load(path)
            trial.stimuli[system] = {"audio": player, "gain": _gain(row.get("loudness_lu"))}
            if system == "original":
                trial.anchor = stimulus.flac(stimulus.low_anchor(read(path)))
            body = _player(spoken, player, title, name) + _target(row, out) + _judged(row, utterance["transcript"])
        except Gap as gap:
            body = f'<p class="gap">gap: {_text(gap)}</p>'
        # A recording of no samples has bits, but no rate.
        rate = f"{row['bits'] / row['seconds']:,.0f} bit/s" if row.get("bits") is not None and row["seconds"] else ""
        own = ' class="own"' if system == OWN else ""
        cards.append(f"<article{own}><header><h4>{_text(title)}</h4><span>{rate}</span></header>{body}</article>")
    section = f"""<details class="utterance"{"" if index else " open"}>
<summary><h3>{_text(utterance["transcript"] or name)}</h3>
<span>{_text(name)}, speaker {_text(utterance.get("speaker") or "unknown")}, {utterance["seconds"]:.1f} s</span></summary>
<div class="systems">{"".join(cards)}</div></details>"""
    return section, trial


def _gain(loudness_lu: float | None) -> float:
    """The gain in dB that undoes a level error."""
    return 0.0 if loudness_lu is None else max(-_MAX_GAIN, min(_MAX_GAIN, -loudness_lu))


def _player(spoken: stimulus.Stimulus, player: str, title: str, name: str) -> str:
    return f"""<div class="spectrogram" data-player="{player}" data-seconds="{spoken.seconds}">
<img src="{spoken.spectrogram}" alt="Spectrogram: {_text(title)}, {_text(name)}"></div>
<audio id="{player}" controls preload="none" aria-label="{_text(title)}, {_text(name)}" src="{spoken.audio}"></audio>"""


def _target(row: dict[str, Any], out: Path) -> str:
    """The voice that a conversion was to speak with, where there is one and it can be heard."""
    if not row.get("target"):
        return ""
    try:
        audio = stimulus.flac(read(out / "decoded" / "original" / f"{row['target']}.wav"))
    except (OSError, BenchmarkError):
        return f"<p>Voice wanted: {_text(row['target'])}</p>"
    label = f"Voice wanted: {_text(row['target'])}"
    return f'<p>{label}</p><audio controls preload="none" aria-label="{label}" src="{audio}"></audio>'


def _judged(row: dict[str, Any], transcript: str) -> str:
    """What the judges said of one utterance; a judge that was not there leaves nothing."""
    values = {name: f"{row[key]:.2f}" for name, key in (("SIM", "sim"), ("DNSMOS", "dnsmos")) if row.get(key) is not None}
    for name, key in (("WER", "words"), ("CER", "characters")):
        if row.get(key):
            errors, wanted = row[key]
            values = {name: f"{errors / max(1, wanted):.2f}", **values}
            break
    if row.get("f0"):
        errors = PitchErrors(**row["f0"])
        values["FFE"] = f"{(errors.scaled() if row.get('target') else errors).ffe:.3f}"
    heard = row.get("hypothesis")
    words = "" if heard is None else f'<p class="heard">{_marked(heard, transcript or heard)}</p>'
    return f"<dl>{_listed(values)}</dl>" + words


def _listed(values: Mapping[str, object]) -> str:
    return "".join(f"<div><dt>{_text(key)}</dt><dd>{_text(value)}</dd></div>" for key, value in values.items() if value)


def _marked(heard: str, transcript: str) -> str:
    """What the recogniser heard, the words marked that the transcript has not there."""
    words, wanted, parts = heard.split(), text.normalise(transcript).split(), []
    for kind, _, _, start, end in SequenceMatcher(None, wanted, words, autojunk=False).get_opcodes():
        said = _text(" ".join(words[start:end]))
        parts.append(said if kind == "equal" else f"<mark>{said}</mark>")
    return " ".join(part for part in parts if part != "<mark></mark>")


def _figure(path: Path) -> str:
    # As an image, not as elements of the page: scripts in it stay inert, and ids of two figures cannot collide.
    source = stimulus.data_uri(mimetypes.guess_type(path)[0] or "image/svg+xml", path.read_bytes())
    title = _text(plots.TITLES.get(path.stem, path.stem))
    return f'<figure><img src="{source}" alt="{title}"><figcaption>{title}</figcaption></figure>'


def _blind_data(results: dict[str, Any], trials: list[_Trial]) -> dict[str, Any]:
    systems = [
        # A converted voice is not a rendering of the original, so that tests leave it out unless asked.
        {"name": name, "title": figures.get("title", name), "converted": any(row.get("target") for row in figures["rows"])}
        for name, figures in results["systems"].items()
        if any(name in trial.stimuli for trial in trials)
    ]
    made = results["made"]
    return {
        "corpus": results["corpus"],
        "commit": made.get("commit"),
        "date": made.get("date"),
        "systems": systems,
        "utterances": [asdict(trial) for trial in trials if "original" in trial.stimuli],
    }


def _policy(script: str, style: str) -> str:
    """A content security policy: this script and this style, data URIs, and no network at all."""
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style)]
    return (
        f"default-src 'none'; script-src 'sha256-{digests[0]}'; style-src 'sha256-{digests[1]}'; "
        "img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
    )


def _inert_json(value: Any) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(value).replace("<", "\\u003c")


def _text(value: object) -> str:
    return escape(str(value))


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("assets", name).read_text(encoding="utf-8")
