"""A small run to report: synthetic speech of three systems, one more that is a gap, and text that wants to be HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.waveform import SAMPLE_RATE, write

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\"&"
"""As a transcript, a title and what a recogniser heard."""

SYSTEMS = {"original": 1.0, "unitcodec": 0.5, "codec2-700c": 0.25}
"""Name and amplitude."""


def row(name: str, gain: float) -> dict[str, Any]:
    return {
        "utterance": name,
        "seconds": 1.0,
        "bits": 320,
        "hypothesis": f"A CAR {HOSTILE}",
        "characters": [2, 8],
        "words": [1, 2],
        "sim": 0.8125,
        "dnsmos": None,
        "f0": {"frames": 100, "both_voiced": 50, "voicing_errors": 3, "gross_errors": 2},
        "loudness_lu": 20 * float(np.log10(gain)),
        "target": None,
    }


@pytest.fixture
def results() -> dict[str, Any]:
    """What results.json of such a run holds."""
    names = ["u0", "u1", "u2"]
    figures = {"bps": 320.0, "bps_95": [300.0, 340.0], "cer": 0.25, "cer_95": [0.2, 0.3], "lengths_equal": True}
    systems: dict[str, Any] = {
        name: {"title": name, **figures, "rows": [row(utterance, gain) for utterance in names]} for name, gain in SYSTEMS.items()
    }
    systems["codec2-700c"]["title"] = HOSTILE
    return {
        "version": 1,
        "made": {"date": "2025-01-02", "commit": "abc1234", "data": "synthetic", "machine": "1 core", "torch": None},
        "corpus": "0123456789abcdef",
        "utterances": [
            {"name": name, "speaker": f"s{i}", "seconds": 1.0, "transcript": f"A CAT {HOSTILE}", "target": None}
            for i, name in enumerate(names)
        ],
        "systems": {**systems, "encodec": {"title": "EnCodec", "gap": "weights not found: <b>encodec</b>"}},
    }


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The run's folder with decoded speech in it: harmonics that glide."""
    pytest.importorskip("soundfile", reason="soundfile is not installed")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    for system, gain in SYSTEMS.items():
        for i in range(3):
            phase = 2 * np.pi * (100 + 20 * i + 30 * t) * t
            tone = sum(np.sin(k * phase) / k for k in range(1, 20))
            write(tmp_path / "decoded" / system / f"u{i}.wav", (0.2 * gain * tone).astype(np.float32))
    return tmp_path
