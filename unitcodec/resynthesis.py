"""An entry of a unit file -> codes that can be spoken: what the entry lacks is filled in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from bitstream import EntropyModel, InvalidCodes, SpeechCodes, UnknownModel
from bitstream.find import find_sibling
from bitstream.spec import SAMPLE_RATE

from .features import LEVEL_CODES, REFERENCE_LEVEL, level_code
from .intonation import fill_f0
from .model import Model
from .units import MAX_FRAMES, UnitEntry, expand

IntArray = NDArray[np.int32]

LEVEL_FIELD = 2
"""Where the level stands among the speaker fields; see :class:`unitcodec.fields.Fields`."""


def complete(model: Model, entry: UnitEntry, speaker: IntArray | None = None) -> SpeechCodes:
    """The codes of an entry.

    Durations stretch the units. Where there are none, a unit is a frame; but where nothing tells how long the whole is, no
    two neighbours are equal and the model can tell how long units last, they are taken for runs and last so long. Without
    ``num_samples`` the last frame is whole. F0 that is missing is filled in by :func:`unitcodec.intonation.fill_f0`, a missing
    speaker by :func:`default_speaker`.

    Args:
        model: the codec's.
        entry: its units must be the model's.
        speaker: (fields,), of the voice to speak in. Where the entry tells whose voice it had, see :func:`convert`.

    Raises:
        bitstream.InvalidCodes: codes of another model, outside their alphabets, or of lengths that do not fit each other.
        UnitsError: durations that are no durations.
    """
    entropy = _entropy(model, entry.model)
    spec = entropy.spec
    if entry.frame_rate is not None and abs(entry.frame_rate * spec.unit_hop - SAMPLE_RATE) > 1.0:
        raise InvalidCodes(f"units at {entry.frame_rate:g} Hz; the model's come at {SAMPLE_RATE / spec.unit_hop:g} Hz")
    entropy.check_symbols(entry.units, np.zeros(0, np.int32) if entry.f0 is None else entry.f0)
    units = entry.frames()
    if entry.durations is None and entry.num_samples is None and entry.f0 is None and is_collapsed(units):
        durations = predicted_durations(model, units)
        units = units if durations is None else expand(units, durations)
    num_samples = units.shape[1] * spec.unit_hop if entry.num_samples is None else entry.num_samples
    f0 = fill_f0(entropy, units, num_samples) if entry.f0 is None else entry.f0
    own = speaker if entry.speaker is None else entry.speaker
    codes = SpeechCodes(units, f0, default_speaker(model, entropy) if own is None else own, num_samples, entropy.fingerprint)
    entropy.check(codes)
    return codes if speaker is None or entry.speaker is None else convert(model, codes, speaker)


def convert(model: Model, codes: SpeechCodes, voice: IntArray) -> SpeechCodes:
    """Voice conversion: the model's codes, to be heard in ``voice``, speaker fields (fields,) of any codes of the same model.

    F0 keeps its course and takes the voice's mean and range; the level is the voice's as well.

    Raises bitstream.InvalidCodes: the voice is not of this model.
    """
    wanted = replace(codes, speaker=voice)
    _entropy(model, codes.model).check(wanted)
    return wanted


def _entropy(model: Model, fingerprint: str | None) -> EntropyModel:
    """The entropy model of that fingerprint whose codes are the model's; the model's own for None."""
    if fingerprint is None:
        return model.entropy
    try:
        return find_sibling(model.entropy, fingerprint)
    except UnknownModel as error:
        raise InvalidCodes(f"codes of model {fingerprint!r:.40}; {model.entropy.fingerprint} is loaded") from error


def default_speaker(model: Model, entropy: EntropyModel) -> IntArray:
    """The voice that a model with a table of them sends by default; the typical one of any other model."""
    speaker = typical_speaker(entropy)
    voice = model.networks.speaker.voice
    if voice is not None:
        speaker[LEVEL_FIELD + 1] = voice
    return speaker


def typical_speaker(entropy: EntropyModel) -> IntArray:
    """For each speaker field its most probable value; where the model has no opinion the middle one, at the reference level."""
    alphabets = entropy.spec.speaker
    if entropy.speaker_frequencies is not None:
        fields = np.split(entropy.speaker_frequencies, np.cumsum(alphabets)[:-1]) if alphabets else []
        return np.array([field.argmax() for field in fields], np.int32)
    middle = np.array([alphabet // 2 for alphabet in alphabets], np.int32)
    if alphabets[LEVEL_FIELD : LEVEL_FIELD + 1] == (LEVEL_CODES,):
        middle[LEVEL_FIELD] = level_code(REFERENCE_LEVEL)
    return middle


def is_collapsed(units: IntArray) -> bool:
    """Whether no two neighbouring columns of units (rows, n) are equal: then they are runs, or very few frames."""
    return bool((units[:, 1:] != units[:, :-1]).any(0).all())


def predicted_durations(model: Model, units: IntArray) -> IntArray | None:
    """Frames that each of the units (rows, n) lasts, (n,), at least 1; None where the model cannot tell."""
    device = next(model.networks.parameters()).device
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        frames = model.networks.generator.durations(torch.from_numpy(np.array(units)).long()[None].to(device))
    return None if frames is None else frames[0].double().round().clamp(1, MAX_FRAMES).cpu().numpy().astype(np.int32)
