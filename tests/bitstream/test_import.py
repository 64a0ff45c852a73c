from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bitstream

ROOT = Path(__file__).parents[2]

BARE = """
import sys
sys.modules.update(dict.fromkeys(["safetensors", "torch", "soundfile", "scipy", "click"]))
import bitstream
data = open("tests/golden/v2/short_end.uc", "rb").read()
model = bitstream.EntropyModel.load("tests/golden/v1/entropy.safetensors")
codes = bitstream.unpack(data, model)
assert bitstream.pack(codes, model) == data
assert model.to_bytes() == open("tests/golden/v1/entropy.safetensors", "rb").read()
for fingerprint in sys.argv[1:]:
    packaged = bitstream.find_entropy_model(fingerprint)
    spec = packaged.spec
    zeros = [[0] * spec.packet_frames] * len(spec.rows), [0] * spec.packet_f0_frames, [0] * len(spec.speaker)
    codes = bitstream.SpeechCodes(*zeros, spec.packet_samples, fingerprint)
    assert bitstream.unpack(bitstream.pack(codes)) == codes
assert "unitcodec" not in sys.modules, "found, but not imported"
"""

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


def test_numpy_and_constriction_are_enough(default_model: Path) -> None:
    """The packaged models are read without the package safetensors."""
    files = default_model.parent.glob("*/entropy.safetensors")
    prints = [bitstream.EntropyModel.load(path).fingerprint for path in files]
    command = [sys.executable, "-c", BARE, *prints]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
