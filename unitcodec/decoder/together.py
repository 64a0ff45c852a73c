"""Several streams, decoded piece by piece side by side: each sounds as it does alone.

The n-th pieces of all of them lie at one place, and go through mel decoder and generator as rows of one batch. Shorter rows are
filled up, and behind the end of each every convolution sees zeros, as it does alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bitstream import SpeechCodes
from bitstream.arrays import IntArray

from ..arrays import FloatArray
from ..fields import Fields
from ..frames import HOP
from ..model import Model, Networks
from ..vocoder.excitation import excite_each
from ..vocoder.spectral import SpectralGenerator
from ..vocoder.speech import ExcitedSpeech, frames_of, own_frames
from .mel import decode_pitch
from .packets import packets_of
from .piece import NetworkVoice
from .stream import Piece, StreamDecoder

STREAMS = 16
"""Spoken side by side, at most: memory does not grow with how many there are."""


def side_by_side(networks: Networks) -> bool:
    """Whether that is worth it: on a GPU, with the generator that can do it."""
    return isinstance(networks.generator, SpectralGenerator) and next(networks.parameters()).device.type != "cpu"


def decode_together(model: Model, networks: Networks, codes: Sequence[SpeechCodes]) -> list[FloatArray]:
    """Codes of any lengths -> waveforms (num_samples,) in their order, those of like length side by side.

    ``networks`` are the model's own in float32, on the device of choice, with a :class:`.SpectralGenerator`.
    """
    waves: dict[int, FloatArray] = {}
    order = sorted(range(len(codes)), key=lambda index: codes[index].num_samples)
    for first in range(0, len(order), STREAMS):
        chosen = order[first : first + STREAMS]
        for index, wave in zip(chosen, _decode(model, networks, [codes[index] for index in chosen]), strict=True):
            waves[index] = wave
    return [waves[index] for index in range(len(codes))]


def _decode(model: Model, networks: Networks, codes: Sequence[SpeechCodes]) -> list[FloatArray]:
    voices = [NetworkVoice(networks, Fields.from_codes(one.speaker)) for one in codes]
    decoders = [StreamDecoder(model, voice, voice.decoded.fields) for voice in voices]
    blocks: list[list[FloatArray]] = [[np.zeros(0, np.float32)] for _ in codes]
    planned = [each.pieces(packets_of(one, model.entropy.spec)) for each, one in zip(decoders, codes, strict=True)]
    for pieces in zip_longest(*planned):
        heard = {index: piece for index, piece in enumerate(pieces) if piece is not None and not piece.silent}
        spoken = dict(zip(heard, speak_together([voices[index] for index in heard], list(heard.values())), strict=True))
        for index, piece in enumerate(pieces):
            if piece is not None:
                blocks[index].append(decoders[index].finish(piece, spoken.get(index)))
    return [np.concatenate(each)[: one.num_samples] for each, one in zip(blocks, codes, strict=True)]


@torch.inference_mode()
def speak_together(voices: Sequence[NetworkVoice], pieces: Sequence[Piece]) -> list[FloatArray]:
    """Pieces of streams, one each, that begin at the same place -> their samples, see :meth:`.Voice.speak`."""
    if not pieces:
        return []
    source, low = voices[0].decoded, pieces[0].low
    networks, device, stride = source.networks, source.device, source.unit_hop // HOP
    generator, speeches = networks.generator, cast(list[ExcitedSpeech], [voice.speech for voice in voices])
    assert isinstance(generator, SpectralGenerator)
    fields = [voice.decoded.fields for voice in voices]
    units, f0 = (_rows(rows).to(device) for rows in ([piece.units for piece in pieces], [piece.f0 for piece in pieces]))
    lengths = torch.tensor([piece.units.shape[1] for piece in pieces], device=device)
    there = (torch.arange(units.shape[2], device=device) < lengths[:, None]).float()[:, None]
    own, begin, end = own_frames(generator, source, pieces[0].begin, max(piece.end for piece in pieces))
    # In float32 whatever the caller casts to, as for one.
    with torch.autocast(device.type, enabled=False):
        # F0 is summed up to a phase, where its last bits are heard: of one stream at a time they are those that it has alone.
        tracks = [
            _track(networks, codes[None, : len(piece.f0)], each, piece.units.shape[1] * stride, units.shape[2] * stride)
            for codes, piece, each in zip(f0, pieces, fields, strict=True)
        ]
        features, hz = torch.cat(tracks).split([3, 1], 1)
        voice = networks.speaker.decode(torch.tensor([each.voice for each in fields], device=device))
        mel = networks.decoder(networks.content.values(units), features, voice, own, there)
        decoded, part = slice(own.start * stride, own.stop * stride), frames_of(generator, begin, end)
        features, hz, there = (each[..., decoded] for each in (features, hz, there.repeat_interleave(stride, 2)))
        first = part.start * HOP
        samples = slice(first, min(end + generator.context * HOP, mel.shape[2] * HOP))
        ends = [begin + piece.end - piece.begin for piece in pieces]
        position = (low + own.start) * source.unit_hop + first
        phases = [speech.phase for speech in speeches]
        pulses, noise, phases = excite_each(hz[:, 0], features[:, 2], phases, begin, ends, samples, position)
        for speech, phase in zip(speeches, phases, strict=True):
            speech.phase = phase
        there = there[..., part]
        audible = there[:, 0].repeat_interleave(HOP, 1)
        waves = generator.generate(mel[..., part], features[..., part], pulses * audible, noise * audible, there)
        spoken: FloatArray = waves[:, begin - first : end - first].cpu().numpy()
    return [wave[: piece.end - piece.begin] for wave, piece in zip(spoken, pieces, strict=True)]


def _rows(codes: Sequence[IntArray]) -> Tensor:
    """Codes (..., m) of several m -> one batch of them, int64, with zeros behind the shorter ones."""
    rows = np.zeros((len(codes), *codes[0].shape[:-1], max(each.shape[-1] for each in codes)), np.int64)
    for row, each in zip(rows, codes, strict=True):
        row[..., : each.shape[-1]] = each
    return torch.from_numpy(rows)


def _track(networks: Networks, f0: Tensor, fields: Fields, frames: int, most: int) -> Tensor:
    """F0 codes (1, m) -> pitch features and F0 in Hz of so many frames, (1, 4, most); the last one is held."""
    features, hz = decode_pitch(networks, f0, fields)
    return F.pad(torch.cat([features, hz[:, None]], 1)[..., :frames], (0, most - frames), mode="replicate")
