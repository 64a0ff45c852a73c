"""The measurements as SVG plots: rate-distortion, bits by stream, cost against duration."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import headline, score
from benchmarks.quality import ORIGINAL
from benchmarks.report import labels, measures
from benchmarks.system import CONVERSION, OWN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    "rate_distortion": "Quality against bit rate",
    "bits": "What the bits are, and bit rate against duration",
    "cost": "Seconds and memory against duration",
}
"""The plots by their files' stems."""

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
    """:func:`quality_figure` as a file; None where there is nothing to draw."""
    figure = quality_figure(results)
    return None if figure is None else _save(path, figure)


def quality_figure(results: dict[str, Any]) -> Figure | None:
    """A panel for each of :func:`benchmarks.headline.metrics` against bit/s, with every system that has both; else None.

    Up to three panels stand in a row, four in a square.
    """
    systems = {name: each for name, each in results["systems"].items() if each.get("bps") and name != CONVERSION}
    drawn = {name: each for name, each in systems.items() if name != ORIGINAL}
    metrics = headline.metrics(drawn.values())
    if not metrics:
        return None
    columns = 2 if len(metrics) == 4 else len(metrics)
    rows = -(-len(metrics) // columns)

    def draw(figure: Figure) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        panels = list(zip(figure.subplots(rows, columns, squeeze=False).flat, metrics, strict=True))
        found = [_distortion(axes, metric, systems) for axes, metric in panels]
        canvas: Any = FigureCanvasAgg(figure)
        figure.draw_without_rendering()
        for (axes, _), named in zip(panels, found, strict=True):
            taken = [labels.level(axes, line, named, canvas.get_renderer()) for line in axes.get_lines() if line.get_gid()]
            labels.place(axes, named, canvas.get_renderer(), [box for boxes in taken for box in boxes])

    return _drawn(((4.9 if columns < 3 else 4.2) * columns, 3.9 * rows), draw)


def _distortion(axes: Axes, metric: score.Metric, systems: dict[str, Any]) -> list[labels.Label]:
    """Draw the points; their names, for when the plot has its final size."""
    named = []
    for name, system in systems.items():
        value = system.get(metric.key)
        if value is None:
            continue
        colour = _COLOURS.get(name.partition("-")[0], _OTHER)
        if name == ORIGINAL:
            # Its rate is far off to the right: a level, which gets its name when the others are known.
            axes.axhline(value, color=colour, linestyle=":", linewidth=1, gid=ORIGINAL)
            continue
        low, high = system.get(f"{metric.key}_95") or (value, value)
        size = 13 if name == OWN else 5
        axes.errorbar(
            system["bps"], value, [[max(0, value - low)], [max(0, high - value)]],
            fmt="*" if name == OWN else "o", markersize=size, color=colour, elinewidth=1, zorder=3,
        )  # fmt: skip
        style = {"color": colour, "fontsize": 7.5, "weight": "bold" if name == OWN else "normal"}
        named.append(labels.Label(system["title"], system["bps"], value, low, high, style, size / 2))
    axes.set_xscale("log")
    axes.margins(x=0.15, y=0.12)
    _plain(axes)
    axes.set_xlabel("bit rate, bit/s")
    title = measures.title(metric)
    axes.set_ylabel(f"{title}, {measures.unit(metric)}")
    axes.set_title(f"{title}: {metric.better} is better" if metric.better else title, loc="left", fontsize=10)
    return named


def bits(bitrate: dict[str, Any], path: Path) -> Path:
    """:func:`bits_figure` as a file."""
    return _save(path, bits_figure(bitrate))


def bits_figure(bitrate: dict[str, Any]) -> Figure:
    """Left: bit/s by stream, over the corpus; right: bit/s of a file against its duration."""

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.6))
        bottom = 0.0
        for stream, rate in bitrate["streams_bps"].items():
            left.bar("all files", rate, bottom=bottom, label=f"{stream}, {rate:.1f}")
            bottom += rate
        left.set(ylabel="bit rate, bit/s", xlim=(-0.6, 2.4))
        left.grid(visible=False)
        left.legend(loc="upper right", frameon=False, reverse=True)
        points = bitrate["by_duration"]
        right.plot([point["seconds"] for point in points], [point["bps"] for point in points], "o-", color=_COLOURS["unitcodec"])
        right.set(xscale="log", xlabel="duration of the file, s", ylabel="bit rate of the whole file, bit/s")
        for axes, title in ((left, "What the bits are: lower is better"), (right, "Bit rate by duration: lower is better")):
            axes.set_title(title, loc="left", fontsize=10)
        _plain(right)

    return _drawn((8.0, 3.2), draw)


def cost(speed: dict[str, Any], path: Path) -> Path | None:
    """:func:`cost_figure` as a file; None where there is nothing to draw."""
    figure = cost_figure(speed)
    return None if figure is None else _save(path, figure)


def cost_figure(speed: dict[str, Any]) -> Figure | None:
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
        left.set(xscale="log", yscale="log", xlabel="duration of the speech, s", ylabel="time of the whole command, s")
        right.set(xscale="log", xlabel="duration of the speech, s", ylabel="peak memory, MiB")
        for axes, title in ((left, "Time: lower is better"), (right, "Memory: lower is better")):
            axes.set_title(title, loc="left", fontsize=10)
            _plain(axes)
        right.set_ylim(0, 1.15 * max(point[way]["peak_rss_mib"] for point in points for way in ("encode", "decode")))
        left.legend(frameon=False)
        right.legend(frameon=False)

    return _drawn((8.0, 3.2), draw)


def _plain(axes: Axes) -> None:
    """Numbers as one says them on a logarithmic axis: 300, 1000, 3000."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _drawn(size: tuple[float, float], draw: Callable[[Figure], None]) -> Figure:
    """A figure of ``size`` inches, drawn without a display or global state."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained", dpi=72)  # as SVG has it: text is measured as it will be drawn
        draw(figure)
    return figure


def _save(path: Path, figure: Figure) -> Path:
    """Put the whole file in place at once."""
    import matplotlib

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with matplotlib.rc_context(_STYLE):
        figure.savefig(part, format="svg", metadata={"Date": None})
    part.replace(path)
    return path
