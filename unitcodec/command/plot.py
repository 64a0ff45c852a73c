"""Where the bits of a ``.uc`` stream go over time, for ``unitcodec info --plot``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from bitstream import StreamInfo, find_entropy_model
from bitstream.entropy.spec import SAMPLE_RATE
from unitcodec.errors import UnitcodecError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PARTS = {"units": "#c0392b", "f0": "#2471a3", "framing": "#7f8c8d"}


class PlotError(UnitcodecError):
    """There is nothing to draw, or nothing to draw it with."""


def draw(name: str, info: StreamInfo, suffix: str = ".png") -> bytes:
    """A plot of bit/s against time, packet by packet, stacked by part: units, F0, framing. Damaged packets are hatched.

    Args:
        name: what the title calls the stream.
        info: its facts.
        suffix: a file type that matplotlib writes: ".png", ".svg", ".pdf".

    Raises:
        PlotError: no matplotlib, no packets, or a file type that it does not write.
        bitstream.UnknownModel: the stream's model is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PlotError("plots need matplotlib: pip install matplotlib") from error
    packet_seconds = find_entropy_model(info.model).spec.packet_samples / SAMPLE_RATE
    if not info.num_samples:
        raise PlotError(f"{name} has no packets to draw")
    figure = Figure(figsize=(9.0, 3.2), layout="constrained")
    axes = figure.subplots()
    _draw_packets(axes, info, packet_seconds)
    title = f"{Path(name).name}: {info.duration:.2f} s, {info.size} bytes, {info.bits_per_second:.1f} bit/s"
    axes.set(xlabel="s", ylabel="bit/s", xlim=(0, info.duration), title=title)
    axes.legend(loc="lower right", ncols=len(PARTS) + 1)
    data = io.BytesIO()
    try:
        figure.savefig(data, format=suffix.lstrip(".").lower() or "png", dpi=150)
    except ValueError as error:
        raise PlotError(f"matplotlib writes no files of the kind '{suffix}'") from error
    return data.getvalue()


def _draw_packets(axes: Axes, info: StreamInfo, packet_seconds: float) -> None:
    """A bar for each packet, as wide as what it covers."""
    sound = [packet for packet in info.packets if packet.bits]
    starts = [packet.index * packet_seconds for packet in sound]
    widths = [min(packet_seconds, info.duration - start) for start in starts]
    floor = [0.0] * len(sound)
    for part, colour in PARTS.items():
        rates = [(packet.bits or {})[part] / width for packet, width in zip(sound, widths, strict=True)]
        axes.bar(starts, rates, widths, floor, align="edge", color=colour, label=part, linewidth=0)
        floor = [low + rate for low, rate in zip(floor, rates, strict=True)]
    bad = [packet.index * packet_seconds for packet in info.packets if not packet.ok]
    if bad:
        top = max(floor, default=1.0)
        axes.bar(bad, top, packet_seconds, align="edge", fill=False, hatch="//", edgecolor="#bbbbbb", label="lost", linewidth=0)
