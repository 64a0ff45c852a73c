"""The plots: a panel for each judged figure, units and directions on the axes, and names that can be read."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.report import labels, plots

pytest.importorskip("matplotlib", reason="the plots need matplotlib, which is not installed")

# Title, bit/s, WER, SIM, DNSMOS, FFE by YAAPT: figures as a real run gives them, crowded where codecs crowd.
SYSTEMS: tuple[tuple[str, float, float, float, float, float], ...] = (
    ("original", 256000, 0.05, 1.0, 3.05, 0.0),
    ("unitcodec", 326, 0.20, 0.846, 3.05, 0.065),
    ("Codec2 450", 453, 0.60, 0.664, 2.57, 0.115),
    ("Mimi 0.55 kbit/s", 550, 0.33, 0.81, 2.95, 0.071),
    ("Codec2 700C", 704, 0.38, 0.663, 2.68, 0.109),
    ("Codec2 1300", 1306, 0.30, 0.668, 2.84, 0.102),
    ("Speex 2.15 kbit/s", 2160, 0.45, 0.663, 2.38, 0.085),
    ("Codec2 2400", 2408, 0.13, 0.697, 2.79, 0.077),
    ("LPC-10", 2444, 0.28, 0.681, 2.60, 0.082),
    ("Lyra v2 3.2 kbit/s", 3200, 0.06, 0.90, 2.95, 0.045),
    ("Codec2 3200", 3211, 0.12, 0.732, 2.77, 0.076),
    ("Opus 6 kbit/s", 6880, 0.10, 0.827, 2.46, 0.057),
    ("Opus 12 kbit/s", 12894, 0.055, 0.983, 2.96, 0.024),
    ("GSM full rate", 13012, 0.09, 0.845, 2.90, 0.029),
)
KEYS = ("wer", "sim", "dnsmos", "ffe_yaapt")


def results(keys: Sequence[str] = KEYS) -> dict[str, Any]:
    """Fourteen systems with these figures, one that was converted, and a gap."""
    systems: dict[str, Any] = {}
    for title, rate, *values in SYSTEMS:
        figures = {key: value for key, value in zip(KEYS, values, strict=True) if key in keys}
        bounds = {f"{key}_95": [0.93 * value, 1.07 * value] for key, value in figures.items()}
        systems[title.lower().replace(" ", "-")] = {"title": title, "bps": rate, **figures, **bounds}
    systems["unitcodec-vc"] = {**systems["unitcodec"], "title": "unitcodec, voice conversion"}
    return {"systems": {**systems, "dac": {"title": "DAC", "gap": "weights not found"}}}


def drawn(figure: Any) -> Any:
    """The figure's renderer, everything in its final place."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_renderer()


def bars(axes: Any) -> list[Any]:
    """The boxes of the markers and error bars, in pixels."""
    from matplotlib.transforms import Bbox

    boxes = []
    for container in axes.containers:
        marker, _, (bar,) = container
        (x, y), radius = axes.transData.transform(marker.get_xydata()[0]), marker.get_markersize() / 2 * axes.figure.dpi / 72
        boxes.append(Bbox.from_extents(x - radius, y - radius, x + radius, y + radius))
        (_, low), (_, high) = axes.transData.transform(bar.get_segments()[0])
        boxes.append(Bbox.from_extents(x - 0.5, low, x + 0.5, high))
    return boxes


def test_names_cover_neither_each_other_nor_points_nor_the_edge() -> None:
    for keys in (KEYS, KEYS[:3], KEYS[:2], KEYS[:1]):
        figure = plots.quality_figure(results(keys))
        assert figure is not None
        renderer = drawn(figure)
        for axes in figure.axes:
            names = {text.get_text(): text.get_window_extent(renderer) for text in axes.texts if text.get_text()}
            assert set(names) == {title for title, *_ in SYSTEMS}
            for (one, first), (other, second) in itertools.combinations(names.items(), 2):
                assert not first.overlaps(second), (keys, one, other)
            frame = axes.get_window_extent(renderer)
            for name, box in names.items():
                assert frame.x0 <= box.x0 < box.x1 <= frame.x1, (keys, name)
                assert frame.y0 <= box.y0 < box.y1 <= frame.y1, (keys, name)
                assert not [bar for bar in bars(axes) if bar.overlaps(box)], (keys, name)


def test_names_keep_clear_of_points_where_the_font_is_wider() -> None:
    """A reader's browser has fonts of its own: a tenth more width leads away from the points, not over them."""
    figure = plots.quality_figure(results())
    assert figure is not None
    for axes in figure.axes:
        for text in axes.texts:
            text.set_fontsize(1.1 * text.get_fontsize())
    renderer = drawn(figure)
    struck = [
        (axes.get_ylabel(), text.get_text())
        for axes in figure.axes
        for text in axes.texts
        if text.get_text() and any(bar.overlaps(text.get_window_extent(renderer)) for bar in bars(axes))
    ]
    assert len(struck) <= 2, struck


