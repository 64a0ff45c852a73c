"""Utterances -> one system's figures. Error rates are pooled: errors over all utterances by references over all."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.corpus import Utterance
from benchmarks.metrics import bootstrap, text
from benchmarks.metrics.pitch import PitchErrors

Row = dict[str, Any]


def row(utterance: Utterance, seconds: float, bits: int | None, sample_difference: int, judged: dict[str, Any]) -> Row:
    """One utterance's figures from what the judges said; a judge that was not there leaves None.

    ``sample_difference`` is decoded less original length, in samples.
    """
    hypothesis, f0 = judged.get("asr"), judged.get("f0")
    return {
        "utterance": utterance.stem,
        "seconds": seconds,
        "bits": bits,
        "sample_difference": sample_difference,
        "hypothesis": None if hypothesis is None else text.normalise(hypothesis),
        "characters": None if hypothesis is None else text.character_errors(utterance.transcript, hypothesis),
        "words": None if hypothesis is None else text.word_errors(utterance.transcript, hypothesis),
        "sim": judged.get("sim"),
        "dnsmos": judged.get("dnsmos"),
        "f0": f0,
        "loudness_lu": judged.get("loudness"),
    }


def figures(rows: list[Row]) -> dict[str, Any]:
    """A system's figures with 95 % bootstrap intervals over utterances; None where the judge or the bits are missing.

    ``bps`` is bit/s of all files over all speech, ``loudness_max_abs_lu`` the worst utterance's level error.
    """
    result: dict[str, Any] = {"utterances": len(rows), "seconds": sum(row["seconds"] for row in rows)}
    known = all(row["bits"] is not None for row in rows)
    result["bps"] = sum(row["bits"] for row in rows) / result["seconds"] if known else None
    for name, column in (("cer", "characters"), ("wer", "words")):
        pairs = [row[column] for row in rows]
        result[name] = None if None in pairs else sum(p[0] for p in pairs) / max(1, sum(p[1] for p in pairs))
        if name == "cer":
            result["cer_95"] = None if None in pairs else bootstrap.interval([p[0] for p in pairs], [p[1] for p in pairs])
    for name in ("sim", "dnsmos"):
        values = [row[name] for row in rows]
        result[name] = None if None in values else float(np.mean(values))
        result[f"{name}_95"] = None if None in values else bootstrap.interval(values)
    counts = [row["f0"] for row in rows]
    pitch = None if None in counts else [PitchErrors(**count) for count in counts]
    total = None if pitch is None else sum(pitch, PitchErrors(0, 0, 0, 0))
    for name in ("vde", "gpe", "ffe"):
        result[name] = None if total is None else getattr(total, name)
    result["ffe_95"] = None if pitch is None else bootstrap.interval([p.errors for p in pitch], [p.frames for p in pitch])
    levels = [row["loudness_lu"] for row in rows]
    result["loudness_max_abs_lu"] = None if None in levels else max(abs(level) for level in levels)
    result["lengths_equal"] = all(row["sample_difference"] == 0 for row in rows)
    return result


COLUMNS = (
    ("bps", "bit/s", 0),
    ("cer", "CER", 3),
    ("wer", "WER", 3),
    ("sim", "SIM", 3),
    ("dnsmos", "DNSMOS", 2),
    ("vde", "VDE", 3),
    ("gpe", "GPE", 3),
    ("ffe", "FFE", 3),
    ("loudness_max_abs_lu", "max LU", 1),
)


def table(systems: dict[str, dict[str, Any]]) -> str:
    """The figures as a Markdown table, half the interval's width behind the figures that have one; gaps say why."""
    lines = ["| system | " + " | ".join(title for _, title, _ in COLUMNS) + " | length |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name, system in systems.items():
        if "gap" in system:
            lines.append(f"| {name} | gap: {system['gap']} |" + " |" * len(COLUMNS))
            continue
        cells = [_cell(system, key, digits) for key, _, digits in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {'equal' if system['lengths_equal'] else 'DIFFERS'} |")
    return "\n".join(lines)


def _cell(system: dict[str, Any], key: str, digits: int) -> str:
    if system[key] is None:
        return "-"
    cell = f"{system[key]:.{digits}f}"
    bounds = system.get(f"{key}_95")
    return cell if bounds is None else f"{cell} ±{(bounds[1] - bounds[0]) / 2:.{digits}f}"
