"""Stage ``entropy``: code the corpus; and, at export, choose contexts and count: the tables that ``bitstream`` codes with."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tqdm import tqdm

from bitstream import EntropyModel, EntropySpec, Stream, fit_tables
from bitstream.entropy import packet_of
from bitstream.fit import smooth
from bitstream.spec import F0, MAX_ORDER, Reference

from ..content.fsq import STRIDE as UNIT_STRIDE
from ..content.fsq import ContentEncoder
from ..features import HOP, LEVEL_CODES, active_level, level_code, level_gain, log_mel, normalise
from ..model import Networks
from ..pitch.vqvae import DEVIATION_CODES, MEAN_CODES, STRIDE, PitchVQVAE, mean_and_deviation, statistics, track_channels
from .corpus import Corpus

IntArray = NDArray[np.int32]
PACKET_FRAMES = 64
F0_RATIO = STRIDE // UNIT_STRIDE
MAX_CELLS = 40000
CODES = "codes.safetensors"


@torch.inference_mode()
def code_corpus(corpus: Corpus, content: ContentEncoder, pitch: PitchVQVAE) -> Iterator[tuple[IntArray, IntArray]]:
    """(units (rows, n), f0 (m,)) of every utterance, as the codec makes them but for rounding: float32 and in one piece."""
    for utterance in tqdm(corpus.utterances, desc="coding the corpus", unit="file"):
        if not utterance.samples:
            continue
        waveform = corpus.waveform(utterance).astype(np.float32) / 32768
        f0 = np.asarray(corpus.pitch(utterance))
        padded = np.pad(waveform, (0, -len(waveform) % (HOP * STRIDE))) * np.float32(
            level_gain(level_code(active_level(waveform)))
        )
        track = track_channels(np.pad(f0, (0, len(padded) // HOP - len(f0))), *mean_and_deviation(*statistics(f0)))
        units = content.encode(normalise(log_mel(torch.from_numpy(padded)[None])))[0].numpy().astype(np.int32)
        codes = pitch.encode(torch.from_numpy(track)[None])[0, 0].numpy().astype(np.int32)
        yield units[:, : -(-len(waveform) // (HOP * UNIT_STRIDE))], codes


def save_codes(folder: Path, sequences: Iterable[tuple[IntArray, IntArray]]) -> None:
    """Keep what :func:`code_corpus` gave in ``folder/codes.safetensors``; written beside, then renamed."""
    units, f0 = zip(*sequences, strict=True)
    tensors = {
        "units": np.concatenate(units, 1),
        "f0": np.concatenate(f0),
        "frames": np.array([part.shape[1] for part in units], np.int64),
        "f0_frames": np.array([len(part) for part in f0], np.int64),
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "codes.part")
    os.replace(folder / "codes.part", folder / CODES)


def load_codes(folder: Path) -> list[tuple[IntArray, IntArray]]:
    """Inverse of :func:`save_codes`."""
    tensors = load_file(folder / CODES)
    units = np.split(tensors["units"], np.cumsum(tensors["frames"])[:-1], 1)
    return list(zip(units, np.split(tensors["f0"], np.cumsum(tensors["f0_frames"])[:-1]), strict=True))


class ContextSearch:
    """Greedy choice of a stream's references: each is added if it saves bits on held-out utterances (every tenth).

    Streams are named as in ``bitstream``: row numbers and "f0". Candidates are earlier rows of the same frame, all rows one
    frame back, the own row two frames back and the F0 code that covers the frame.
    """

    def __init__(self, sequences: list[tuple[IntArray, IntArray]], alphabets: list[int], f0_alphabet: int) -> None:
        self.sequences, self.alphabets, self.f0_alphabet = sequences, alphabets, f0_alphabet

    def alphabet(self, name: int | str) -> int:
        return self.f0_alphabet if name == F0 else self.alphabets[int(name)]

    def candidates(self, name: int | str) -> list[Reference]:
        if name == F0:
            return [(F0, 1), (F0, 2), (F0, 3)]
        rows = range(len(self.alphabets))
        return [(row, 0) for row in range(int(name))] + [(row, 1) for row in rows] + [(int(name), 2), (F0, 0)]

    def symbols(self, name: int | str, reference: Reference) -> tuple[IntArray, IntArray]:
        """What ``reference`` reads at every symbol of stream ``name``, over the utterances counted and over those held out."""
        other, lag = reference
        parts: tuple[list[IntArray], list[IntArray]] = ([], [])
        for index, (units, f0) in enumerate(self.sequences):
            values = units[int(other)] if other != F0 else f0 if name == F0 else np.repeat(f0, F0_RATIO)[: units.shape[1]]
            packet = PACKET_FRAMES // F0_RATIO if name == F0 else PACKET_FRAMES
            parts[index % 10 == 0].append(_back(values, lag, packet, self.alphabet(other)))
        return np.concatenate(parts[0]), np.concatenate(parts[1])

    def choose(self, name: int | str) -> Stream:
        columns = {reference: self.symbols(name, reference) for reference in self.candidates(name)}
        target, alphabet = self.symbols(name, (name, 0)), self.alphabet(name)
        context: list[Reference] = []

        def bits(trial: list[Reference]) -> float:
            shape = [*self._shape(trial), alphabet]
            counted, held = (np.ravel_multi_index([columns[r][part] for r in trial] + [target[part]], shape) for part in (0, 1))
            table = smooth(np.bincount(counted, minlength=math.prod(shape)).reshape(shape), 1.0)
            return float(-np.log2(table.reshape(-1)[held]).mean())

        best = bits([])
        while len(context) < MAX_ORDER:
            options = [r for r in columns if r not in context and math.prod(self._shape([*context, r])) <= MAX_CELLS]
            scores = {r: bits([*context, r]) for r in options}
            winner = min(scores, key=lambda r: scores[r], default=None)
            if winner is None or scores[winner] > best - 1e-3:
                break
            best = scores[winner]
            context.append(winner)
        print(f"{name}: {best:.3f} bits a symbol given {context}")
        return Stream(alphabet, tuple(context))

    def _shape(self, context: list[Reference]) -> list[int]:
        return [self.alphabet(other) + (lag > 0) for other, lag in context]


def _back(values: IntArray, lag: int, packet: int, alphabet: int) -> IntArray:
    """Symbols ``lag`` frames back, ``alphabet`` (the reserved value) where that is before the packet."""
    back = np.pad(values, (lag, 0))[: len(values)]
    return np.where(np.arange(len(values)) % packet < lag, np.int32(alphabet), back)


def fit(sequences: list[tuple[IntArray, IntArray]], networks: Networks, weights: str) -> EntropyModel:
    """The entropy model of ``networks``, whose stored weights have the digest ``weights``, for streams like ``sequences``."""
    alphabets = list(networks.content.vocabulary)
    f0_alphabet = len(networks.pitch.quantizer.codebook)
    search = ContextSearch(sequences, alphabets, f0_alphabet)
    spec = EntropySpec(
        rows=tuple(search.choose(row) for row in range(len(alphabets))),
        f0=search.choose(F0),
        speaker=(MEAN_CODES, DEVIATION_CODES, LEVEL_CODES, *networks.speaker.quantizer.levels.tolist()),
        unit_hop=HOP * UNIT_STRIDE,
        f0_hop=HOP * STRIDE,
        packet_frames=PACKET_FRAMES,
        weights=weights,
    )
    return fit_tables(sequences, spec)


def report(entropy: EntropyModel, sequences: list[tuple[IntArray, IntArray]]) -> dict[str, Any]:
    """Bits a second by stream over ``sequences``, packet by packet."""
    totals: dict[str, float] = {}
    seconds = 0.0
    for units, f0 in sequences:
        for index in range(-(-units.shape[1] // PACKET_FRAMES)):
            for title, cost in entropy.packet_cost(*packet_of(entropy.spec, units, f0, index)).items():
                totals[title] = totals.get(title, 0.0) + cost
        seconds += units.shape[1] * entropy.spec.unit_hop / 16000
    return {title: cost / seconds for title, cost in totals.items()}
