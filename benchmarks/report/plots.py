"""The measurements as SVG plots: rate-distortion, bits by stream, cost against duration."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import score
from benchmarks.report import labels
from benchmarks.system import CONVERSION, OWN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The FFE of a tracker that is not the codec's own, where there is one.
_DISTORTION = (("cer",), ("sim",), ("dnsmos",), ("ffe_yaapt", "ffe"))
_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: small files, and readable by machines
    "svg.hashsalt": "unitcodec",  # the same figures give the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "figure.facecolor": "white",
}
_COLOURS = {"unitcodec": "#c0392b", "codec2": "#2471a3", "opus": "#1e8449", "original": "#555555"}
_OTHER = "#7d6608"


def rate_distortion(results: dict[str, Any], path: Path) -> Path | None:
    """CER, SIM, DNSMOS and FFE against bit/s for every system that was judged; None where no system has both."""
    systems = {name: each for name, each in results["systems"].items() if each.get("bps") and name != CONVERSION}
    metrics = [metric for keys in _DISTORTION for metric in _first(keys, systems.values())]
    if not metrics:
        return None

    def draw(figure: Figure) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        rows = -(-len(metrics) // 2)
        panels = list(zip(figure.subplots(rows, 2, sharex=True, squeeze=False).flat, metrics, strict=False))
        found = [_distortion(axes, metric, systems) for axes, metric in panels]
        for axes in figure.axes[-2:]:
            axes.set_xlabel("bit/s")
        canvas: Any = FigureCanvasAgg(figure)
        figure.draw_without_rendering()
        for (axes, _), named in zip(panels, found, strict=True):
            labels.place(axes, named, canvas.get_renderer())

    return _save(path, (9.0, 6.4), draw)


def _first(keys: Sequence[str], systems: Iterable[dict[str, Any]]) -> list[score.Metric]:
    """The first of these metrics that any system has, if there is one."""
    systems = list(systems)
    known = [metric for key in keys for metric in score.METRICS if metric.key == key]
    return [metric for metric in known if any(each.get(metric.key) is not None for each in systems)][:1]


def _distortion(axes: Axes, metric: score.Metric, systems: dict[str, Any]) -> list[labels.Label]:
    """Draw the points; their names, for when the plot has its final size."""
    named = []
    for name, system in systems.items():
        value = system.get(metric.key)
        if value is None:
            continue
        colour = _COLOURS.get(name.partition("-")[0], _OTHER)
        if name == "original":
            axes.axhline(value, color=colour, linestyle=":", linewidth=1)
            axes.annotate("original", (0, value), xycoords=("axes fraction", "data"), ha="left", va="bottom", color=colour)
            continue
        low, high = system.get(f"{metric.key}_95") or (value, value)
        axes.errorbar(
            system["bps"], value, [[max(0, value - low)], [max(0, high - value)]],
            fmt="*" if name == OWN else "o", markersize=13 if name == OWN else 5, color=colour, elinewidth=1, zorder=3,
        )  # fmt: skip
        style = {"color": colour, "fontsize": 7.5, "weight": "bold" if name == OWN else "normal"}
        named.append(labels.Label(system["title"], system["bps"], value, low, high, style))
    axes.set_xscale("log")
    axes.margins(x=0.12)
    _plain(axes)
    arrow = {"lower": ", lower is better", "higher": ", higher is better"}.get(metric.better or "", "")
    axes.set_title(metric.title + arrow, loc="left", fontsize=10)
    return named


def bits(bitrate: dict[str, Any], path: Path) -> Path:
    """Left: bit/s by stream, over the corpus; right: bit/s of a file against its duration."""

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.6))
        bottom = 0.0
        for stream, rate in bitrate["streams_bps"].items():
            left.bar("corpus", rate, bottom=bottom, label=f"{stream}, {rate:.1f}")
            bottom += rate
        left.set_ylabel("bit/s")
        left.set_xlim(-0.6, 2.4)
        left.grid(visible=False)
        left.legend(loc="upper right", frameon=False, reverse=True)
        points = bitrate["by_duration"]
        right.plot([point["seconds"] for point in points], [point["bps"] for point in points], "o-", color=_COLOURS["unitcodec"])
        right.set(xscale="log", xlabel="duration, s", ylabel="bit/s of the whole file")
        _plain(right)

    return _save(path, (8.0, 3.2), draw)


def cost(speed: dict[str, Any], path: Path) -> Path | None:
    """Seconds and peak memory of the command against the duration of the speech; None where they were not measured."""
    points = speed.get("cost") or []
    if not points:
        return None

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        seconds = [point["duration"] for point in points]
        for name, colour in (("encode", "#c0392b"), ("decode", "#2471a3")):
            left.plot(seconds, [point[name]["seconds"] for point in points], "o-", label=name, color=colour)
            right.plot(seconds, [point[name]["peak_rss_mib"] for point in points], "o-", label=name, color=colour)
        left.plot(seconds, seconds, ":", color="#555555", label="real time")
        left.set(xscale="log", yscale="log", xlabel="duration, s", ylabel="seconds, start included")
        right.set(xscale="log", xlabel="duration, s", ylabel="peak memory, MiB")
        for axes in (left, right):
            _plain(axes)
        right.set_ylim(bottom=0)
        left.legend(frameon=False)
        right.legend(frameon=False)

    return _save(path, (8.0, 3.2), draw)


def _plain(axes: Axes) -> None:
    """Numbers as one says them on a logarithmic axis: 300, 1000, 3000."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _save(path: Path, size: tuple[float, float], draw: Callable[[Figure], None]) -> Path:
    """Draw without a display or global state, and put the whole file in place at once."""
    import matplotlib
    from matplotlib.figure import Figure

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        figure.savefig(part, format="svg", metadata={"Date": None})
    part.replace(path)
    return path
