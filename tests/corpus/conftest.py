"""A corpus of short recordings, of which some are none."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import soundfile

# The module beside the tests imports by name under every import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def recordings(tmp_path: Path, speech: Path) -> Path:
    """A folder of five pieces of speech of half a second, named by ``all.jsonl``, with what two of them say."""
    folder, said = tmp_path / "in", soundfile.read(speech, dtype="int16")[0]
    (folder / "deep").mkdir(parents=True)
    names = ["a.wav", "b.flac", "deep/a.wav", "deep/c.wav", "d.wav"]
    rows = []
    for number, name in enumerate(names):
        soundfile.write(folder / name, said[8000 * number : 8000 * (number + 1)], 16000)
        rows.append({"id": f"utt{number}", "path": name, "speaker": f"s{number % 2}", "text": f"word {number}", "snr": number})
    (folder / "all.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder
