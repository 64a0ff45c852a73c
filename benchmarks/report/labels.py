"""Names beside the points of a scatter plot: none covers another, a point, an error bar or the edge of the axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

# Places are looked for in rings about the point: first gap, step and last gap, in points of 1/72 inch.
_FIRST, _STEP, _LAST = 3.0, 4.0, 180.0
_DIRECTIONS = 16
_LEADER = 9.0
"""From this gap on a thin line leads from the point to its name."""
_AIR = 1.5
"""Points of air about a name: another font draws it a little wider."""


@dataclass(frozen=True)
class Label:
    """``text`` for the point ``(x, y)`` in the data's units; ``low`` and ``high`` end its error bar.

    ``radius`` is that of the point's marker, in points of 1/72 inch.
    """

    text: str
    x: float
    y: float
    low: float
    high: float
    style: dict[str, Any]
    radius: float = 3.0


def place(axes: Axes, labels: Iterable[Label], renderer: Any, taken: Sequence[Bbox] = ()) -> None:
    """Write the labels; the axes must have their final limits and place in the figure.

    Each takes the nearest free place; where there is none, which takes more names than the axes have room for, the place
    where it covers least. ``taken`` are boxes in pixels that no name may cover.
    """
    labels = list(labels)
    pixels = renderer.points_to_pixels(1.0)
    frame = axes.get_window_extent(renderer)
    points = [axes.transData.transform((each.x, each.y)) for each in labels]
    busy = [*taken, *(box for each in labels for box in obstacles(axes, each, pixels))]
    # Who has most neighbours chooses first: the others have room elsewhere.
    crowd = [sum(math.dist(one, other) < 60 * pixels for other in points) for one in points]
    for i in sorted(range(len(labels)), key=lambda i: -crowd[i]):
        each, point = labels[i], points[i]
        text = axes.annotate(
            each.text, (each.x, each.y), (0, 0), textcoords="offset points", ha="left", va="bottom", **each.style
        )
        text.set_in_layout(False)
        extent = text.get_window_extent(renderer)
        best: tuple[float, _Place] | None = None
        for place in _places(point, (extent.width, extent.height), each.radius, pixels):
            box = place.box
            lead = _leader(point, box, each.radius * pixels) if place.gap >= _LEADER else []
            outside = box.width * box.height - _shared(box, frame)
            covered = 3 * outside + sum(_shared(part, other) for part in (box, *lead) for other in busy)
            if best is None or covered < best[0] - 1e-6:
                best = covered, place
            if covered < 1e-6:
                break
        assert best is not None
        found = best[1]
        # Bound to the side of the point: in another font a name grows away from it. In points, as the file has other pixels.
        text.set(position=found.offset, ha=found.horizontal, va=found.vertical)
        busy.append(found.box)
        if found.gap >= _LEADER:
            busy += _lead(axes, each, point, found.box, pixels)


def level(axes: Axes, line: Any, labels: Iterable[Label], renderer: Any) -> list[Bbox]:
    """Write the name of a level line, its gid, just above or below it, clear of the points; the boxes of line and name."""
    from matplotlib.transforms import Bbox

    pixels = renderer.points_to_pixels(1.0)
    frame = axes.get_window_extent(renderer)
    busy = [box for each in labels for box in obstacles(axes, each, pixels)]
    y = axes.transData.transform((axes.get_xlim()[0], line.get_ydata()[0]))[1]
    text = axes.annotate(
        line.get_gid(), (0, line.get_ydata()[0]), (0, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
        ha="left", va="bottom", color=line.get_color(), fontsize=7.5,
    )  # fmt: skip
    text.set_in_layout(False)
    extent, air = text.get_window_extent(renderer), _AIR * pixels
    width, height = extent.width + 2 * air, extent.height + 2 * air
    best: tuple[float, Bbox, int] | None = None
    for step in range(21):
        for bottom in (y + pixels, y - pixels - height):
            box = Bbox.from_bounds(frame.x0 + air + step / 20 * (frame.width - width - 2 * air), bottom, width, height)
            covered = sum(_shared(box, other) for other in busy) + 3 * (width * height - _shared(box, frame))
            if best is None or covered < best[0] - 1e-6:
                best = covered, box, step
    assert best is not None
    _, box, step = best
    # Bound to the nearer side, so that in another font it does not leave the axes.
    end = box.x0 + air if step <= 10 else box.x1 - air
    text.set(position=((end - frame.x0) / pixels, (box.y0 + air - y) / pixels), ha="left" if step <= 10 else "right")
    return [Bbox.from_extents(frame.x0, y - pixels, frame.x1, y + pixels), box]


def obstacles(axes: Axes, label: Label, pixels: float) -> tuple[Bbox, Bbox]:
    """The marker and the error bar, as boxes in pixels; ``pixels`` are those of a point of 1/72 inch."""
    from matplotlib.transforms import Bbox

    (x, y), (_, low), (_, high) = axes.transData.transform([(label.x, each) for each in (label.y, label.low, label.high)])
    radius = label.radius * pixels
    return (
        Bbox.from_extents(x - radius, y - radius, x + radius, y + radius),
        Bbox.from_extents(x - pixels, min(low, high) - pixels, x + pixels, max(low, high) + pixels),
    )


@dataclass(frozen=True)
class _Place:
    """Where a name may stand: its box in pixels, ``gap`` from the marker and ``offset`` from the point in points."""

    gap: float
    box: Bbox
    offset: tuple[float, float]
    horizontal: Literal["left", "center", "right"]
    vertical: Literal["bottom", "center", "top"]


def _places(point: Any, size: tuple[float, float], radius: float, pixels: float) -> Iterable[_Place]:
    """In rings about the point, nearest first, to the right first; a box touches the ring's circle."""
    from matplotlib.transforms import Bbox

    width, height = (side + 2 * _AIR * pixels for side in size)
    gap = _FIRST
    while gap <= _LAST:
        distance = radius + gap
        # Right, left, above and below, then what is between.
        turns = sorted(range(_DIRECTIONS), key=lambda turn: (turn % 4 != 0, min(turn, _DIRECTIONS - turn) > 4, turn))
        for turn in turns:
            angle = 2 * math.pi * turn / _DIRECTIONS
            x, y = distance * math.cos(angle), distance * math.sin(angle)
            across, up = _sign(math.cos(angle)), _sign(math.sin(angle))
            left = point[0] + x * pixels + width / 2 * (across - 1)
            bottom = point[1] + y * pixels + height / 2 * (up - 1)
            yield _Place(
                gap,
                Bbox.from_bounds(left, bottom, width, height),
                (x + _AIR * across, y + _AIR * up),
                ("center", "left", "right")[across],
                ("center", "bottom", "top")[up],
            )
        gap += _STEP


