"""What a stream takes: bits by part, by packet and by duration, beside fixed-length codes and general compressors.

Bits are those of whole files, ``8 * size``. Their parts are "units", "f0" and "speaker", the exact sum of -log2 of the
integer frequencies, and "framing", all the rest: header, lengths, checks, the coder's rounding. Counts are the same on
every machine and with any number of threads.
"""

from __future__ import annotations

import bz2
import lzma
import multiprocessing
import os
import statistics
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import progress
from benchmarks.errors import BenchmarkError
from benchmarks.rates import compared
from benchmarks.waveform import SAMPLE_RATE, FloatArray, read

if TYPE_CHECKING:
    from bitstream import EntropyModel, SpeechCodes, StreamInfo

DURATIONS = (1, 2, 5, 10, 30, 60, 300)
"""Seconds that one long recording is cut to."""

LONG = 5
"""Seconds from which on the lowest and the highest rate are looked for; below, the fixed cost of a stream is most of it."""

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "zlib": lambda data: zlib.compress(data, 9),
    "bz2": lambda data: bz2.compress(data, 9),
    # Without .xz's header and checks: 53 bytes, more than some of our files.
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 9}]),
}


@dataclass(frozen=True)
class Coded:
    """An utterance's codes, and the facts of the stream that they make."""

    codes: SpeechCodes
    info: StreamInfo

    def figures(self) -> dict[str, Any]:
        """``seconds``, ``bytes``, ``bps`` and ``streams``: bits by part."""
        info = self.info
        return {"seconds": info.duration, "bytes": info.size, "bps": info.bits_per_second, "streams": info.bits}


