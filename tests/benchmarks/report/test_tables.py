"""Tables, the paper's tables, plots and the README's section, from a small run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import score
from benchmarks.errors import BenchmarkError
from benchmarks.quality import DEFAULT_SYSTEMS
from benchmarks.report import measures, paper, plots, readme, tables


def results() -> dict[str, Any]:
    """Three systems, one of them a gap; the voice conversion was not run."""

    def judged(title: str, bps: float, errors: int) -> dict[str, Any]:
        rows = [
            {"utterance": f"u{i}", "seconds": 4.0, "bits": int(4 * bps), "characters": [errors + i % 2, 40], "sim": 0.8}
            for i in range(8)
        ]
        figures = {"bps": bps, "cer": (errors + 0.5) / 40, "wer": 0.5, "sim": 0.8, "dnsmos": 2.9, "ffe": 0.05}
        bounds = {f"{key}_95": [0.9 * value, 1.1 * value] for key, value in figures.items()}
        return {
            "title": title,
            **figures,
            **bounds,
            "vde_yaapt": 0.07,
            "eer": 0.2,
            "gaps": {"pesq": "not installed: pesq"},
            "rows": rows,
        }

    return {
        "made": {"data": "test-other-100", "date": "2026-01-01", "commit": "abc1234", "machine": "2 cores"},
        "corpus": "0123456789abcdef",
        "utterances": [{"name": f"u{i}", "speaker": str(i % 3), "seconds": 4.0, "transcript": ""} for i in range(8)],
        "systems": {
            "original": judged("original", 256000, 10),
            "unitcodec": judged("unitcodec", 320, 16),
            "codec2-700c": judged("Codec2 700C", 700, 24),
            "gsm": {"title": "GSM", "gap": "not installed: sox"},
        },
    }


def test_the_table_has_a_line_a_system_and_says_why_one_is_missing() -> None:
    *lines, empty, _ = tables.quality(results()).splitlines()
    assert empty == ""
    assert len({line.count("|") for line in lines}) == 1
    assert "0.412 ± 0.041" in next(line for line in lines if line.startswith("| unitcodec"))
    assert "gap: not installed: sox" in lines[-1]
    assert tables.judge_gaps(results()) == "gap: pesq, not installed: pesq"


def test_every_column_names_its_unit_and_which_way_is_better() -> None:
    head, _, *_, line = tables.quality(results()).splitlines()
    titles = [cell.strip() for cell in head.strip("|").split("|")]
    assert titles[:2] == ["system", "bit/s ↓"]
    assert {"WER ↓", "CER ↓", "SIM ↑", "EER ↓", "DNSMOS ↑", "FFE ↓"} <= set(titles)
    assert line.startswith("↓ lower is better, ↑ higher is better. Units: bit/s: bits a second; ")
    for title in titles[1:]:
        assert re.search(rf"\b{re.escape(title[:-2])}\b.*?:", line), title
    assert "± is half a 95 % bootstrap interval" in line


@pytest.mark.parametrize(
    "metric", [*score.METRICS, *score.metrics({"cer_tiny": 0.1, "wer_tiny": 0.2})], ids=lambda metric: metric.key
)
def test_every_figure_has_a_unit(metric: score.Metric) -> None:
    assert measures.unit(metric)
    assert measures.headed(metric).startswith(metric.title)
    assert f"| {measures.unit(metric)} | {metric.better} |" in tables.legend() or metric not in score.METRICS


def test_a_figure_that_no_judge_gave_has_no_column() -> None:
    some = results()
    for system in some["systems"].values():
        system["dnsmos"] = None
    assert "DNSMOS" in tables.quality(results())
    assert "DNSMOS" not in tables.quality(some)


def test_a_system_that_nobody_asked_for_is_no_gap() -> None:
    text = tables.absent(results())
    assert text.startswith("Not in this run: unitcodec-vc, Codec2 450, Codec2 1300, ")
    assert "GSM" not in text  # it is there, as a gap
    everything = {"systems": dict.fromkeys(DEFAULT_SYSTEMS)}
    assert tables.absent(everything) == ""
    assert "opus" not in tables.quality(results()).lower()


def test_the_paired_test_is_against_the_baseline() -> None:
    lines = tables.paired(results(), "codec2-700c").splitlines()
    assert [line.split(" | ")[0] for line in lines[2:-2]] == ["| original", "| unitcodec"]
    # Eight utterances, all one way: by chance once in 128.
    assert "-0.200 [-0.200, -0.200], p 0.008" in lines[3]
    assert lines[-1].startswith("↓ lower is better, ↑ higher is better.")
    assert tables.paired(results(), "opus-6k") == "No paired test: opus-6k is not in this run."
    assert tables.paired(results(), "gsm") == "gap: no paired test against gsm: not installed: sox"


def test_one_utterance_has_no_interval_in_the_tables() -> None:
    one = results()
    for system in one["systems"].values():
        if "gap" not in system:
            system["rows"] = system["rows"][:1]
            system["cer_95"] = None
    assert "| 0.412 ± - |" in tables.quality(one).splitlines()[3]
    assert "| -0.200 -, p 1.000 |" in tables.paired(one, "codec2-700c").splitlines()[3]


def test_the_papers_rows_stand_beside_ours() -> None:
    text = paper.tables(results())
    assert "| paper: HuBERT, VCTK | 11.44 | 9.77 | 10.43 | 5.79 |" in text
    assert "| **unitcodec**, test-other-100 | 50.00 | 7.00 | - | 20.00 |" in text
    assert "| unitcodec-vc, test-other-100 | not in this run |" in text


def test_plots_are_well_formed_and_name_every_judged_system(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the plots need matplotlib, which is not installed")
    drawn = plots.rate_distortion(results(), tmp_path / "rate.svg")
    assert drawn is not None
    text = "".join(ElementTree.parse(drawn).getroot().itertext())
    assert all(name in text for name in ("unitcodec", "Codec2 700C", "original", "bit/s"))
    again = plots.rate_distortion(results(), tmp_path / "again.svg")
    assert again is not None
    assert again.read_bytes() == drawn.read_bytes()
    assert plots.rate_distortion({"systems": {"gsm": {"title": "GSM", "gap": "no"}}}, tmp_path / "none.svg") is None


def test_the_readme_is_changed_between_its_marks_only(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "report").mkdir(parents=True)
    (out / "results.json").write_text(json.dumps(results()))
    (out / "report" / "rate_distortion.svg").write_text("<svg/>")
    file = tmp_path / "README.md"
    file.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    readme.update(file, out)
    text = file.read_text()
    assert text.startswith(f"before\n{readme.BEGIN}\n8 utterances of `test-other-100`, 3 speakers; 2026-01-01, commit abc1234")
    assert text.endswith(f"{readme.END}\nafter\n")
    assert "old" not in text
    assert "Could not run here: GSM (not installed)." in text
    assert "Not in this run: unitcodec-vc, Codec2 450, " in text
    assert "| system | bit/s ↓ | " in text
    assert "SIM ↑" in text
    assert "](docs/figures/rate_distortion.svg)" in text
    assert (tmp_path / "docs" / "figures" / "rate_distortion.svg").exists()
    readme.update(file, out)
    assert file.read_text() == text
    file.write_text("no marks")
    with pytest.raises(BenchmarkError, match="needs one line"):
        readme.update(file, out)


def test_further_figures_are_those_that_some_system_has() -> None:
    lines = tables.further(results()).splitlines()
    assert lines[0] == "| system | VDE, YAAPT ↓ |"
    assert len(lines) == 7
    assert "VDE by YAAPT: share of frames" in lines[-1]
    only = results()
    for system in only["systems"].values():
        system.pop("vde_yaapt", None)
    assert tables.further(only) == ""