def _sign(value: float) -> int:
    return 0 if abs(value) < 0.2 else 1 if value > 0 else -1


def _end(point: Any, box: Bbox) -> tuple[float, float]:
    """Where a line from the point meets the box."""
    return min(max(point[0], box.x0), box.x1), min(max(point[1], box.y0), box.y1)


def _leader(point: Any, box: Bbox, radius: float) -> list[Bbox]:
    """Small boxes along the line from the marker's edge to the name."""
    from matplotlib.transforms import Bbox

    end = _end(point, box)
    length = math.dist(point, end)
    steps = max(2, int(length / 3))
    spots = [(point[i] + (end[i] - point[i]) * step / steps for i in (0, 1)) for step in range(1, steps)]
    found = [(x, y) for x, y in spots if math.dist((x, y), point) > radius + 3]
    return [Bbox.from_extents(x - 1, y - 1, x + 1, y + 1) for x, y in found]


def _lead(axes: Axes, label: Label, point: Any, box: Bbox, pixels: float) -> list[Bbox]:
    """Draw the line; its boxes."""
    end = _end(point, box)
    line = axes.annotate(
        "", (label.x, label.y), ((end[0] - point[0]) / pixels, (end[1] - point[1]) / pixels), textcoords="offset points",
        arrowprops={"arrowstyle": "-", "color": label.style.get("color"), "linewidth": 0.5, "alpha": 0.6,
                    "shrinkA": 0, "shrinkB": label.radius},
    )  # fmt: skip
    line.set_in_layout(False)
    return _leader(point, box, label.radius * pixels)


def _shared(one: Bbox, other: Bbox) -> float:
    """The area that two boxes share, in square pixels."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return max(0.0, width) * max(0.0, height)
