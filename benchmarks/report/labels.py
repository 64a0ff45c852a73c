"""Names beside the points of a scatter plot, each where it covers least of the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

# Offsets in points and alignments; the first that is free is taken.
_PLACES = (
    ((7, 3), "left", "bottom"),
    ((7, -3), "left", "top"),
    ((-7, 3), "right", "bottom"),
    ((-7, -3), "right", "top"),
    ((0, 8), "center", "bottom"),
    ((0, -8), "center", "top"),
    ((7, 12), "left", "bottom"),
    ((7, -12), "left", "top"),
    ((-7, 12), "right", "bottom"),
    ((-7, -12), "right", "top"),
)


@dataclass(frozen=True)
class Label:
    """``text`` for the point ``(x, y)`` in the data's units; ``low`` and ``high`` end its error bar."""

    text: str
    x: float
    y: float
    low: float
    high: float
    style: dict[str, Any]


def place(axes: Axes, labels: Iterable[Label], renderer: Any) -> None:
    """Write the labels, in their order; the axes must have their final limits and place in the figure."""
    from matplotlib.transforms import Bbox

    labels = list(labels)
    frame = axes.get_window_extent(renderer)
    taken = []
    for each in labels:
        (x, low), (_, high) = axes.transData.transform([(each.x, each.low), (each.x, each.high)])
        taken.append(Bbox.from_extents(x - 4, low, x + 4, high))
    for each in labels:
        best: tuple[float, Any, Bbox] | None = None
        for offset, horizontal, vertical in _PLACES:
            text = axes.annotate(
                each.text, (each.x, each.y), offset, textcoords="offset points", ha=horizontal, va=vertical, **each.style
            )
            box = text.get_window_extent(renderer)
            covered = sum(_shared(box, other) for other in taken) + 3 * (box.width * box.height - _shared(box, frame))
            if best is None or covered < best[0] - 1e-6:
                if best is not None:
                    best[1].remove()
                best = covered, text, box
            else:
                text.remove()
        if best is not None:
            taken.append(best[2])


def _shared(one: Bbox, other: Bbox) -> float:
    """The area that two boxes share, in square pixels."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return max(0.0, width) * max(0.0, height)
