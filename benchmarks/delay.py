"""How far behind the speaker live speech is heard: ``python -m benchmarks.delay RECORDING --seconds 600``.

A recording, over and over, goes at its own speed through ``unitcodec encode --live - -`` and ``unitcodec decode - -``. A player
that is as far behind as the most that is printed never waits. ``--prefix`` limits both ends, each by itself: with
``--prefix 'systemd-run --scope -p CPUQuota=50%'``, for instance, to half a core.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from benchmarks.waveform import SAMPLE_RATE, read

BLOCK = 320
"""Samples (20 ms) at a time, as sound cards hand them over."""


def feed(samples: NDArray[np.int16], pipe: IO[bytes], began: float) -> None:
    """Hand samples over when they are spoken, the first at time ``began``."""
    with pipe:
        for start in range(0, len(samples), BLOCK):
            block = samples[start : start + BLOCK]
            time.sleep(max(0.0, began + (start + len(block)) / SAMPLE_RATE - time.monotonic()))
            pipe.write(block.tobytes())
            pipe.flush()


def delays(samples: NDArray[np.int16], prefix: str = "") -> NDArray[np.float64]:
    """What is heard of samples, block by block: when, and how long after its oldest sample was spoken, (blocks, 2), in s.

    Raises subprocess.SubprocessError if an end fails, ValueError if not all samples are heard.
    """
    command, environment = [*shlex.split(prefix), sys.executable, "-m", "unitcodec"], {**os.environ, "OMP_NUM_THREADS": "1"}
    one, other = (["encode", "--live", "--raw", "--rate", str(SAMPLE_RATE)], ["decode", "--raw"])
    encoder = subprocess.Popen([*command, *one, "-q", "-", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    decoder = subprocess.Popen([*command, *other, "-q", "-", "-"], stdin=encoder.stdout, stdout=subprocess.PIPE, env=environment)
    assert encoder.stdin is not None
    assert encoder.stdout is not None
    assert decoder.stdout is not None
    encoder.stdout.close()
    began, heard, found = time.monotonic(), 0, []
    threading.Thread(target=feed, args=(samples, encoder.stdin, began), daemon=True).start()
    while data := os.read(decoder.stdout.fileno(), 2**16):
        now = time.monotonic() - began
        found.append((now, now - heard / SAMPLE_RATE))
        heard += len(data) // 2
    if encoder.wait() or decoder.wait():
        raise subprocess.SubprocessError("an end of the line failed")
    if heard != len(samples):
        raise ValueError(f"{heard} of {len(samples)} samples were heard")
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--skip", type=float, default=60.0, help="so many in the beginning do not count: the ends are loading")
    parser.add_argument("--prefix", default="", help="a command that runs others, put before both ends")
    arguments = parser.parse_args()
    samples = np.clip(np.rint(read(arguments.recording) * 32767), -32768, 32767).astype(np.int16)
    found = delays(np.resize(samples, round(arguments.seconds * SAMPLE_RATE)), arguments.prefix)
    late = found[found[:, 0] > arguments.skip, 1]
    quantiles = np.quantile(late, [0.5, 0.99, 1.0])
    print(f"{len(late)} blocks; 50 / 99 / 100 % are heard within " + " / ".join(f"{each:.2f}" for each in quantiles) + " s")


if __name__ == "__main__":
    main()
