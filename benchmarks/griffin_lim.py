"""Griffin-Lim: a log-mel spectrogram back to speech without a learned vocoder, the line any vocoder has to beat.

Griffin and Lim 1984, *Signal estimation from modified short-time Fourier transform*, with the momentum of Perraudin,
Balazs and Sondergaard 2013.

    python -m benchmarks.griffin_lim --data talks/manifest.tsv --out runs/griffin-lim
    unitcodec bench quality --data talks --out runs/quality --decoded griffin-lim=runs/griffin-lim

The first line speaks the true log-mel of every utterance, with ``--model NAME`` the one that a model predicts from its codes.
The first shows what Griffin-Lim loses, the difference between the two what the code loses, and that between the second and the
model's own speech what its vocoder loses or mends.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import load
from benchmarks.waveform import SAMPLE_RATE, FloatArray, fit, read, write

if TYPE_CHECKING:
    from unitcodec.codec import Codec

Array = NDArray[np.floating]


@dataclass(frozen=True)
class MelSpec:
    """How the log-mel was made: ``log(|STFT| @ filters.T + floor)``, frame ``i`` centred on sample ``hop * i``.

    ``filters`` is (bands, fft // 2 + 1) with every scale factor in it; ``window`` is a Hann window's length in samples.
    """

    filters: NDArray[np.float64]
    fft: int = 1024
    window: int = 640
    hop: int = 160
    floor: float = 5e-5

    @classmethod
    def reference(cls) -> MelSpec:
        """The definition in ``unitcodec.features``, its factors read off ``log_mel`` itself."""
        from unitcodec.frames import FFT, FLOOR, HOP, WINDOW, mel_filters

        return cls(mel_filters() * (10.0 * 2.0 / WINDOW), FFT, WINDOW, HOP, FLOOR)

    def hann(self) -> NDArray[np.float64]:
        """The periodic Hann window ``(window,)``."""
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / self.window)

    def stft(self, waveform: Array, frames: int) -> NDArray[np.complexfloating]:
        """``(frames, fft // 2 + 1)``; samples outside the waveform count as zero."""
        left = self.window // 2
        padded = np.pad(waveform, (left, max(0, (frames - 1) * self.hop + left - len(waveform))))
        blocks = np.lib.stride_tricks.sliding_window_view(padded, self.window)[:: self.hop][:frames]
        return np.fft.rfft(blocks * self.hann(), self.fft)

    def istft(self, spectrum: NDArray[np.complexfloating]) -> Array:
        """Least-squares inverse of :meth:`stft` (Griffin and Lim 1984, eq. 6): ``(frames * hop,)``."""
        frames, left, window = len(spectrum), self.window // 2, self.hann()
        blocks = np.fft.irfft(spectrum, self.fft)[:, : self.window] * window
        total, weight = np.zeros((2, (frames - 1) * self.hop + self.window + self.hop))
        for i, block in enumerate(blocks):
            total[i * self.hop : i * self.hop + self.window] += block
            weight[i * self.hop : i * self.hop + self.window] += window**2
        return (total / np.maximum(weight, 1e-8))[left : left + frames * self.hop]

    def log_mel(self, waveform: Array) -> NDArray[np.float64]:
        """The log-mel ``(bands, frames)`` of a waveform ``(T,)``, ``ceil(T / hop)`` frames."""
        magnitude = np.abs(self.stft(waveform, -(-len(waveform) // self.hop)))
        return np.log(magnitude @ self.filters.T + self.floor).T


def magnitudes(mel: Array, spec: MelSpec, iterations: int = 30) -> NDArray[np.float64]:
    """Log-mel ``(bands, frames)`` -> STFT magnitudes ``(frames, bins)``, none negative, whose mel is the given one.

    Multiplicative updates for non-negative least squares (Lee and Seung 2001) from a flat start within each band.
    """
    target = np.maximum(np.exp(mel.T.astype(np.float64)) - spec.floor, 0.0)
    # Flat within a band: every bin takes the bands' mean height, weighted by the bands' hold on it.
    hold = spec.filters / np.maximum(spec.filters.sum(axis=1, keepdims=True), 1e-12)
    share = spec.filters / np.maximum(spec.filters.sum(axis=0, keepdims=True), 1e-12)
    magnitude = (target / np.maximum(spec.filters.sum(axis=1), 1e-12)) @ share + 1e-9
    for _ in range(iterations):
        magnitude *= (target @ hold) / np.maximum((magnitude @ spec.filters.T) @ hold, 1e-12)
    return magnitude


def griffin_lim(
    mel: Array, spec: MelSpec, samples: int | None = None, iterations: int = 50, momentum: float = 0.99, seed: int = 0
) -> FloatArray:
    """Log-mel ``(bands, frames)`` -> waveform ``(samples,)``, from random phases of ``seed``; default ``frames * hop``."""
    magnitude = magnitudes(mel, spec)
    angle = np.exp(2j * np.pi * np.random.default_rng(seed).random(magnitude.shape))
    previous = np.zeros_like(angle)
    for _ in range(iterations):
        rebuilt = spec.stft(spec.istft(magnitude * angle), len(magnitude))
        # Only the phase is kept, so the step may be scaled: (1 + momentum) * rebuilt - momentum * previous.
        angle = rebuilt - momentum / (1 + momentum) * previous
        angle /= np.maximum(np.abs(angle), 1e-16)
        previous = rebuilt
    waveform = spec.istft(magnitude * angle).astype(np.float32)
    return waveform if samples is None else fit(waveform, samples)


def predicted_mel(codec: Codec, waveform: FloatArray) -> Array:
    """Waveform ``(T,)`` -> the log-mel ``(bands, frames)`` that the codec predicts from its codes, at the waveform's level."""
    import torch

    from unitcodec.decoder.mel import decode_mel
    from unitcodec.fields import Fields
    from unitcodec.frames import denormalise, level_gain

    codes = codec.encode(waveform, 16000)
    fields = Fields.from_codes(codes.speaker)
    units, f0 = (torch.from_numpy(part.astype(np.int64))[None] for part in (codes.units, codes.f0))
    with torch.inference_mode():
        mel, _, _ = decode_mel(codec.model.networks, units, f0, fields)
    return np.asarray(denormalise(mel)[0].numpy() - np.log(level_gain(fields.level)))


def main(argv: list[str] | None = None) -> int:
    """Speak a corpus's log-mels into a folder that ``unitcodec bench quality --decoded`` takes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.griffin_lim", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="manifest, or its folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for STEM.wav")
    parser.add_argument("--model", help="speak the log-mel that this model (name or folder) predicts; default: the true one")
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--limit", type=int, help="only N utterances, evenly spaced")
    options = parser.parse_args(argv)
    spec, codec = MelSpec.reference(), None
    if options.model is not None:
        import unitcodec

        codec = unitcodec.load(options.model, device="cpu")
    for utterance in load(options.data, options.limit):
        waveform = read(utterance.path)
        mel = spec.log_mel(waveform) if codec is None else predicted_mel(codec, waveform)
        spoken = griffin_lim(mel, spec, samples=len(waveform), iterations=options.iterations)
        write(options.out / f"{utterance.name}.wav", spoken)
        print(utterance.name, len(waveform) / SAMPLE_RATE, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