def measure(paths: Sequence[Path], names: Sequence[str], model: str = "default", jobs: int = 1) -> dict[str, Any]:
    """Encode the recordings and count, in ``jobs`` processes of one thread each where that is more than one.

    Returns:
        ``bits``: by name, the bits of the file. ``utterances``: objects with ``name``, ``seconds``, ``bytes``, ``bps``
        (bit/s), ``streams`` (bits by part) and ``packets`` (bits of each, framing included). ``seconds``: of all.
        ``bps``: ``pooled``, all bits over all seconds, and ``min``, ``median`` and ``max`` over the ``utterances`` of 5 s
        and more (None where there are none). ``streams_bps``: by part, pooled. ``packet_bits``: ``mean`` and ``max`` of
        the full packets (None where there are none). ``entropy_coder``: for each row, "units.0" ... "f0", and for "all"
        ``fixed_bps`` (ceil(log2 alphabet) bits a symbol), ``ideal_bps`` (-log2 p) and ``saved``, 1 - ideal / fixed; "all"
        also has ``coded_bps``, what the range coder wrote, in whole bytes a packet. ``compressors``: by name, bit/s of the
        codes, a byte each, with nothing to frame or check them: ``files_bps`` each utterance alone, ``corpus_bps`` all at
        once. ``by_duration``: as :func:`by_duration`. ``rates``: this codec beside others, as :func:`.compared`.

    Raises:
        BenchmarkError: there are no recordings, they are all empty, or one is no sound file.
        ModelError: there is no such model.
        OSError: a recording cannot be opened.
    """
    entropy = loaded(model).model.entropy
    coded = []
    for codes in progress.track("bitrate", encoded(paths, model, jobs), len(paths)):
        coded.append(_facts(codes, entropy))
    progress.say("bitrate: all utterances are coded; next, compressors and streams of other lengths")
    seconds = sum(one.info.duration for one in coded)
    if not seconds:
        raise BenchmarkError("no speech to count the bits of")
    figures = [one.figures() for one in coded]
    rates = [row["bps"] for row in figures if row["seconds"] >= LONG]
    packets = [[8 * packet.size for packet in one.info.packets] for one in coded]
    full = [
        size
        for one, sizes in zip(coded, packets, strict=True)
        for size in sizes[: one.codes.num_samples // entropy.spec.packet_samples]
    ]
    joined = _joined(paths)
    durations = by_duration(joined, model)
    return {
        "bits": {name: 8 * one.info.size for name, one in zip(names, coded, strict=True)},
        "utterances": [{"name": name, **row, "packets": sizes} for name, row, sizes in zip(names, figures, packets, strict=True)],
        "seconds": seconds,
        "bps": {
            "pooled": 8 * sum(one.info.size for one in coded) / seconds,
            "utterances": len(rates),
            **{of.__name__: of(rates) if rates else None for of in (min, statistics.median, max)},
        },
        "streams_bps": {part: sum(row["streams"][part] for row in figures) / seconds for part in figures[0]["streams"]},
        "packet_bits": {"mean": statistics.fmean(full) if full else None, "max": max(full, default=None)},
        "entropy_coder": _entropy_coder([one.codes for one in coded], entropy, seconds),
        "compressors": _compressors([one.codes for one in coded], seconds),
        "by_duration": durations,
        "rates": compared({round(row["seconds"]): 8 * row["bytes"] for row in durations}, joined),
    }


def by_duration(speech: FloatArray, model: str = "default") -> list[dict[str, Any]]:
    """``(T,)`` at 16 kHz cut to each of :data:`DURATIONS` that it reaches: how a stream's fixed cost fades.

    Objects with ``seconds``, ``bytes``, ``bps`` and ``streams``, bits by part.
    """
    codec = loaded(model)
    cuts = (seconds * SAMPLE_RATE for seconds in DURATIONS)
    return [_facts(codec.encode(speech[:cut], 16000), codec.model.entropy).figures() for cut in cuts if cut <= len(speech)]


def _joined(paths: Sequence[Path]) -> FloatArray:
    """The recordings one after another, until they reach the longest of :data:`DURATIONS`."""
    joined: FloatArray = np.zeros(0, np.float32)
    for path in paths:
        if len(joined) >= DURATIONS[-1] * SAMPLE_RATE:
            break
        joined = np.concatenate([joined, read(path)])
    return joined


def _facts(codes: SpeechCodes, entropy: EntropyModel) -> Coded:
    import bitstream

    return Coded(codes, bitstream.inspect(bitstream.pack(codes, entropy), entropy))


def _entropy_coder(coded: Sequence[SpeechCodes], entropy: EntropyModel, seconds: float) -> dict[str, dict[str, float]]:
    from bitstream import PacketCoder
    from bitstream.entropy.batch import packet_of
    from bitstream.entropy.spec import stream_title

    spec, coder = entropy.spec, PacketCoder(entropy)
    costs = [entropy.cost(codes) for codes in coded]
    rows = {}
    for i, name in enumerate(spec.names):
        symbols = sum((*codes.units, codes.f0)[i].size for codes in coded)
        fixed = symbols * (spec.stream(name).alphabet - 1).bit_length()
        rows[stream_title(name)] = (fixed, sum(cost[stream_title(name)] for cost in costs))
    rows["all"] = (sum(fixed for fixed, _ in rows.values()), sum(ideal for _, ideal in rows.values()))
    figures = {
        title: {"fixed_bps": fixed / seconds, "ideal_bps": ideal / seconds, "saved": 1 - ideal / fixed if fixed else 0.0}
        for title, (fixed, ideal) in rows.items()
    }
    payloads = coder.encode_payloads(
        [packet_of(spec, codes.units, codes.f0, index) for codes in coded for index in range(spec.frames(codes.num_samples)[2])]
    )
    figures["all"]["coded_bps"] = 8 * sum(map(len, payloads)) / seconds
    return figures


def _compressors(coded: Sequence[SpeechCodes], seconds: float) -> dict[str, dict[str, float]]:
    """Frame by frame, then the F0 codes: where the same values stand together general compressors do best."""
    arrays = [np.concatenate([codes.units.T.ravel(), codes.f0]) for codes in coded]
    kind = np.min_scalar_type(max(array.max(initial=0) for array in arrays))
    files = [array.astype(kind).tobytes() for array in arrays]
    return {
        name: {
            "files_bps": 8 * sum(len(compress(data)) for data in files) / seconds,
            "corpus_bps": 8 * len(compress(b"".join(files))) / seconds,
        }
        for name, compress in COMPRESSORS.items()
    }


def encoded(paths: Sequence[Path], model: str, jobs: int) -> Iterator[SpeechCodes]:
    """The codes of the recordings, in their order, made by ``jobs`` processes. Raises as :func:`measure` does."""
    tasks = [(path, model) for path in paths]
    if jobs == 1:
        yield from map(encode_one, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, one_thread) as pool:
        yield from pool.imap(encode_one, tasks)


def encode_one(task: tuple[Path, str]) -> SpeechCodes:
    path, model = task
    waveform = read(path)
    if not len(waveform):
        raise BenchmarkError(f"{path}: holds no samples")
    codes: SpeechCodes = loaded(model).encode(waveform, 16000)
    return codes


def one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # read when PyTorch, which is not loaded yet, starts its threads


@lru_cache(maxsize=1)
def loaded(model: str) -> Any:
    import unitcodec

    return unitcodec.load(model, device="cpu")
