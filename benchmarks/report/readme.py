"""The README's table and plots, put there by the command that measured them."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks import document, files
from benchmarks.errors import BenchmarkError
from benchmarks.progress import many
from benchmarks.quality import RESULTS
from benchmarks.report import plots, tables
from benchmarks.system import OWN

FIGURES = "docs/figures"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"

_COLUMNS = ("bps", "wer", "dwer", "cer", "sim", "eer", "dnsmos", "ffe", "ffe_yaapt")
_PLOTS = ("rate_distortion", "cost")


def update(readme: Path, out: Path) -> None:
    """Replace what stands between the marks by the run in ``out``; the plots go to ``docs/figures`` beside the README.

    Raises:
        BenchmarkError: the marks are not there, or the run has no results.
    """
    text = checked(readme)
    section = _section(out, readme.parent / FIGURES)
    files.write_text(readme, re.sub(f"{BEGIN}.*{END}", lambda match: f"{BEGIN}\n{section}\n{END}", text, flags=re.DOTALL))


def checked(readme: Path) -> str:
    """The text of a README that has the marks. Raises BenchmarkError."""
    try:
        text = readme.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{readme}: {getattr(error, 'strerror', None) or 'is not text'}") from error
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise BenchmarkError(f"{readme}: needs one line {BEGIN} and, below it, one line {END}")
    return text


def _section(out: Path, figures: Path) -> str:
    results = document.read(out / RESULTS, *document.NEEDED[RESULTS])
    made = results["systems"].get(OWN, {}).get("made", results["made"])
    speakers = {utterance["speaker"] for utterance in results["utterances"]}
    first = (
        f"{many(len(results['utterances']), 'utterance')} of `{made['data']}`, {many(len(speakers), 'speaker')}; "
        f"{made['date']}, commit {made['commit'] or 'unknown'}, {made.get('machine') or 'unknown machine'}."
    )
    parts = [first, tables.quality(results, _COLUMNS, gaps=False), _gaps(results), tables.absent(results)]
    for name in _PLOTS:
        drawn = out / "report" / f"{name}.svg"
        if drawn.exists():
            files.write_text(figures / drawn.name, drawn.read_text(encoding="utf-8"))
            parts.append(f"![{plots.TITLES[name]}]({FIGURES}/{drawn.name})")
    return "\n\n".join(part for part in parts if part)


def _gaps(results: dict[str, dict[str, dict[str, str]]]) -> str:
    reasons: dict[str, list[str]] = {}
    for system in results["systems"].values():
        if "gap" in system:
            # What of it is to be had where is told where it is missed, in the report.
            reasons.setdefault(system["gap"].partition(":")[0], []).append(system["title"])
    told = "; ".join(f"{', '.join(titles)} ({reason})" for reason, titles in reasons.items())
    return f"Could not run here: {told}." if told else ""
