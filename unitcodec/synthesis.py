"""Codes -> waveform, piece by piece: the decoder's side, in memory that does not grow with duration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bitstream import Packet

from .analysis import Fields
from .features import HOP, level_gain
from .model import Model, Networks
from .pitch.vqvae import mean_and_deviation
from .vocoder import excitation
from .vocoder.mel_decoder import F0_RANGE, pitch_features

PIECE = 4
"""Packets synthesised at once: about 10 s."""

FADE = 160
"""Samples (10 ms) of fade at the borders of a lost packet."""

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]


def decode_pitch(networks: Networks, f0: Tensor, fields: Fields) -> tuple[Tensor, Tensor]:
    """F0 codes (1, m) -> pitch features (1, 3, 8 m) and F0 (1, 8 m) in Hz, positive also where unvoiced."""
    output = networks.pitch.decode(f0[:, None])
    mean, deviation = (output.new_tensor([value]) for value in mean_and_deviation(fields.mean, fields.deviation))
    track = torch.stack([output[:, 0], (output[:, 1] > 0).to(output.dtype)], 1)
    hz = torch.exp(track[:, 0] * deviation[:, None] + mean[:, None]).clamp(*F0_RANGE)
    return pitch_features(track, mean, deviation), hz


class Synthesis:
    """The decoder of one stream.

    Each piece is computed with so much of its surroundings that the result does not depend on where the pieces begin; the
    oscillator's phase is carried over and the noise is a function of the sample's position.
    """

    def __init__(self, model: Model, networks: Networks, fields: Fields):
        """``networks`` are the model's own in float32, on the device of choice."""
        self.networks, self.fields = networks, fields
        self.spec = model.entropy.spec
        self.device = next(networks.parameters()).device
        self.ratio = self.spec.f0_hop // self.spec.unit_hop
        # Unit frames around a piece: generator, mel decoder and F0 decoder, one after the other, in whole F0 codes.
        generator = -(-networks.generator.context * HOP // self.spec.unit_hop)
        needed = generator + networks.decoder.context + networks.pitch.decoder_context * self.ratio
        self.context = -(-needed // self.ratio) * self.ratio
        self.gain = np.float32(10.0 ** (model.config.gain_db / 20.0) / level_gain(fields.level))
        self.phase = 0.0

    def run(self, packets: Iterable[Packet]) -> Iterator[FloatArray]:
        """Waveform at 16 kHz in blocks of float32, whole unit frames: whoever knows the exact length cuts the last one."""
        units = np.zeros((len(self.spec.rows), 0), np.int32)
        f0 = np.zeros(0, np.int32)
        lost = np.zeros(0, bool)
        start = done = received = 0  # unit frame of units[:, 0]; unit frames already spoken; and at hand
        size = PIECE * self.spec.packet_frames
        incoming: Iterator[Packet] | None = iter(packets)
        while True:
            while incoming is not None and received < done + size + self.context:
                packet = next(incoming, None)
                if packet is None:
                    incoming = None
                    break
                units = np.concatenate([units, packet.units], 1)
                f0 = np.concatenate([f0, packet.f0])
                lost = np.concatenate([lost, np.full(packet.units.shape[1], packet.lost)])
                received += packet.units.shape[1]
            stop = min(done + size, received)
            if stop == done:
                return
            low, high = max(0, done - self.context), min(received, stop + self.context)
            pitch_low = low // self.ratio
            yield self._piece(
                units[:, low - start : high - start],
                f0[pitch_low - start // self.ratio : -(-high // self.ratio) - start // self.ratio],
                lost[low - start : high - start],
                low,
                done,
                stop,
            )
            done = stop
            keep = max(0, done - self.context)
            units, lost, f0 = units[:, keep - start :], lost[keep - start :], f0[(keep - start) // self.ratio :]
            start = keep

    @torch.inference_mode()
    def _piece(self, units: IntArray, f0: IntArray, lost: NDArray[np.bool_], low: int, first: int, stop: int) -> FloatArray:
        """Codes from unit frame ``low`` on -> samples of the unit frames [first, stop)."""
        hop = self.spec.unit_hop
        hold = nearest_kept(lost)
        networks = self.networks
        symbols = torch.from_numpy(np.ascontiguousarray(units[:, hold])).long()[None].to(self.device)
        pitch_hold = np.minimum(hold[:: self.ratio] // self.ratio, len(f0) - 1)
        features, hz = decode_pitch(networks, torch.from_numpy(f0[pitch_hold]).long()[None].to(self.device), self.fields)
        frames = units.shape[1] * hop // HOP
        features, hz = features[..., :frames], hz[:, :frames]
        voice = torch.tensor([self.fields.voice], device=self.device)
        mel = networks.decoder(networks.content.values(symbols), features, networks.speaker.decode(voice))
        hz = excitation.sample_f0(hz)
        # The phase is counted from this piece's first own sample; its surroundings run on to both sides.
        begin, end = (first - low) * hop, (stop - low) * hop
        cycles = torch.cumsum(hz.double() / 16000.0, 1)
        origin = cycles[:, begin - 1] if begin else torch.zeros_like(cycles[:, 0])
        cycles = torch.remainder(cycles - origin[:, None] + self.phase, 1.0)
        self.phase = float(cycles[0, end - 1])
        pulses = excitation.voiced_pulses(hz, cycles, features[:, 2])
        noise = excitation.white_noise(low * hop, pulses.shape[1], self.device)[None]
        waveform = networks.generator.generate(mel, features, pulses, noise)[0, begin:end]
        result = waveform.cpu().numpy() * self.gain
        if lost.any():
            # Over the surroundings too: a packet lost at a piece's border fades on both sides of it.
            result = result * mute_curve(np.repeat(lost, hop))[begin:end]
        return np.asarray(result, np.float32)


def nearest_kept(lost: NDArray[np.bool_]) -> NDArray[np.intp]:
    """For each frame the index of the nearest one not lost (itself if none is left): neighbours must not see the hole."""
    kept = np.flatnonzero(~lost)
    if len(kept) == 0 or len(kept) == len(lost):
        return np.arange(len(lost))
    position = np.arange(len(lost))
    after = np.minimum(np.searchsorted(kept, position), len(kept) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(kept[after] - position) <= np.abs(kept[before] - position), kept[after], kept[before])


def mute_curve(lost: NDArray[np.bool_]) -> FloatArray:
    """Samples lost (n,) -> gain (n,): 0 over what was lost, ramps of 10 ms outside it."""
    kernel = np.hanning(2 * FADE + 1)
    reach = np.convolve(np.pad(lost, FADE, mode="edge").astype(np.float64), kernel / kernel.sum(), "valid")
    return np.clip(1.0 - 2.0 * reach, 0.0, 1.0).astype(np.float32) * ~lost


def speak(synthesis: Synthesis, packets: Iterable[Packet], num_samples: int) -> FloatArray:
    """Everything at once: (num_samples,) float32."""
    blocks = list(synthesis.run(packets))
    return np.concatenate(blocks)[:num_samples] if blocks else np.zeros(0, np.float32)
