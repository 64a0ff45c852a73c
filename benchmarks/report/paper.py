"""Tables 1 and 2 of Polyak et al. 2021 (arXiv 2104.00355) with this project's rows beside the paper's.

The paper's figures, in per cent, are those printed there for VCTK, the corpus of many speakers; its phone error rates have no
counterpart here.
"""

from __future__ import annotations

from typing import Any

from benchmarks.system import CONVERSION, OWN

RESYNTHESIS: dict[str, dict[str, float | None]] = {
    "ground truth": {"wer": 4.32, "vde": None, "ffe": None, "eer": 3.25},
    "CPC": {"wer": 14.49, "vde": 10.56, "ffe": 11.13, "eer": 4.25},
    "HuBERT": {"wer": 11.44, "vde": 9.77, "ffe": 10.43, "eer": 5.79},
    "VQ-VAE": {"wer": 19.80, "vde": 5.20, "ffe": 5.59, "eer": 4.28},
}
"""Table 1, VCTK."""

CONVERTED: dict[str, dict[str, float | None]] = {
    "ground truth": {"wer": 4.32, "vde": None, "ffe": None, "eer": 3.25},
    "CPC": {"wer": 15.98, "vde": None, "ffe": None, "eer": 4.83},
    "HuBERT": {"wer": 12.72, "vde": None, "ffe": None, "eer": 6.01},
    "VQ-VAE": {"wer": 29.44, "vde": None, "ffe": None, "eer": 11.56},
}
"""Table 2, left half, VCTK; its right half flattens the F0 and is another experiment."""

DIFFERENCES = """\
Lower is better in every column. What differs: the paper's content encoders saw 960 to 6,000 hours and code at 350 to 800
bit/s plus 65 for F0, counted as fixed-length codes; ours saw 8 hours, and its rate is that of whole files. The paper's
vocoder knows the voices of VCTK from its training; our speakers were never heard. The paper's judges are wav2vec 2.0 (words)
and a speaker verifier trained on VoxCeleb2 against enrolled speakers; ours are Moonshine tiny, whose own error on the
original recordings stands in the row "original", and Resemblyzer on pairs of utterances. The paper's phone error rates are
left out: no judge here hears phones. F0 is YAAPT's here as there (columns VDE and FFE), in conversion after the converted
speech's median was brought to the source's. Compare each row with its own original, never across the two columns of judges."""

_COLUMNS = (
    ("wer", "WER", "wer"),
    ("vde", "VDE", "vde_yaapt"),
    ("ffe", "FFE", "ffe_yaapt"),
    ("eer", "EER", "eer"),
)


def tables(results: dict[str, Any]) -> str:
    """Both tables as Markdown, in per cent, with what differs below; of results.json, rows that it has no figures for say so."""
    systems = results["systems"]
    data = results["made"]["data"]
    parts = []
    halves = (("Resynthesis (table 1)", RESYNTHESIS, OWN), ("Voice conversion (table 2)", CONVERTED, CONVERSION))
    for title, paper, own in halves:
        lines = [f"{title}, per cent", "", "| system, data | " + " | ".join(f"{name} ↓" for _, name, _ in _COLUMNS) + " |"]
        lines.append("|---" * (len(_COLUMNS) + 1) + "|")
        for name, figures in paper.items():
            lines.append(f"| paper: {name}, VCTK | " + " | ".join(_percent(figures[key]) for key, _, _ in _COLUMNS) + " |")
        for name in ("original", own):
            measured = systems.get(name)
            if measured is None or "gap" in measured:
                reason = "not in this run" if measured is None else f"gap: {measured['gap']}"
                lines.append(f"| {name}, {data} | {reason} |" + " |" * (len(_COLUMNS) - 1))
                continue
            values = [measured.get(key) for _, _, key in _COLUMNS]
            cells = [_percent(None if value is None else 100 * value) for value in values]
            lines.append(f"| **{name}**, {data} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, DIFFERENCES])


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
