"""All that a run's folder holds, as one report: plots, tables, page."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import document, files
from benchmarks.quality import RESULTS
from benchmarks.report import page, paper, plots, tables


def report(out: Path, baseline: str) -> str:
    """Write OUT/report/ from the measurements in OUT, and return the tables for the terminal.

    Raises:
        BenchmarkError: results.json is not there, or a file is broken.
    """
    results = document.read(out / RESULTS, *document.NEEDED[RESULTS])
    bitrate, speed = (_optional(out / name) for name in ("bitrate.json", "speed.json"))
    folder = out / "report"
    missing = ", ".join(name for module, name in (("matplotlib", "matplotlib"), ("PIL", "pillow")) if find_spec(module) is None)
    sections = {
        "Quality": "\n\n".join(filter(None, [tables.quality(results), tables.absent(results)])),
        "Further figures": tables.further(results),
        "What the bits are": tables.counted(results),
        f"Against {baseline}": tables.paired(results, baseline),
        "Beside the paper": paper.tables(results),
        _titled("Bit rate", bitrate): tables.bitrate(bitrate) if bitrate else "",
        _titled("Speed", speed): tables.speed(speed) if speed else "",
        "What the figures are": tables.legend(),
        "Gaps": "\n".join(
            filter(None, [tables.judge_gaps(results), missing and f"gap: plots and page, not installed: {missing}"])
        ),
    }
    text = "\n\n".join(f"## {title}\n\n{body}" for title, body in sections.items() if body)
    files.write_text(folder / "report.md", text + "\n")
    if missing:
        return text
    drawn = [plots.rate_distortion(results, folder / "rate_distortion.svg")]
    if bitrate:
        drawn.append(plots.bits(bitrate, folder / "bits.svg"))
    if speed:
        drawn.append(plots.cost(speed, folder / "cost.svg"))
    written = page.write(results, out, figures=[each for each in drawn if each is not None], tables=text)
    return f"{text}\n\n{written}"


def _titled(title: str, measured: dict[str, Any] | None) -> str:
    """With what it was measured on: the files of a folder need not be of one run."""
    made = (measured or {}).get("made") or {}
    return f"{title}, {made['data']}, {made['date']}, commit {made['commit'] or 'unknown'}" if made else title


def _optional(path: Path) -> dict[str, Any] | None:
    return document.read(path, *document.NEEDED[path.name]) if path.exists() else None
