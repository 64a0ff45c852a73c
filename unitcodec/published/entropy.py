"""Lists of units -> the entropy model of an imported vocoder, and what it makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bitstream import EntropyModel, EntropySpec, RecurrentModel, SpeechCodes, Stream, TableModel, fit_tables, pack_many
from bitstream.arrays import IntArray
from bitstream.entropy.batch import packet_of
from bitstream.entropy.model import packet_bits
from bitstream.entropy.spec import F0, SAMPLE_RATE

from ..formats.unit_files import UnitEntry, UnitsError
from ..frames import HOP, LEVEL_CODES
from ..model import Networks
from ..pitch.published import FINE
from ..pitch.track import DEVIATION_CODES, MEAN_CODES, STRIDE
from ..training.entropy_stage import PACKET_SAMPLES
from ..training.recurrent_training import Settings, train

MOST_ENTRIES = 2**23
"""Of a table: 16 MB."""

Utterance = tuple[IntArray, IntArray]


def describe(networks: Networks, weights: str, f0_known: bool, order: int = 2) -> EntropySpec:
    """The streams of a vocoder with one row of units and of its F0 codes.

    Args:
        weights: the digest of the model's.
        f0_known: whether there is anything to learn of F0.
        order: earlier units that a table looks at, as far as its size allows.
    """
    (alphabet,), unit_hop = networks.content.vocabulary, networks.content.stride * HOP
    while order and alphabet * (alphabet + 1) ** order > MOST_ENTRIES:
        order -= 1
    return EntropySpec(
        rows=(Stream(alphabet, tuple((0, lag) for lag in range(1, order + 1))),),
        f0=Stream(networks.pitch.codes, ((F0, 1),) if f0_known else ()),
        speaker=(MEAN_CODES, DEVIATION_CODES, LEVEL_CODES, *networks.speaker.alphabets),
        unit_hop=unit_hop,
        f0_hop=STRIDE * HOP,
        packet_frames=PACKET_SAMPLES // unit_hop,
        weights=weights,
    )


def flat_code(networks: Networks) -> int:
    """The F0 code of a flat contour, which stands for F0 that is not known; 0 without F0."""
    pitch = networks.pitch
    if pitch.codes == 1:
        return 0
    beside = pitch.context // STRIDE
    with torch.inference_mode():
        # At the speaker's mean, where no border is in sight.
        codes: Tensor = pitch.encode(torch.zeros(1, 1, FINE * STRIDE * (2 * beside + 1)))
    return int(codes[0, 0, beside])


def utterances(entries: Sequence[UnitEntry], spec: EntropySpec, place: Path, flat: int = 0) -> list[Utterance]:
    """Entries as what is coded, units (1, n) and f0 (m,); where F0 is not known, ``flat`` throughout.

    Raises:
        UnitsError: naming ``place``: units or F0 codes that the model does not have, or more or fewer F0 codes than frames.
    """
    alphabet, made = spec.rows[0].alphabet, []
    for number, entry in enumerate(entries, 1):
        units = entry.frames()
        if len(units) != 1 or int(units.max()) >= alphabet:
            what = f"{len(units)} rows of units" if len(units) != 1 else f"unit {units.max()}"
            raise UnitsError(f"{place}: utterance {number} holds {what}; the vocoder has one row of {alphabet}, from 0 on")
        if entry.frame_rate is not None and abs(entry.frame_rate * spec.unit_hop - SAMPLE_RATE) > 1.0:
            raise UnitsError(
                f"{place}: utterance {number} has units at {entry.frame_rate:g} Hz; the vocoder's come at "
                f"{SAMPLE_RATE / spec.unit_hop:g} Hz"
            )
        most = -(-units.shape[1] * spec.unit_hop // spec.f0_hop)
        # The last frame may be cut anywhere, so several counts of F0 codes can be right.
        least = -(-((units.shape[1] - 1) * spec.unit_hop + 1) // spec.f0_hop)
        f0 = np.full(most, flat, np.int32) if entry.f0 is None or spec.f0.alphabet == 1 else entry.f0
        if not least <= len(f0) <= most or int(f0.max()) >= spec.f0.alphabet:
            raise UnitsError(f"{place}: utterance {number} has F0 codes that are not of this model, or not one for each 80 ms")
        made.append((units, f0))
    return made


def fit(spec: EntropySpec, learn: Sequence[Utterance], flat: int | None) -> EntropyModel:
    """Tables of what follows what.

    ``flat``: None where F0 is known. Else all its codes are alike, but that this one is likelier by a hair, so that F0 filled
    in by what is most probable is flat.
    """
    fitted = fit_tables(learn, spec)
    if flat is None:
        return fitted
    even = np.full(spec.table_shape(F0), 2**spec.precision // spec.f0.alphabet, np.uint32)
    even[flat] += 2**spec.precision - even.sum()
    return TableModel(spec, {**fitted.tables, F0: even})


def fit_recurrent(
    spec: EntropySpec, learn: Sequence[Utterance], flat: int | None, folder: Path, settings: Settings
) -> EntropyModel:
    """The network of ``bitstream.RecurrentModel``; its training is kept in ``folder``, and goes on from there.

    ``flat`` as for :func:`fit`.
    """
    if flat is None or spec.f0.alphabet == 1:
        return train(spec, learn, folder, settings).quantize()
    # Trained without F0, which then is given outputs that tell no code from another and inputs that tell nothing.
    silent = [(units, np.zeros_like(f0)) for units, f0 in learn]
    trained = train(replace(spec, f0=Stream(1)), silent, folder, settings).quantize()
    codes, hidden = spec.f0.alphabet, trained.hidden
    parts = {
        f"input.{F0}": np.zeros((codes, 3 * hidden), np.int32),
        f"output.{F0}": np.zeros((codes, hidden), np.int32),
        f"table.{F0}": np.eye(1, codes, flat, dtype=np.int32)[0],
    }
    return RecurrentModel(spec, {**trained.shifts, f"output.{F0}": 0}, {**trained.tensors(), **parts})


@dataclass(frozen=True)
class Rates:
    """What utterances cost, bit/s: units and F0 by themselves, and whole files with header and speaker code."""

    utterances: int
    seconds: float
    units: float
    f0: float
    files: float


def measure(entropy: EntropyModel, coded: Sequence[Utterance], speaker: IntArray) -> Rates:
    """Code ``coded``, each a file with the speaker code ``speaker``."""
    spec = entropy.spec
    samples = [min(units.shape[1] * spec.unit_hop, len(f0) * spec.f0_hop) for units, f0 in coded]
    codes = [
        SpeechCodes(units, f0, speaker, count, entropy.fingerprint) for (units, f0), count in zip(coded, samples, strict=True)
    ]
    packets = [
        packet_of(spec, units, f0, index)
        for (units, f0), count in zip(coded, samples, strict=True)
        for index in range(spec.frames(count)[2])
    ]
    bits, seconds = packet_bits(entropy, packets), sum(samples) / SAMPLE_RATE
    return Rates(
        utterances=len(codes),
        seconds=seconds,
        units=sum(each[0] for each in bits) / seconds,
        f0=sum(each[F0] for each in bits) / seconds,
        files=8 * sum(map(len, pack_many(codes, entropy))) / seconds,
    )
