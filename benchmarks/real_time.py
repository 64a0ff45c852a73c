"""Processor time of unitcodec and of other codecs for the same speech, all by turns in one run, one thread each.

python -m benchmarks.real_time examples/speech.wav

Networks run with random weights (time does not depend on them), programs as they are installed; time of programs that are started
counts, too. Where other work disturbs, processor time moves less than the clock.
"""

from __future__ import annotations

import argparse
import resource
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.errors import BenchmarkError, Gap
from benchmarks.peers import PEERS
from benchmarks.waveform import SAMPLE_RATE, FloatArray, read

CHOSEN = ("encodec-1.5k", "mimi-1.1k", "snac-0.98k", "focalcodec-0.65k", "codec2-700c", "codec2-3200", "opus-6k")


def works(names: Sequence[str], speech: FloatArray) -> tuple[dict[str, Callable[[], Any]], dict[str, str]]:
    """What is timed, by title; and why something is not."""
    import unitcodec

    codec = unitcodec.load(device="cpu")
    codes = codec.encode(speech, SAMPLE_RATE)
    found: dict[str, Callable[[], Any]] = {
        "unitcodec, encode": partial(codec.encode, speech, SAMPLE_RATE),
        "unitcodec, decode": partial(codec.decode, codes),
    }
    gaps: dict[str, str] = {}
    for name in names:
        peer = PEERS[name]
        try:
            if peer.untrained is None and (gap := peer.gap()):
                raise Gap(gap)
            code = peer.code if peer.untrained is None else peer.untrained()
            code(speech[:SAMPLE_RATE])
            found[peer.title] = partial(code, speech)
        except Gap as gap:
            gaps[peer.title] = str(gap)
    return found, gaps


def spent() -> float:
    """Processor time of this process and of those that it has started and seen end, s."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def measure(names: Sequence[str], speech: FloatArray, rounds: int) -> list[str]:
    """The lines of a table: times real time, and the slowest and the fastest round."""
    import torch

    torch.set_num_threads(1)
    found, gaps = works(names, speech)
    taken: dict[str, list[float]] = {title: [] for title in found}
    for _ in range(rounds):
        for title, work in found.items():
            begin = spent()
            work()
            taken[title].append(spent() - begin)
    seconds = len(speech) / SAMPLE_RATE
    speeds = {title: [seconds / max(each, 1e-3) for each in times] for title, times in taken.items()}
    lines = ["| system | times real time | rounds |", "|---|---|---|"]
    lines += [f"| {t} | {statistics.median(s):.1f} | {min(s):.1f} to {max(s):.1f} |" for t, s in speeds.items()]
    return [*lines, *(f"| {title} | {gap} | |" for title, gap in gaps.items())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--seconds", type=int, default=10, help="of it, repeated where it is shorter")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--systems", default=",".join(CHOSEN), help=f"of {', '.join(PEERS)}")
    given = parser.parse_args()
    names = [name for name in given.systems.split(",") if name]
    if unknown := [name for name in names if name not in PEERS]:
        parser.error(f"--systems: no such system: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if min(given.seconds, given.rounds) < 1:
        parser.error("--seconds and --rounds must be at least 1")
    try:
        speech = np.resize(read(given.speech), given.seconds * SAMPLE_RATE)
    except BenchmarkError as error:
        parser.error(str(error))
    print("\n".join(measure(names, speech, given.rounds)))


if __name__ == "__main__":
    main()
