"""Stage ``entropy``: code the corpus and learn what comes after what, which is what ``bitstream`` codes with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from tqdm import tqdm

from bitstream import EntropyModel, EntropySpec, Stream
from bitstream.arrays import IntArray
from bitstream.entropy.batch import packet_of
from bitstream.entropy.fit import round_frequencies
from bitstream.entropy.spec import F0, SAMPLE_RATE

from ..content import ContentFamily
from ..content.decision import Decision
from ..content.rungs import Rungs
from ..encoder.analyser import context_samples, encode_f0
from ..encoder.opening import ACTIVE_SECONDS, fields_of
from ..encoder.packet import at_reference_level, packet_window
from ..encoder.rate import nearest
from ..features import log_mel
from ..frames import HOP, LEVEL_CODES, active_level, level_code, normalise
from ..pitch import PitchFamily
from ..pitch.track import DEVIATION_CODES, MEAN_CODES, STRIDE
from ..speaker import SpeakerFamily
from .corpus import Corpus
from .recurrent_training import Settings, train

PACKET_SAMPLES = 40960
"""2.56 s."""
MAX_REFERENCES = 3
UNSEEN = 0.1
CODES, WEIGHTS = "codes.safetensors", "weights"


@torch.inference_mode()
def code_corpus(
    corpus: Corpus, content: ContentFamily, pitch: PitchFamily, speaker: SpeakerFamily, nested: float = 0.0, seed: int = 0
) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Of every utterance units (rows, n), f0 (m,) and speaker (fields,), by the encoder's own parts.

    In float32 and, but for units that depend on their packet's window, in one piece. Level and F0 statistics are those of the
    whole utterance; the voice is that of its first 8 s, silent or not, without the search for a better one
    (:mod:`unitcodec.encoder.voice`), which would take longer than all the rest. Scalar codes of a share ``nested`` of the packets
    are coarser, each by another rung: an entropy model has to expect them too.
    """
    for number, utterance in enumerate(tqdm(corpus.utterances, desc="coding the corpus", unit="file")):
        if not utterance.samples:
            continue
        waveform = corpus.waveform(utterance).astype(np.float32) / 32768
        f0, level = np.asarray(corpus.pitch(utterance)), level_code(active_level(waveform))
        scaled = torch.from_numpy(at_reference_level(waveform, level, np.float32))
        voice = speaker.encode(normalise(log_mel(scaled))[..., : ACTIVE_SECONDS * SAMPLE_RATE // HOP])[0]
        fields = fields_of(tuple(voice.tolist()), f0, level)
        units = units_of(content, scaled, nested, np.random.default_rng((seed, number)))
        codes = encode_f0(pitch, f0, fields, dtype=np.float32)
        yield units[:, : -(-len(waveform) // (HOP * content.stride))], codes, fields.codes()


def units_of(
    content: ContentFamily, waveform: torch.Tensor, nested: float = 0.0, rng: np.random.Generator | None = None
) -> IntArray:
    """Waveform (1, 1280 n) at the reference level -> units (rows, m), of each packet those that a stream would hold.

    Scalar codes of a share ``nested`` of the packets are of a coarser rung, drawn by ``rng``.
    """
    decision, hop, samples, parts = Decision(lambda: content), HOP * content.stride, waveform.shape[1], []
    around = context_samples(content) if content.windowed else samples
    whole = None if content.windowed else decision.candidates(waveform, slice(samples // hop))
    for start in range(0, samples, PACKET_SAMPLES):
        window, own = packet_window(start, min(start + PACKET_SAMPLES, samples), PACKET_SAMPLES, around, hop)
        found = decision.candidates(waveform[:, window], own) if whole is None else whole
        units = nearest(found)
        if nested and rng is not None and isinstance(found, Rungs) and len(found) > 1 and rng.random() < nested:
            units = found[int(rng.integers(1, len(found)))]
        parts.append(units if whole is None else units[:, own])
    return np.concatenate(parts, 1)


def save_codes(folder: Path, sequences: Iterable[tuple[IntArray, IntArray, IntArray]], weights: str = "") -> None:
    """Keep what :func:`code_corpus` gave in ``folder/codes.safetensors``; written beside, then renamed.

    ``weights``: digest of those that coded it.
    """
    units, f0, speaker = zip(*sequences, strict=True)
    tensors = {
        "units": np.concatenate(units, 1),
        "f0": np.concatenate(f0),
        "speaker": np.stack(speaker),
        "frames": np.array([part.shape[1] for part in units], np.int64),
        "f0_frames": np.array([len(part) for part in f0], np.int64),
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "codes.part", {WEIGHTS: weights})
    os.replace(folder / "codes.part", folder / CODES)


def coded_by(folder: Path) -> str:
    """The digest that :func:`save_codes` was given; "" where it was given none, as by earlier versions."""
    with safe_open(folder / CODES, "numpy") as file:
        return (file.metadata() or {}).get(WEIGHTS, "")


def load_codes(folder: Path) -> list[tuple[IntArray, IntArray, IntArray]]:
    """Inverse of :func:`save_codes`."""
    tensors = load_file(folder / CODES)
    units = np.split(tensors["units"], np.cumsum(tensors["frames"])[:-1], 1)
    return list(zip(units, np.split(tensors["f0"], np.cumsum(tensors["f0_frames"])[:-1]), tensors["speaker"], strict=True))


def describe(
    vocabulary: Sequence[int], stride: int, f0_codes: int, speaker: Sequence[int] = (), weights: str = ""
) -> EntropySpec:
    """The streams of a codec with codebook rows of this ``vocabulary``, a unit frame every ``stride`` log-mel frames,
    ``f0_codes``, and speaker fields of alphabets ``speaker``.

    What a symbol owes to earlier frames the network knows; tables give it what its own frame has coded before.
    """
    nearest = [tuple((row - back, 0) for back in range(1, min(row, MAX_REFERENCES) + 1)) for row in range(len(vocabulary))]
    return EntropySpec(
        rows=tuple(Stream(alphabet, context) for alphabet, context in zip(vocabulary, nearest, strict=True)),
        f0=Stream(f0_codes, ((F0, 1),)),
        speaker=(MEAN_CODES, DEVIATION_CODES, LEVEL_CODES, *speaker),
        unit_hop=HOP * stride,
        f0_hop=HOP * STRIDE,
        packet_frames=PACKET_SAMPLES // (HOP * stride),
        weights=weights,
    )


def fit(folder: Path, spec: EntropySpec, settings: Settings) -> EntropyModel:
    """Train the entropy model of ``spec`` on what :func:`save_codes` left in ``folder``, or go on, or take what is there."""
    utterances = load_codes(folder)
    net = train(spec, [(units, f0) for units, f0, _ in utterances], folder, settings)
    return net.quantize(speaker_frequencies(spec, np.stack([speaker for _, _, speaker in utterances])))


def speaker_frequencies(spec: EntropySpec, speakers: IntArray) -> NDArray[np.uint32]:
    """Frequencies of the fields' values, one field after another, of what was counted in speakers (n, fields)."""
    fields = []
    for alphabet, values in zip(spec.speaker, speakers.T, strict=True):
        seen = np.bincount(values, minlength=alphabet) / len(values)
        # Recordings elsewhere are louder, lower or stranger than these.
        fields.append(round_frequencies((1 - UNSEEN) * seen + UNSEEN / alphabet, spec.precision))
    return np.concatenate(fields)


def report(entropy: EntropyModel, utterances: Iterable[tuple[IntArray, IntArray, IntArray]]) -> dict[str, Any]:
    """Bits a second by stream over ``utterances``, packet by packet."""
    totals: dict[str, float] = {}
    seconds = 0.0
    for units, f0, speaker in utterances:
        totals["speaker"] = totals.get("speaker", 0.0) + 8 * len(entropy.pack_speaker(speaker))
        for index in range(-(-units.shape[1] // entropy.spec.packet_frames)):
            for title, cost in entropy.packet_cost(*packet_of(entropy.spec, units, f0, index)).items():
                totals[title] = totals.get(title, 0.0) + cost
        seconds += units.shape[1] * entropy.spec.unit_hop / SAMPLE_RATE
    return {title: cost / seconds for title, cost in totals.items()}
