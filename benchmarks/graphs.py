"""What ONNX Runtime codes and speaks, held against PyTorch; and what a process without PyTorch takes.

unitcodec export-onnx default graphs
python -m benchmarks.graphs graphs ../shared/data/dev --count 100
python -m benchmarks.graphs graphs --cost examples/speech.wav
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

import unitcodec
from unitcodec.onnx import OnnxCodec

NEAR = 1e-3
"""Of full scale: further apart samples are not the same."""

RUNS = 3
"""Fresh processes of a kind."""

CHILD = """
import json, resource, sys, time
from unitcodec.onnx import OnnxCodec
import numpy as np
codec, samples, seconds = OnnxCodec.from_pretrained(sys.argv[1]), np.load(sys.argv[2]), {}
for name, work in (("encode", lambda: codec.compress(samples, 16000)), ("decode", lambda: codec.decompress(data))):
    if name not in sys.argv[3]:
        data = open(sys.argv[4], "rb").read()
        continue
    start = time.perf_counter(), time.process_time()
    found = work()
    if name == "encode":
        data = found
        open(sys.argv[4], "wb").write(data)
    seconds[name] = time.perf_counter() - start[0]
    seconds[name + " cpu"] = time.process_time() - start[1]
peak = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
assert "torch" not in sys.modules
print(json.dumps({**seconds, "megabytes": peak}))
"""


def compare(folder: Path, corpus: Path, count: int) -> None:
    """Print how many codes and samples of the utterances of a corpus differ."""
    exact, graphs = unitcodec.load(device="cpu"), OnnxCodec.from_pretrained(folder)
    differing = dict.fromkeys(("units", "f0", "speaker"), 0)
    totals = dict.fromkeys(differing, 0)
    samples, apart, worst, squares, seconds = 0, 0, 0.0, np.zeros(2), np.zeros(4)
    paths = sorted(corpus.rglob("*.flac")) + sorted(corpus.rglob("*.wav"))
    for path in paths[:count]:
        times = [time.process_time()]
        codes = exact.encode(str(path))
        times.append(time.process_time())
        ours = graphs.encode(str(path))
        times.append(time.process_time())
        heard, wave = exact.decode(codes), None
        times.append(time.process_time())
        wave = graphs.decode(codes)
        times.append(time.process_time())
        seconds += np.diff(times)
        for name in differing:
            wanted, found = getattr(codes, name), getattr(ours, name)
            differing[name] += int((wanted != found).sum())
            totals[name] += wanted.size
        distance = np.abs(heard.astype(np.float64) - wave)
        samples, apart, worst = samples + len(wave), apart + int((distance > NEAR).sum()), max(worst, float(distance.max()))
        squares += np.square(distance).sum(), np.square(heard, dtype=np.float64).sum()
        line = ", ".join(f"{name} {differing[name]} of {totals[name]}" for name in differing)
        ratio = 10 * np.log10(squares[1] / squares[0])
        spent = "encode {:.1f} {:.1f}, decode {:.1f} {:.1f} s".format(*seconds)
        print(
            f"{path.name}: differing {line}; {apart} of {samples} samples apart, {worst:.2g} at most, {ratio:.0f} dB; "
            f"processor time, PyTorch and graphs: {spent}",
            flush=True,
        )


def cost(folder: Path, speech: Path, seconds: float, scratch: Path) -> None:
    """Print what fresh processes take that encode, decode, or do both with the first seconds of a file at 16 kHz.

    Processor time is that of the whole process, its start and imports included: the least of a few, of all kinds by turns.
    """
    np.save(scratch / "speech.npy", soundfile.read(speech, dtype="float32", frames=round(16000 * seconds))[0])
    works, told = ("encode decode", "encode", "decode", ""), {}
    least = dict.fromkeys(works, (np.inf, np.inf))
    for _ in range(RUNS):
        for work in works:
            code = CHILD if work else "pass"
            call = [sys.executable, "-c", code, str(folder), str(scratch / "speech.npy"), work, str(scratch / "speech.uc")]
            begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(call, check=True, capture_output=True, text=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            least[work] = min(least[work][0], spent), min(least[work][1], time.perf_counter() - begin)
            told[work] = json.loads(done.stdout) if work else {}
    for work, (spent, passed) in least.items():
        over = f"{spent - least[''][0]:.2f} s of processor time over an empty Python, {passed:.2f} s by the clock"
        print(f"{work or 'an empty Python'}: {over}; of the last run", {k: round(v, 3) for k, v in told[work].items()})


def main() -> None:
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="that unitcodec export-onnx wrote")
    parser.add_argument("corpus", type=Path, nargs="?", help="whose files are coded both ways")
    parser.add_argument("--count", type=int, default=100, help="of files")
    parser.add_argument("--cost", type=Path, metavar="WAV", help="measure fresh processes instead")
    parser.add_argument("--seconds", type=float, default=3.0, help="of it")
    given = parser.parse_args()
    if given.cost:
        with tempfile.TemporaryDirectory() as scratch:
            cost(given.folder, given.cost, given.seconds, Path(scratch))
    else:
        compare(given.folder, given.corpus, given.count)


if __name__ == "__main__":
    main()
