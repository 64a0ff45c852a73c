"""Stage ``entropy``: code the corpus, choose contexts, count them: the integer tables that ``bitstream`` codes with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from bitstream import EntropyModel, EntropySpec, Stream, fit_tables
from bitstream.fit import smooth
from bitstream.spec import MAX_ORDER

from ..content.fsq import STRIDE as UNIT_STRIDE
from ..features import HOP, active_level, level_code, level_gain, log_mel, normalise
from ..model import Networks
from ..pitch.vqvae import DEVIATION_CODES, MEAN_CODES, STRIDE, mean_and_deviation, statistics, track_channels
from .corpus import Corpus

IntArray = NDArray[np.int32]
LEVELS = 64
MAX_CELLS = 40000


@torch.inference_mode()
def code_corpus(corpus: Corpus, networks: Networks) -> Iterator[tuple[IntArray, IntArray]]:
    """(units (rows, n), f0 (m,)) of every utterance, as the codec makes them but for rounding: float32 and in one piece."""
    for utterance in tqdm(corpus.utterances, desc="coding the corpus", unit="file"):
        waveform = corpus.waveform(utterance).astype(np.float32) / 32768
        f0 = np.asarray(corpus.pitch(utterance))
        padded = np.pad(waveform, (0, -len(waveform) % (HOP * STRIDE))) * np.float32(level_gain(level_code(active_level(waveform))))
        track = track_channels(np.pad(f0, (0, len(padded) // HOP - len(f0))), *mean_and_deviation(*statistics(f0)))
        units = networks.content.encode(normalise(log_mel(torch.from_numpy(padded)[None])))[0].numpy().astype(np.int32)
        codes = networks.pitch.encode(torch.from_numpy(track)[None])[0, 0].numpy().astype(np.int32)
        yield units[:, : -(-len(waveform) // (HOP * UNIT_STRIDE))], codes


def _shifted(values: IntArray, lag: int, packet: int, alphabet: int) -> IntArray:
    """Symbols ``lag`` frames back, ``alphabet`` (the reserved value) where that is before the packet."""
    if lag == 0:
        return values
    back = np.concatenate([np.full(lag, alphabet, np.int32), values[:-lag]]) if len(values) > lag else np.full(len(values), alphabet, np.int32)
    back[np.arange(len(values)) % packet < lag] = alphabet
    return back


def choose_contexts(sequences: list[tuple[IntArray, IntArray]], alphabets: list[int], f0_alphabet: int, packet: int) -> list[Stream]:
    """Greedy choice of references for each stream, rows then F0: each added if it saves bits on held-out utterances.

    Every tenth utterance is held out. Earlier rows of the same frame, all rows one frame back, the own row two frames back
    and the F0 code are candidates.
    """
    rows = len(alphabets)
    held = [index % 10 == 0 for index in range(len(sequences))]
    streams: list[Stream] = []
    for name in [*range(rows), "f0"]:
        if name == "f0":
            candidates: list[tuple[int | str, int]] = [("f0", 1), ("f0", 2), ("f0", 3)]
            alphabet, step = f0_alphabet, packet // 2
        else:
            candidates = [(row, 0) for row in range(int(name))] + [(row, 1) for row in range(rows)] + [(int(name), 2), ("f0", 0)]
            alphabet, step = alphabets[int(name)], packet

        def column(units: IntArray, f0: IntArray, reference: tuple[int | str, int], own: int | str = name, step: int = step) -> IntArray:
            other, lag = reference
            if other == "f0":
                values = f0 if own == "f0" else np.repeat(f0, 2)[: units.shape[1]]
                return _shifted(values, lag, step, f0_alphabet)
            return _shifted(units[int(other)], lag, step, alphabets[int(other)])

        def gather(part: bool, reference: tuple[int | str, int]) -> IntArray:
            return np.concatenate([column(u, f, reference) for (u, f), h in zip(sequences, held, strict=True) if h == part])

        columns = {reference: (gather(False, reference), gather(True, reference)) for reference in candidates}
        target = (gather(False, (name, 0)), gather(True, (name, 0)))
        sizes = {(o, lag): (f0_alphabet if o == "f0" else alphabets[int(o)]) + (lag > 0) for o, lag in candidates}
        context: list[tuple[int | str, int]] = []

        def bits(trial: list[tuple[int | str, int]]) -> float:
            shape = [sizes[reference] for reference in trial] + [alphabet]
            cells = [np.ravel_multi_index([columns[r][part] for r in trial] + [target[part]], shape) for part in (0, 1)]
            table = smooth(np.bincount(cells[0], minlength=int(np.prod(shape))).reshape(shape), 1.0)
            return float(-np.log2(table.reshape(-1)[cells[1]]).mean())

        best = bits([])
        while len(context) < MAX_ORDER:
            options = [r for r in candidates if r not in context and np.prod([sizes[c] for c in [*context, r]]) <= MAX_CELLS]
            if not options:
                break
            scores = {r: bits([*context, r]) for r in options}
            winner = min(scores, key=lambda r: scores[r])
            if scores[winner] > best - 1e-3:
                break
            best = scores[winner]
            context.append(winner)
        print(f"{name}: {best:.3f} bits a symbol given {context}")
        streams.append(Stream(alphabet, tuple(context)))
    return streams


def fit(corpus: Corpus, networks: Networks, weights: str) -> EntropyModel:
    """The entropy model of ``networks``, whose stored weights have the digest ``weights``, for streams like ``corpus``."""
    sequences = list(code_corpus(corpus, networks))
    alphabets = list(networks.content.vocabulary)
    f0_alphabet = len(networks.pitch.quantizer.codebook)
    *rows, f0 = choose_contexts(sequences, alphabets, f0_alphabet, 64)
    spec = EntropySpec(
        rows=tuple(rows),
        f0=f0,
        speaker=(MEAN_CODES, DEVIATION_CODES, LEVELS, *networks.speaker.quantizer.levels.tolist()),
        unit_hop=HOP * UNIT_STRIDE,
        f0_hop=HOP * STRIDE,
        packet_frames=64,
        weights=weights,
    )
    return fit_tables(sequences, spec)


def report(entropy: EntropyModel, sequences: list[tuple[IntArray, IntArray]]) -> dict[str, Any]:
    """Bits a second by stream over ``sequences``, packet by packet."""
    totals: dict[str, float] = {}
    seconds = 0.0
    for units, f0 in sequences:
        for start in range(0, units.shape[1], 64):
            part = entropy.packet_cost(units[:, start : start + 64], f0[start // 2 : start // 2 + 32])
            for title, cost in part.items():
                totals[title] = totals.get(title, 0.0) + cost
        seconds += units.shape[1] * entropy.spec.unit_hop / 16000
    return {title: cost / seconds for title, cost in totals.items()}
