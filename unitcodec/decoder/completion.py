"""An entry of a unit file -> codes that can be spoken: what the entry lacks is filled in."""

from __future__ import annotations

import numpy as np
import torch

from bitstream import InvalidCodes, SpeechCodes
from bitstream.arrays import IntArray
from bitstream.entropy.spec import SAMPLE_RATE

from ..formats.unit_files import MAX_FRAMES, UnitEntry, expand
from ..model import Model
from .conversion import convert, default_speaker, entropy_of
from .intonation import fill_f0


def complete(model: Model, entry: UnitEntry, speaker: IntArray | None = None) -> SpeechCodes:
    """The codes of an entry.

    Durations stretch the units. Where there are none, a unit is a frame; but where nothing tells how long the whole is, no
    two neighbours are equal and the model can tell how long units last, they are taken for runs and last so long. Without
    ``num_samples`` the last frame is whole. F0 that is missing is filled in by :func:`.fill_f0`, a missing speaker
    by :func:`default_speaker`.

    Args:
        model: the codec's.
        entry: its units must be the model's.
        speaker: (fields,), of the voice to speak in. Where the entry tells whose voice it had, see :func:`convert`.

    Raises:
        bitstream.InvalidCodes: codes of another model, outside their alphabets, or of lengths that do not fit each other.
        UnitsError: durations that are no durations.
    """
    entropy = entropy_of(model, entry.model)
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


def is_collapsed(units: IntArray) -> bool:
    """Whether no two neighbouring columns of units (rows, n) are equal: then they are runs, or very few frames."""
    return bool((units[:, 1:] != units[:, :-1]).any(0).all())


def predicted_durations(model: Model, units: IntArray) -> IntArray | None:
    """Frames that each of the units (rows, n) lasts, (n,), at least 1; None where the model cannot tell."""
    device = next(model.networks.parameters()).device
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        frames = model.networks.generator.durations(torch.from_numpy(np.array(units)).long()[None].to(device))
    return None if frames is None else frames[0].double().round().clamp(1, MAX_FRAMES).cpu().numpy().astype(np.int32)