def test_random_crowds_keep_their_names_apart() -> None:
    rng = np.random.default_rng(0)
    for _ in range(3):
        many = results(KEYS[:2])
        for system in many["systems"].values():
            if "gap" not in system:
                system["bps"] = float(10 ** rng.uniform(3.0, 3.5))
                system["wer"], system["wer_95"] = (value := float(rng.uniform(0.2, 0.4))), [value - 0.01, value + 0.01]
        figure = plots.quality_figure(many)
        assert figure is not None
        renderer = drawn(figure)
        boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts if text.get_text()]
        assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (2, (1, 2)), (3, (1, 3)), (4, (2, 2))])
def test_there_are_as_many_panels_as_judged_figures(count: int, shape: tuple[int, int]) -> None:
    figure = plots.quality_figure(results(KEYS[:count]))
    assert figure is not None
    assert len(figure.axes) == count
    grid = figure.axes[0].get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols) == shape
    # None is empty.
    assert all(len(axes.containers) == len(SYSTEMS) - 1 for axes in figure.axes)


def test_panels_name_figure_unit_and_direction() -> None:
    figure = plots.quality_figure(results())
    assert figure is not None
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "WER: lower is better",
        "SIM: higher is better",
        "DNSMOS: higher is better",
        "FFE by YAAPT: lower is better",
    ]
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "WER, errors a word",
        "SIM, cosine, 1 is the same voice",
        "DNSMOS, points, 1 to 5",
        "FFE by YAAPT, share of frames",
    ]
    assert {axes.get_xlabel() for axes in figure.axes} == {"bit rate, bit/s"}


def test_characters_stand_in_where_no_words_were_counted() -> None:
    old = results(KEYS[1:])
    for system in old["systems"].values():
        system["cer"], system["ffe"] = 0.4, 0.1
    figure = plots.quality_figure(old)
    assert figure is not None
    assert [axes.get_title(loc="left").partition(":")[0] for axes in figure.axes] == ["CER", "SIM", "DNSMOS", "FFE by YAAPT"]


def test_speech_without_transcripts_has_a_panel_of_its_words() -> None:
    heard = results(())
    for system in heard["systems"].values():
        system["dwer"], system["dcer"] = 0.3, 0.1
    figure = plots.quality_figure(heard)
    assert figure is not None
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["dWER: lower is better"]


def test_dollars_in_a_name_are_no_formula() -> None:
    dollars = results(KEYS[:1])
    dollars["systems"]["gsm-full-rate"]["title"] = "a$\\nonsense{$"
    figure = plots.quality_figure(dollars)
    assert figure is not None
    drawn(figure)
    (name,) = [text for text in figure.axes[0].texts if "$" in text.get_text()]
    assert name.get_parse_math() is False


def test_where_only_the_original_was_judged_there_is_nothing_to_draw(tmp_path: Path) -> None:
    alone = {"systems": {"original": results()["systems"]["original"]}}
    assert plots.rate_distortion(alone, tmp_path / "none.svg") is None
    assert not list(tmp_path.iterdir())


def test_every_other_plot_names_units_and_direction() -> None:
    bitrate = {
        "streams_bps": {"units": 263.0, "f0": 31.0},
        "by_duration": [{"seconds": 1, "bps": 700.0}, {"seconds": 60, "bps": 310.0}],
    }
    points = [
        {"duration": d, "encode": {"seconds": 2.0, "peak_rss_mib": 420}, "decode": {"seconds": 1.0, "peak_rss_mib": 380}}
        for d in (10, 60)
    ]
    cost = plots.cost_figure({"cost": points})
    assert cost is not None
    for figure in (plots.bits_figure(bitrate), cost):
        renderer = drawn(figure)
        for axes in figure.axes:
            assert axes.get_title(loc="left").endswith(": lower is better")
            assert axes.get_ylabel().endswith((", s", ", bit/s", ", MiB"))
        for axes in figure.axes[1:]:
            assert axes.get_xlabel().endswith(", s")
        # Titles and axis labels lie in the figure and keep clear of the neighbour's.
        titles = [axes._left_title.get_window_extent(renderer) for axes in figure.axes]
        assert not titles[0].overlaps(titles[1])
        assert titles[1].x1 <= figure.bbox.x1
    assert cost.axes[1].get_ylim()[1] > 420 * 1.1
    assert plots.cost_figure({}) is None


def test_a_name_without_room_is_written_all_the_same() -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(0.8, 0.8))
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    renderer = drawn(figure)
    labels.place(axes, [labels.Label("a name wider than the axes", 0.5, 0.5, 0.4, 0.6, {"fontsize": 8})], renderer)
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["a name wider than the axes"]
