"""The voice of live speech, second by second, beside that of the file: ``python -m benchmarks.live_voice --data FOLDER``.

A stream is several utterances of one speaker, one after another. Speaker similarity of a stretch is that to the whole stream as
it was recorded; the ratio is the mean of live speech over that of files, with its 95 % interval over streams.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import progress
from benchmarks.bitrate import loaded, one_thread
from benchmarks.corpus import Utterance, load
from benchmarks.errors import BenchmarkError
from benchmarks.metrics import bootstrap, speaker
from benchmarks.waveform import SAMPLE_RATE, FloatArray, read
from unitcodec.errors import UnitcodecError

SECONDS = 20
"""Of a stream, at least."""

STRETCHES = ((0, 1), (1, 3), (3, 6), (6, 10), (10, 14), (14, 20), (10, 20))
"""Of a stream, in seconds."""


def streams(utterances: Sequence[Utterance]) -> list[list[Path]]:
    """Recordings of one speaker that are long enough together, each used once, in the order of the corpus.

    Raises BenchmarkError where there are none, or where it is not known who speaks.
    """
    begun: dict[str, tuple[float, list[Path]]] = {}
    found = []
    for each in utterances:
        if not each.speaker:
            raise BenchmarkError(f"{each.path}: nobody says who speaks; the manifest's column speaker does")
        seconds, paths = begun.get(each.speaker, (0.0, []))
        seconds, paths = seconds + len(read(each.path)) / SAMPLE_RATE, [*paths, each.path]
        if seconds >= SECONDS:
            found.append(paths)
            seconds, paths = 0.0, []
        begun[each.speaker] = seconds, paths
    if not found:
        raise BenchmarkError(f"no speaker has {SECONDS} s of speech")
    return found


def similarities(model: str, paths: Sequence[Path]) -> list[tuple[float, float]]:
    """Of a stream's STRETCHES: live, and as a file."""
    waveform = np.concatenate([read(path) for path in paths])
    codec = loaded(model)
    encoder, decoder = codec.encoder(live=True), codec.decoder()
    packets = [*encoder.push(waveform), *encoder.flush()]
    live = np.concatenate([decoder.push(packet) for packet in packets])[: len(waveform)]
    file, _ = codec.decompress(codec.compress(waveform, SAMPLE_RATE))
    whole = speaker.embed(waveform)

    def similarity(spoken: FloatArray, begin: int, end: int) -> float:
        return speaker.cosine(whole, speaker.embed(spoken[begin * SAMPLE_RATE : end * SAMPLE_RATE]))

    return [(similarity(live, *each), similarity(file, *each)) for each in STRETCHES]


def table(rows: Sequence[Sequence[tuple[float, float]]]) -> str:
    """Of each stream its :func:`similarities` -> the figures of all, in Markdown."""
    lines = ["| seconds | live | file | ratio | 95 % |", "|---|---|---|---|---|"]
    for (begin, end), column in zip(STRETCHES, zip(*rows, strict=True), strict=True):
        live, file = zip(*column, strict=True)
        bounds = bootstrap.interval(live, file) if any(file) else None
        within = "" if bounds is None else f"{bounds[0]:.3f} to {bounds[1]:.3f}"
        ratio = sum(live) / (sum(file) or np.nan)
        lines.append(f"| {begin} to {end} | {np.mean(live):.3f} | {np.mean(file):.3f} | {ratio:.3f} | {within} |")
    return "\n".join([*lines, "", f"{progress.many(len(rows), 'stream')}."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="manifest, or its folder")
    parser.add_argument("--model", default="default")
    parser.add_argument("--streams", type=int, help="only the first N")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    given = parser.parse_args()
    if given.jobs < 1 or (given.streams is not None and given.streams < 1):
        parser.error("--streams and --jobs must be at least 1")
    try:
        work = streams(load(given.data))[: given.streams]
        loaded(given.model)
    except (BenchmarkError, UnitcodecError) as error:
        parser.error(str(error))
    with multiprocessing.get_context("spawn").Pool(given.jobs, one_thread) as pool:
        found = pool.imap(partial(similarities, given.model), work)
        print(table(list(progress.track("live voice", found, len(work)))))


if __name__ == "__main__":
    main()
