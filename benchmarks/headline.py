"""The few figures that stand for a system: words, voice, opinion, pitch. Plots draw these, progress tells these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks import score

# Of each group the first that was measured: a transcript tells more than what was heard in the original, and that, where there
# is no transcript, more than nothing; words tell more than characters; YAAPT is not the codec's own tracker.
_WANTED = (("wer", "dwer", "cer", "dcer"), ("sim",), ("dnsmos",), ("ffe_yaapt", "ffe"))


def metrics(systems: Iterable[Mapping[str, Any]]) -> list[score.Metric]:
    """At most four of :data:`benchmarks.score.METRICS` that any of the systems' figures hold: WER (or dWER), SIM, DNSMOS, FFE."""
    systems = list(systems)
    known = {metric.key: metric for metric in score.METRICS}
    measured = [[key for key in keys if any(each.get(key) is not None for each in systems)] for keys in _WANTED]
    return [known[keys[0]] for keys in measured if keys]


def told(figures: Mapping[str, Any]) -> str:
    """The rate and the figures of one system in a line, as ``326 bit/s, WER 0.202, SIM 0.846``; empty where there are none."""
    rate = [] if figures.get("bps") is None else [f"{figures['bps']:.0f} bit/s"]
    return ", ".join(rate + [f"{each.title} {figures[each.key]:.{each.digits}f}" for each in metrics([figures])])
