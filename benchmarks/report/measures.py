"""The unit of every figure, and which way it is better, for tables and axes."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.score import Metric

ARROWS = {"lower": "↓", "higher": "↑"}

_BY_KEY = {
    "bps": "bits a second",
    "sim": "cosine, 1 is the same voice",
    "eer": "share of pairs",
    "converted": "share of utterances",
    "dnsmos": "points, 1 to 5",
    "utmos": "points, 1 to 5",
    "distillmos": "points, 1 to 5",
    "nisqa": "points, 1 to 5",
    "estoi": "correlation, at most 1",
    "pesq": "points, 1 to 4.64",
    "mel_db": "dB",
    "loudness_max_abs_lu": "LU",
}
_BY_BEGINNING = {
    "wer": "errors a word",
    "dwer": "errors a word",
    "cer": "errors a character",
    "dcer": "errors a character",
    "per": "errors a phone",
    "vde": "share of frames",
    "gpe": "share of voiced frames",
    "ffe": "share of frames",
    "logf0_rmse": "natural logarithm",
    "logf0_corr": "correlation, at most 1",
}


def unit(metric: Metric) -> str:
    """What the figure counts in, as "errors a word"; of another recogniser or tracker as of the first. Raises KeyError."""
    if metric.key in _BY_KEY:
        return _BY_KEY[metric.key]
    beginnings = [name for name in _BY_BEGINNING if metric.key == name or metric.key.startswith(f"{name}_")]
    return _BY_BEGINNING[max(beginnings, key=len, default=metric.key)]


def title(metric: Metric) -> str:
    """The figure's name in running text, as "FFE by YAAPT"."""
    return metric.title.replace(", YAAPT", " by YAAPT")


def headed(metric: Metric) -> str:
    """The title of a column, as "WER ↓"."""
    return f"{metric.title} {ARROWS[metric.better]}" if metric.better else metric.title


def explained(metrics: Iterable[Metric]) -> str:
    """One line below a table: what the arrows mean, and the unit of each column."""
    titles: dict[str, list[str]] = {}
    for metric in metrics:
        titles.setdefault(unit(metric), []).append(
            metric.title.replace(", ", " by ") if ", YAAPT" in metric.title else metric.title
        )
    units = "; ".join(f"{', '.join(names)}: {name}" for name, names in titles.items())
    return f"↓ lower is better, ↑ higher is better. Units: {units}."
