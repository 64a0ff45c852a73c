"""What moved between two runs, and what is only chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import compare
from benchmarks.difference import difference
from benchmarks.errors import BenchmarkError


def system(seed: int, shift: float = 0.0, count: int = 60) -> dict[str, Any]:
    """A judged system whose utterances differ widely in difficulty, the same in every run; ``shift`` moves all of them."""
    hard = np.random.default_rng(0).uniform(0.1, 0.9, count)
    noise = np.random.default_rng(seed).normal(0, 0.02, count)
    rows = []
    for i in range(count):
        errors = int(np.clip(100 * (hard[i] + noise[i] + shift), 0, 100))
        f0 = {"frames": 200, "both_voiced": 100, "voicing_errors": 10 + i % 3, "gross_errors": 2}
        rows.append({"utterance": f"u{i}", "seconds": 5.0, "bits": 1600, "characters": [errors, 100], "f0": f0, "sim": 0.8})
    cer = sum(row["characters"][0] for row in rows) / (100 * count)
    return {
        "title": "unitcodec",
        "cer": cer,
        "cer_95": [cer - 0.06, cer + 0.06],
        "eer": 0.2,
        "eer_95": [0.15, 0.25],
        "rows": rows,
    }


def run(**changes: Any) -> compare.Run:
    return compare.Run(**{"quality": {}, "bits": {}, "ratios": {}, **changes})


def test_pairing_finds_what_intervals_alone_would_hide() -> None:
    before, after = system(1), system(2, shift=0.03)
    moved = compare.moves(run(quality={"unitcodec": before}), run(quality={"unitcodec": after}))
    assert [move.what.split()[-1] for move in moved] == ["CER"]
    assert moved[0].worse
    assert before["cer_95"][1] > after["cer_95"][0]
    assert compare.moves(run(quality={"unitcodec": after}), run(quality={"unitcodec": before}))[0].worse is False


def test_chance_is_not_a_move() -> None:
    assert compare.moves(run(quality={"unitcodec": system(1)}), run(quality={"unitcodec": system(2)})) == []


def test_only_common_utterances_are_compared() -> None:
    short = system(1)
    short["rows"] = short["rows"][:12]
    found = difference(system(1), short, "cer")
    assert found is not None
    assert (found.before, found.low, found.high) == (found.after, 0.0, 0.0)


def test_a_figure_without_utterances_is_compared_by_its_intervals() -> None:
    before, after = system(1), {**system(1), "eer": 0.4, "eer_95": [0.33, 0.47]}
    found = difference(before, after, "eer")
    assert found is not None
    assert found.low == pytest.approx(0.2 - (0.07**2 + 0.05**2) ** 0.5)
    assert found.p is None
    assert difference(before, {"gap": "not there"}, "eer") is None


def test_every_bit_and_a_large_change_of_speed_are_reported() -> None:
    before = run(bits={"a": 100, "b": 200}, ratios={"encode": 10.0, "decode": 4.0})
    after = run(bits={"a": 101, "b": 200, "c": 5}, ratios={"encode": 11.0, "decode": 8.0})
    bits, decode = compare.moves(before, after)
    assert (bits.before, bits.after, bits.worse) == (300, 301, True)
    assert "1 of 2" in bits.what
    assert decode.what == "time of decode"
    assert decode.worse


def test_a_baseline_holds_what_a_later_run_needs_and_no_words(tmp_path: Path) -> None:
    judged = system(1)
    for row in judged["rows"]:
        row["hypothesis"] = "SOME WORDS"
    made = {"data": "test-other-100", "date": "2026-01-01", "commit": None}
    one = {"name": "encode", "device": "cpu", "threads": 1, "times_real_time": 9.0, "per_yardstick": 2.5}
    for name, value in (
        ("results.json", {"version": 1, "made": made, "systems": {"unitcodec": judged, "opus-6k": judged}}),
        ("bitrate.json", {"version": 1, "made": made, "bits": {"u0": 1600}}),
        ("speed.json", {"version": 1, "made": made, "cases": [one, {**one, "name": "encode-t2", "threads": 2}]}),
    ):
        (tmp_path / name).write_text(json.dumps(value))
    baseline = tmp_path / "baseline.json"
    compare.save(tmp_path, baseline)
    assert "WORDS" not in baseline.read_text()
    loaded = compare.load(baseline)
    assert set(loaded.quality) == {"unitcodec"}
    assert (loaded.bits, loaded.ratios) == ({"u0": 1600}, {"encode": 2.5})
    assert compare.moves(loaded, compare.load(tmp_path)) == []


def test_what_holds_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="holds no run"):
        compare.load(tmp_path)
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(BenchmarkError, match="not JSON"):
        compare.load(tmp_path / "broken.json")


def test_whole_set_figures_are_not_compared_between_different_sets() -> None:
    before, after = system(1), {**system(1), "eer": 0.4, "eer_95": [0.38, 0.42]}
    after["rows"] = after["rows"][:12]
    assert difference(before, after, "eer") is None


def test_a_conversion_to_another_voice_is_not_the_same_utterance() -> None:
    before, after = system(1), system(1)
    for i, (a, b) in enumerate(zip(before["rows"], after["rows"], strict=True)):
        a["target"] = "anna"
        b["target"], b["sim"] = ("anna", 0.8) if i < 7 else ("ben", 0.1)
    found = difference(before, after, "sim")
    assert found is not None
    assert (found.before, found.after) == pytest.approx((0.8, 0.8))
    # Beside a codec that keeps the voice, every utterance counts.
    plain = difference(system(1), after, "sim")
    assert plain is not None
    assert plain.after < 0.5


def test_a_further_recogniser_is_compared_too() -> None:
    before, after = system(1), system(2, shift=0.03)
    for side in (before, after):
        side["cer_large"] = side["cer"]
        for row in side["rows"]:
            row["characters_large"] = row["characters"]
    moved = compare.moves(run(quality={"unitcodec": before}), run(quality={"unitcodec": after}))
    assert [move.what for move in moved] == ["unitcodec CER", "unitcodec CER, large"]
    assert all(move.certain for move in moved)


def test_what_one_side_lacks_or_another_recogniser_heard_is_not_compared() -> None:
    before, after = system(1), system(2, shift=0.03)
    before["made"], after["made"] = {"pocketsphinx": "5.1.1"}, {"moonshine-voice": "0.0.59"}
    before["per"], before["per_95"], before["dnsmos"] = 0.6, [0.5, 0.7], 3.0
    after["dwer"], after["dwer_95"] = 0.2, [0.1, 0.3]
    sides = run(quality={"unitcodec": before}), run(quality={"unitcodec": after})
    assert compare.moves(*sides) == []
    (note,) = compare.left_out(*sides)
    assert "0.0.59" in note
    before["made"] = after["made"]
    assert [move.what for move in compare.moves(*sides)] == ["unitcodec CER"]
    assert compare.left_out(*sides) == []


def test_what_is_compared_is_counted() -> None:
    before = run(quality={"unitcodec": system(1)}, bits={"u0": 100, "x": 1}, ratios={"encode": 1.0})
    found = compare.common(before, before)
    # bit/s, CER, SIM, VDE, GPE, FFE and EER; the bits; the time. The utterances of rows and bits together.
    assert (found.figures, found.utterances, found.complete) == (9, 61, True)
    assert found.told() == "Compared: 9 figures, of 61 utterances that A and B have in common."


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        ({"bits": {"a": 1}}, {"quality": {"unitcodec": system(1)}}, ()),
        ({"bits": {"a": 1}}, {"bits": {"b": 1}}, ("bits: A and B have no utterance in common",)),
        ({"ratios": {"a": 1.0}}, {"ratios": {"b": 1.0}}, ("speed: A and B have no case in common",)),
    ],
)
def test_nothing_in_common_is_no_comparison(before: dict[str, Any], after: dict[str, Any], lost: tuple[str, ...]) -> None:
    found = compare.common(run(**before), run(**after))
    assert (found.figures, found.utterances, found.lost, found.complete) == (0, 0, lost, False)
    assert found.told().startswith("Nothing was compared")


def test_a_system_that_is_lost_is_named() -> None:
    elsewhere = system(1)
    for row in elsewhere["rows"]:
        row["utterance"] = "other " + row["utterance"]
    judged = {"unitcodec": system(1), "opus-6k": system(1)}
    gap = compare.common(run(quality=judged), run(quality={**judged, "unitcodec": {"title": "unitcodec", "gap": "no model"}}))
    assert (gap.figures, gap.lost) == (7, ("unitcodec: A has figures, B has none: no model",))
    apart = compare.common(run(quality=judged), run(quality={**judged, "opus-6k": elsewhere}))
    assert apart.lost == ("opus-6k: no figure is of the same utterances in A and B",)
    assert not gap.complete
    assert not apart.complete
    # What nobody asked B for is no loss, nor is what A had not.
    assert compare.common(run(quality=judged), run(quality={"unitcodec": system(1)})).complete
    assert compare.common(run(quality={**judged, "gsm": {"gap": "no"}}), run(quality={**judged, "gsm": system(1)})).complete


def test_one_utterance_is_no_proof() -> None:
    before, after = system(1, count=1), system(1, shift=0.3, count=1)
    found = difference(before, after, "cer")
    assert found is not None
    assert (found.low, found.high, found.p, found.chance) == (None, None, 1.0, True)
    assert compare.moves(run(quality={"unitcodec": before}), run(quality={"unitcodec": after})) == []
