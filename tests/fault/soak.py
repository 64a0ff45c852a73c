"""A live pipe for as long as is asked for, in memory that does not grow.

    python tests/fault/soak.py --seconds 3600 --realtime FILE...        # audio that is said again and again

Feeds ``unitcodec encode - - | unitcodec decode --raw - -`` with so many seconds of sound, as fast as it takes them or, with
--realtime, at the sound's own speed. Prints a line every minute of sound (more often in a short run): what went in and came out,
how far the sound that comes out was behind at most, the resident memory of both ends, and the bytes of all files that they have
open for writing or leave in their folder for temporary files. Exit status 1 unless both end well, exactly as many samples come
out as went in, and, from the second line on, memory stays within 32 MiB, no file is written and (--realtime) the delay stays
within 2 s. Needs /proc.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unitcodec.audio import SAMPLE_RATE, open_reader

ENCODE = ("-m", "unitcodec", "encode", "-q", "--raw", "--rate", str(SAMPLE_RATE), "-", "-")
DECODE = ("-m", "unitcodec", "decode", "-q", "--raw", "-", "-")


BLOCK = SAMPLE_RATE // 10  # samples given at a time
MEMORY, DELAY = 32.0, 2.0  # what may come on top, MiB and s


@dataclass(frozen=True)
class State:
    """At a moment: seconds by the clock, said, heard and behind at most since the last; MiB of both ends; bytes on disk."""

    clock: float
    said: float
    heard: float
    behind: float
    encoder: float
    decoder: float
    written: int

    def __str__(self) -> str:
        return (
            f"{self.clock:7.0f} s: {self.said:7.0f} s in, {self.heard:8.2f} s out, {self.behind:5.2f} s behind at most; "
            f"encoder {self.encoder:.0f} MiB, decoder {self.decoder:.0f} MiB; {self.written} bytes on disk"
        )


class Pipe:
    """Both commands; ``heard`` counts the samples that came out. ``folder`` is where they may put temporary files."""

    def __init__(self, folder: Path) -> None:
        pipe, environment = subprocess.PIPE, {**os.environ, "TMPDIR": str(folder)}
        self.encoder = subprocess.Popen([sys.executable, *ENCODE], stdin=pipe, stdout=pipe, env=environment)
        self.decoder = subprocess.Popen([sys.executable, *DECODE], stdin=self.encoder.stdout, stdout=pipe, env=environment)
        assert self.encoder.stdout is not None
        self.encoder.stdout.close()
        self.heard, self._folder = 0, folder
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def say(self, samples: bytes) -> None:
        assert self.encoder.stdin is not None
        self.encoder.stdin.write(samples)
        self.encoder.stdin.flush()

    def close(self) -> tuple[int, int]:
        """The exit statuses, when all has been heard."""
        assert self.encoder.stdin is not None
        self.encoder.stdin.close()
        self._listener.join()
        return self.encoder.wait(), self.decoder.wait()

    def memory(self) -> tuple[float, float]:
        """Resident memory of encoder and decoder, MiB."""
        return resident(self.encoder.pid), resident(self.decoder.pid)

    def written(self) -> int:
        """Bytes of the files in the folder, and of those that either has open for writing, a name or none."""
        files = [path.stat() for path in self._folder.rglob("*") if path.is_file()]
        files += [*writing(self.encoder.pid), *writing(self.decoder.pid)]
        return sum({(file.st_dev, file.st_ino): file.st_size for file in files}.values())

    def _listen(self) -> None:
        assert self.decoder.stdout is not None
        count = 0
        while block := self.decoder.stdout.read1(1 << 16):
            count += len(block)
            self.heard = count // 2


def resident(process: int) -> float:
    """Resident memory of a process, MiB; 0 when it has ended."""
    try:
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def writing(process: int) -> list[os.stat_result]:
    """The regular files that a process has open for writing, but for what it was started with (its words on stderr)."""
    found = []
    for path in Path(f"/proc/{process}/fd").glob("*"):
        try:
            state, link = path.stat(), path.lstat()
        except OSError:
            continue
        if int(path.name) > 2 and stat.S_ISREG(state.st_mode) and link.st_mode & stat.S_IWUSR:
            found.append(state)
    return found


def soak(files: Sequence[Path], seconds: int, realtime: bool) -> int:
    """Exit status."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        pipe = Pipe(Path(folder))
        states = []
        for state in speak(pipe, (_samples(file) for file in files), seconds, realtime):
            states.append(state)
            print(state, flush=True)
        statuses = pipe.close()
        left = [str(path) for path in Path(folder).rglob("*")]
    heard, steady = pipe.heard, states[1:]
    faults = [f"exit statuses {statuses}"] if any(statuses) else []
    faults += [f"{heard} samples came out"] if heard != SAMPLE_RATE * seconds else []
    faults += [f"{left} left"] if left else []
    faults += ["files were written"] if any(state.written for state in states) else []
    for name, most in (("encoder", MEMORY), ("decoder", MEMORY), *([("behind", DELAY)] if realtime else [])):
        values = [getattr(state, name) for state in steady]
        faults += [f"{name} grew from {values[0]:.1f} to {max(values):.1f}"] if max(values) > values[0] + most else []
    print(f"{SAMPLE_RATE * seconds} samples in, {heard} out, exit statuses {statuses}:", "; ".join(faults) or "sound", flush=True)
    return int(bool(faults))


def speak(pipe: Pipe, sounds: Iterable[bytes], seconds: int, realtime: bool) -> Iterator[State]:
    """Say so many seconds; yields how it stands, every minute of sound or a quarter of the whole."""
    every, begin, behind = min(60, seconds // 4), time.monotonic(), 0.0
    for number, block in enumerate(_blocks(sounds, seconds * SAMPLE_RATE // BLOCK), 1):
        if realtime:
            time.sleep(max(0.0, begin + number * BLOCK / SAMPLE_RATE - time.monotonic()))
        pipe.say(block)
        said, clock, heard = number * BLOCK / SAMPLE_RATE, time.monotonic() - begin, pipe.heard / SAMPLE_RATE
        behind = max(behind, (clock if realtime else said) - heard)
        if number % (every * SAMPLE_RATE // BLOCK) == 0:
            yield State(clock, said, heard, behind, *pipe.memory(), pipe.written())
            behind = 0.0


def _blocks(sounds: Iterable[bytes], count: int) -> Iterator[bytes]:
    """So many blocks of the sounds, said again and again."""
    said = itertools.cycle(sounds)
    kept = b""
    for _ in range(count):
        while len(kept) < 2 * BLOCK:
            kept += next(said)
        yield kept[: 2 * BLOCK]
        kept = kept[2 * BLOCK :]


def _samples(file: Path) -> bytes:
    with open_reader(file) as reader:
        return (np.concatenate(list(reader)).clip(-1, 1) * 32767).astype("<i2").tobytes()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path)
    parser.add_argument("--seconds", type=int, default=3600, help="of sound, 8 at least")
    parser.add_argument("--realtime", action="store_true", help="feed the sound at its own speed")
    arguments = parser.parse_args()
    return soak(arguments.files, max(8, arguments.seconds), arguments.realtime)


if __name__ == "__main__":
    sys.exit(main())
