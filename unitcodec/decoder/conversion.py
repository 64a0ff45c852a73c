"""The voice of codes: another one in its place, and the one to speak in where none is given."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bitstream import EntropyModel, InvalidCodes, SpeechCodes, UnknownModel
from bitstream.arrays import IntArray
from bitstream.entropy.find import find_sibling

from ..frames import LEVEL_CODES, REFERENCE_LEVEL, level_code

if TYPE_CHECKING:
    from ..configuration import Described
    from ..model import Model

LEVEL_FIELD = 2
"""Where the level stands among the speaker fields; see :class:`unitcodec.fields.Fields`."""


def convert(model: Described, codes: SpeechCodes, voice: IntArray) -> SpeechCodes:
    """Voice conversion: the model's codes, to be heard in ``voice``, speaker fields (fields,) of any codes of the same model.

    F0 keeps its course and takes the voice's mean and range; the level is the voice's as well.

    Raises bitstream.InvalidCodes: the voice is not of this model.
    """
    wanted = replace(codes, speaker=voice)
    entropy_of(model, codes.model).check(wanted)
    return wanted


def entropy_of(model: Described, fingerprint: str | None) -> EntropyModel:
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
