"""A live pipe for as long as is asked for, in memory that does not grow.

    python tests/fault/soak.py --seconds 3600 FILE...       # audio that is said again and again

Feeds ``unitcodec encode - - | unitcodec decode --raw - -`` with so many seconds of sound, as fast as it takes them, and prints a
line every minute of sound: what went in and came out, and the resident memory of both ends. Exit status 1 unless all of the sound
comes out. Needs /proc.
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unitcodec.audio import SAMPLE_RATE, open_reader

ENCODE = ("-m", "unitcodec", "encode", "-q", "--raw", "--rate", str(SAMPLE_RATE), "-", "-")
DECODE = ("-m", "unitcodec", "decode", "-q", "--raw", "-", "-")


class Pipe:
    """Both commands; ``heard`` counts the seconds that came out."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self.encoder = subprocess.Popen([sys.executable, *ENCODE], stdin=pipe, stdout=pipe)
        self.decoder = subprocess.Popen([sys.executable, *DECODE], stdin=self.encoder.stdout, stdout=pipe)
        assert self.encoder.stdout is not None
        self.encoder.stdout.close()
        self.heard = 0.0
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def say(self, samples: bytes) -> None:
        assert self.encoder.stdin is not None
        self.encoder.stdin.write(samples)

    def close(self) -> int:
        """The sum of the exit statuses, when all has been heard."""
        assert self.encoder.stdin is not None
        self.encoder.stdin.close()
        self._listener.join()
        return self.encoder.wait() + self.decoder.wait()

    def memory(self) -> tuple[float, float]:
        """Resident memory of encoder and decoder, MiB."""
        return resident(self.encoder.pid), resident(self.decoder.pid)

    def _listen(self) -> None:
        assert self.decoder.stdout is not None
        while block := self.decoder.stdout.read1(1 << 16):
            self.heard += len(block) / 2 / SAMPLE_RATE


def resident(process: int) -> float:
    """Resident memory of a process, MiB; 0 when it has ended."""
    try:
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def soak(files: Sequence[Path], seconds: int) -> int:
    """Exit status."""
    sounds = itertools.cycle([_samples(file) for file in files])
    begin, said, told, pipe, left = time.monotonic(), 0, 0, Pipe(), 2 * SAMPLE_RATE * seconds
    while left:
        block = next(sounds)[:left]
        pipe.say(block)
        said, left = said + len(block), left - len(block)
        if said // (120 * SAMPLE_RATE) > told:
            told = said // (120 * SAMPLE_RATE)
            _tell(begin, said, pipe)
    status = pipe.close()
    _tell(begin, said, pipe)
    whole = round(pipe.heard * SAMPLE_RATE) == SAMPLE_RATE * seconds
    print(f"exit statuses {status}; {'all' if whole else 'NOT ALL'} of the sound came out", flush=True)
    return int(bool(status) or not whole)


def _samples(file: Path) -> bytes:
    with open_reader(file) as reader:
        return (np.concatenate(list(reader)).clip(-1, 1) * 32767).astype("<i2").tobytes()


def _tell(begin: float, said: int, pipe: Pipe) -> None:
    encoder, decoder = pipe.memory()
    print(
        f"{time.monotonic() - begin:7.0f} s: {said / 2 / SAMPLE_RATE:7.0f} s in, {pipe.heard:7.0f} s out; "
        f"encoder {encoder:.0f} MiB, decoder {decoder:.0f} MiB",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path)
    parser.add_argument("--seconds", type=int, default=3600)
    arguments = parser.parse_args()
    return soak(arguments.files, arguments.seconds)


if __name__ == "__main__":
    sys.exit(main())
