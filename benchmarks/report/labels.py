"""Names beside the points of a scatter plot: none covers another, a point, an error bar or the edge of the axes."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
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


_ORDERS = 12
"""So many orders of choosing are tried."""

_ACROSS: dict[int, Literal["left", "center", "right"]] = {1: "left", 0: "center", -1: "right"}
_UP: dict[int, Literal["bottom", "center", "top"]] = {1: "bottom", 0: "center", -1: "top"}

_Point = tuple[float, float]
_Box = tuple[float, float, float, float]
"""Left, bottom, right, top in pixels."""


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
    where it covers least. Who chooses first matters: of several orders the best one stays. ``taken`` are boxes in pixels that
    no name may cover.
    """
    labels = list(labels)
    pixels = renderer.points_to_pixels(1.0)
    frame = _sides(axes.get_window_extent(renderer))
    points = [tuple(axes.transData.transform((each.x, each.y))) for each in labels]
    own = [[_sides(box) for box in obstacles(axes, each, pixels)] for each in labels]
    texts, choices = [], []
    for each, point in zip(labels, points, strict=True):
        # A name with dollars is a name, not a formula.
        text = axes.annotate(each.text, (each.x, each.y), (0, 0), textcoords="offset points", parse_math=False, **each.style)
        text.set_in_layout(False)
        extent = text.get_window_extent(renderer)
        texts.append(text)
        choices.append(list(_places(point, (extent.width, extent.height), each.radius, pixels, frame)))
    found = _arranged(choices, own, [_sides(box) for box in taken], points)
    for each, text, chosen in zip(labels, texts, found, strict=True):
        # Bound to the side of the point: in another font a name grows away from it. In points, as the file has other pixels.
        text.set(position=chosen.offset, ha=chosen.horizontal, va=chosen.vertical)
        if chosen.lead:
            line = axes.annotate(
                "", (each.x, each.y), chosen.end, textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": each.style.get("color"), "linewidth": 0.5, "alpha": 0.6,
                            "shrinkA": 0, "shrinkB": each.radius},
            )  # fmt: skip
            line.set_in_layout(False)


def level(axes: Axes, line: Any, labels: Iterable[Label], renderer: Any) -> list[Bbox]:
    """Write the name of a level line, its gid, just above or below it, clear of the points; the boxes of line and name."""
    from matplotlib.transforms import Bbox

    pixels = renderer.points_to_pixels(1.0)
    frame = axes.get_window_extent(renderer)
    busy = [_sides(box) for each in labels for box in obstacles(axes, each, pixels)]
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
            covered = sum(_shared(_sides(box), other) for other in busy) + 3 * (
                width * height - _shared(_sides(box), _sides(frame))
            )
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
    """Where a name may stand: its box, how much of that is ``outside`` of the axes, ``gap`` from the marker in points.

    ``lead`` are small boxes along the line to the name, none where it stands near. ``offset`` of the text and ``end`` of the
    line are points from the point.
    """

    gap: float
    box: _Box
    outside: float
    lead: tuple[_Box, ...]
    offset: tuple[float, float]
    end: tuple[float, float]
    horizontal: Literal["left", "center", "right"]
    vertical: Literal["bottom", "center", "top"]


def _places(point: _Point, size: tuple[float, float], radius: float, pixels: float, frame: _Box) -> Iterator[_Place]:
    """In rings about the point, nearest first, to the right first; a box touches the ring's circle."""
    width, height = (side + 2 * _AIR * pixels for side in size)
    # Right, left, above and below, then what is between.
    turns = sorted(range(_DIRECTIONS), key=lambda turn: (turn % 4 != 0, min(turn, _DIRECTIONS - turn) > 4, turn))
    gap = _FIRST
    while gap <= _LAST:
        distance = radius + gap
        for turn in turns:
            angle = 2 * math.pi * turn / _DIRECTIONS
            x, y = distance * math.cos(angle), distance * math.sin(angle)
            across, up = _sign(math.cos(angle)), _sign(math.sin(angle))
            left = point[0] + x * pixels + width / 2 * (across - 1)
            bottom = point[1] + y * pixels + height / 2 * (up - 1)
            box = left, bottom, left + width, bottom + height
            # Where a line from the point meets the box.
            end = min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])
            yield _Place(
                gap,
                box,
                width * height - _shared(box, frame),
                _line(point, end, radius * pixels) if gap >= _LEADER else (),
                (x + _AIR * across, y + _AIR * up),
                ((end[0] - point[0]) / pixels, (end[1] - point[1]) / pixels),
                _ACROSS[across],
                _UP[up],
            )
        gap += _STEP


def _arranged(
    choices: Sequence[Sequence[_Place]], own: Sequence[Sequence[_Box]], taken: Sequence[_Box], points: Sequence[_Point]
) -> list[_Place]:
    """One place for each name: of several orders of choosing that in which least is covered and names stand nearest."""
    count = len(choices)
    # First who has most neighbours, as the others have room elsewhere; then as chance has it, the same every time.
    crowd = [sum(math.dist(one, other) < 60 for other in points) for one in points]
    order = sorted(range(count), key=lambda i: -crowd[i])
    chance = random.Random(0)
    best: tuple[float, list[_Place]] | None = None
    for _ in range(_ORDERS):
        cost, found, names = 0.0, dict[int, _Place](), list(taken)
        for i in order:
            others = [*names, *(box for j in range(count) if j != i for box in own[j])]
            covered, chosen = _least(choices[i], own[i], others)
            cost += 10 * covered + chosen.gap
            found[i] = chosen
            names += [chosen.box, *chosen.lead]
            if best is not None and cost >= best[0]:
                break
        else:
            best = cost, [found[i] for i in range(count)]
        order = chance.sample(order, count)
    assert best is not None
    return best[1]


def _least(places: Sequence[_Place], own: Sequence[_Box], others: Sequence[_Box]) -> tuple[float, _Place]:
    """The first place that covers nothing, else that which covers least; a line may run along the point's own error bar."""
    best: tuple[float, _Place] | None = None
    for each in places:
        covered = 3 * each.outside + sum(_shared(each.box, box) for box in own)
        for box in others:
            if best is not None and covered >= best[0]:
                break
            covered += _shared(each.box, box) + sum(_shared(part, box) for part in each.lead)
        if best is None or covered < best[0] - 1e-6:
            best = covered, each
            if covered < 1e-6:
                break
    assert best is not None
    return best


def _sign(value: float) -> int:
    return 0 if abs(value) < 0.2 else 1 if value > 0 else -1


def _line(point: _Point, end: _Point, radius: float) -> tuple[_Box, ...]:
    """Small boxes along the line from the marker's edge to the name."""
    steps = max(2, int(math.dist(point, end) / 2))
    shares = [step / steps for step in range(1, steps)]
    spots = [(point[0] + (end[0] - point[0]) * share, point[1] + (end[1] - point[1]) * share) for share in shares]
    return tuple((x - 1, y - 1, x + 1, y + 1) for x, y in spots if math.dist((x, y), point) > radius)


def _sides(box: Bbox) -> _Box:
    return float(box.x0), float(box.y0), float(box.x1), float(box.y1)


def _shared(one: _Box, other: _Box) -> float:
    """The area that two boxes share, in square pixels."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    if width <= 0:
        return 0.0
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if height > 0 else 0.0
