"""Which of several models keeps words better, with less chance in it than error rates have.

python -m benchmarks.likelihood --data DEV --model default --model runs/words/model

Moonshine transcribes the recording. Then it hears what a model makes of it, and tells how many nats each token of that transcript
costs, given the tokens before it (teacher forcing). ``clipped``: a token costs 3 nats at most, so that no single utterance of
which nothing is left decides. Differences are to the first model, on the same utterances, with 95 % intervals over them.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import progress
from benchmarks.bitrate import loaded, one_thread
from benchmarks.corpus import Utterance, load
from benchmarks.errors import BenchmarkError
from benchmarks.metrics import bootstrap, moonshine, text
from benchmarks.waveform import SAMPLE_RATE, FloatArray, duration, read
from unitcodec.encoder.effort import checked_effort
from unitcodec.errors import UnitcodecError

MOST = 3.0
"""Nats that a token costs at most where they are clipped."""

SHORTEST = 0.1
"""Seconds that Moonshine needs."""

RECORDING = "recording"
"""In the place of a model: the recording itself."""


def judged(models: Sequence[str], effort: int, utterance: Utterance) -> list[dict[str, float]]:
    """Of an utterance, by model: ``tokens``; their ``nats``, and ``clipped``; ``errors`` of ``words``; ``bits``, ``seconds``."""
    judge, waveform = moonshine.loaded(), read(utterance.path)
    said = judge.tokens(waveform)
    found = []
    for model in models:
        spoken, bits = _coded(model, effort, waveform)
        nats = judge.surprise(spoken, said)
        errors, words = text.word_errors(utterance.transcript, judge.text(judge.tokens(spoken)))
        found.append(
            {
                "tokens": len(nats),
                "nats": float(nats.sum()),
                "clipped": float(np.minimum(nats, MOST).sum()),
                "errors": errors,
                "words": words,
                "bits": bits,
                "seconds": len(waveform) / SAMPLE_RATE,
            }
        )
    return found


def _coded(model: str, effort: int, waveform: FloatArray) -> tuple[FloatArray, int]:
    if model == RECORDING:
        return waveform, 16 * len(waveform)
    codec = loaded(model)
    data = codec.compress(waveform, SAMPLE_RATE, effort=effort)
    return codec.decompress(data)[0], 8 * len(data)


def table(models: Sequence[str], rows: Sequence[Sequence[dict[str, Any]]]) -> str:
    """Of each utterance its :func:`judged` -> the figures of each model, in Markdown."""
    lines = ["| model | bit/s | WER | nats a token | difference | clipped | difference |", "|---|---|---|---|---|---|---|"]
    columns = [[{key: float(value) for key, value in each.items()} for each in column] for column in zip(*rows, strict=True)]

    def share(column: list[dict[str, float]], top: str, bottom: str) -> float:
        return sum(each[top] for each in column) / sum(each[bottom] for each in column)

    for model, column in zip(models, columns, strict=True):
        said = sum(each["words"] for each in column)
        cells = [model, f"{share(column, 'bits', 'seconds'):.0f}", f"{share(column, 'errors', 'words'):.3f}" if said else ""]
        for name in ("nats", "clipped"):
            cells += [
                f"{share(column, name, 'tokens'):.3f}",
                "" if column is columns[0] else _difference(columns[0], column, name),
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"{progress.many(len(rows), 'utterance')}."])


def _difference(first: list[dict[str, float]], other: list[dict[str, float]], name: str) -> str:
    one, two = ([[each[key] for each in column] for key in (name, "tokens")] for column in (first, other))
    value, bounds, _ = bootstrap.paired(*one, *two)
    return f"{value:+.3f}" + ("" if bounds is None else f" ({bounds[0]:+.3f} to {bounds[1]:+.3f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="manifest, or its folder")
    parser.add_argument("--model", action="append", help=f"name, folder, or '{RECORDING}'; may be given again")
    parser.add_argument("--every", type=int, default=1, help="only every Nth utterance")
    parser.add_argument("--effort", type=int, default=0, help="of the encoder, as in unitcodec encode --effort")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    given = parser.parse_args()
    if min(given.every, given.jobs) < 1:
        parser.error("--every and --jobs must be at least 1")
    if (gap := moonshine.gap()) is not None:
        parser.error(gap)
    models = given.model or ["default"]
    try:
        utterances = load(given.data)[:: given.every]
        if short := [each.path for each in utterances if duration(each.path) < SHORTEST]:
            raise BenchmarkError(f"{short[0]}: shorter than {SHORTEST} s; leave it out")
        for model in models:
            if model != RECORDING:
                loaded(model)
        checked_effort(given.effort)
    except (BenchmarkError, UnitcodecError, ValueError) as error:
        parser.error(str(error))
    with multiprocessing.get_context("spawn").Pool(given.jobs, one_thread) as pool:
        found = pool.imap(partial(judged, models, given.effort), utterances)
        print(table(models, list(progress.track("likelihood", found, len(utterances)))))


if __name__ == "__main__":
    main()
