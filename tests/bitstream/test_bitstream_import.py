from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

SCRIPT = """
import sys
import bitstream
assert "constriction" not in sys.modules, "heavier than needed to look at a stream"
data = open("tests/golden/v2/short_end.uc", "rb").read()
assert bitstream.inspect(data).ok
assert "constriction" not in sys.modules and "safetensors" not in sys.modules
model = bitstream.EntropyModel.load("tests/golden/v1/entropy.safetensors")
assert bitstream.pack(bitstream.unpack(data, model), model) == data
bad = [name for name in sys.modules if name.partition(".")[0] in ("torch", "torchaudio", "unitcodec", "scipy")]
assert not bad, bad
"""


def test_nothing_of_the_codec_is_imported() -> None:
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
