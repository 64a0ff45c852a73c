"""FocalCodec at 50 Hz (Della Libera et al. 2025, arXiv 2502.04465): one codebook of 13 bits. Its shape alone, for speed.

WavLM-large's first six layers, a compressor and a decompressor of focal modulation (Yang et al. 2022, arXiv 2203.11926), binary
spherical quantization, and a Vocos decoder (Siuzdak 2023, arXiv 2306.00814), of the widths of the authors' code; 142.1 M
parameters, as the published 50 Hz model has. Written for time: its weights are random, and published ones do not fit by their
names. The windows of the focal modulation, 7 and 9 frames, are not checked against it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.errors import Gap
from benchmarks.peers.neural import Neural
from benchmarks.peers.peer import Coded, Peer
from benchmarks.waveform import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

WIDTHS = (1024, 512, 256)
"""Of the compressor's blocks; the decompressor has them the other way round."""
BITS, HOP = 13, 320


def _build() -> Any:
    import torch
    import torch.nn.functional as F
    from torch import nn
    from transformers import WavLMConfig, WavLMModel

    class FocalModulation(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.split = [width, width, 3]
            self.enter, self.mix, self.leave = nn.Linear(width, 2 * width + 3), nn.Linear(width, width), nn.Linear(width, width)
            self.windows = nn.ModuleList(nn.Conv1d(width, width, size, padding="same", groups=width) for size in (7, 9))

        def forward(self, x: Tensor) -> Tensor:
            query, context, gates = self.enter(x).split(self.split, 2)
            total: Tensor | float = 0.0
            for level, window in enumerate(self.windows):
                context = F.gelu(window(context.transpose(1, 2))).transpose(1, 2)
                total = total + context * gates[..., level : level + 1]
            total = total + F.gelu(context.mean(1, keepdim=True)) * gates[..., 2:]
            return self.leave(query * self.mix(total))

    class FocalBlock(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
            self.modulation = FocalModulation(width)
            self.layers = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Tensor) -> Tensor:
            x = x + self.modulation(self.norms[0](x))
            return x + self.layers(self.norms[1](x))

    class Snake(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.rate = nn.Parameter(torch.ones(width))

        def forward(self, x: Tensor) -> Tensor:
            return x + (self.rate * x).sin().square() / self.rate

    class ConvNeXt(nn.Module):
        def __init__(self, width: int, inner: int) -> None:
            super().__init__()
            self.spread, self.norm = nn.Conv1d(width, width, 7, padding=3, groups=width), nn.LayerNorm(width)
            self.layers = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))
            self.scale = nn.Parameter(torch.full((width,), 0.125))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.scale * self.layers(self.norm(self.spread(x.transpose(1, 2)).transpose(1, 2)))

    class FocalCodec(nn.Module):
        window: Tensor

        def __init__(self) -> None:
            super().__init__()
            large = WavLMConfig(
                hidden_size=WIDTHS[0],
                intermediate_size=4 * WIDTHS[0],
                num_hidden_layers=6,
                num_attention_heads=16,
                feat_extract_norm="layer",
                do_stable_layer_norm=True,
                apply_spec_augment=False,
            )
            self.encoder: Any = WavLMModel(large)
            pairs = list(zip((WIDTHS[0], *WIDTHS), WIDTHS, strict=False))
            down = [nn.Sequential(nn.Linear(i, o), Snake(o), FocalBlock(o)) for i, o in pairs]
            up = [nn.Sequential(FocalBlock(o), Snake(o), nn.Linear(o, i)) for i, o in reversed(pairs)]
            self.compressor = nn.Sequential(*down, nn.Linear(WIDTHS[-1], BITS))
            self.decompressor = nn.Sequential(nn.Linear(BITS, WIDTHS[-1]), *up)
            self.embed = nn.Conv1d(WIDTHS[0], 512, 7, padding=3)
            self.vocos = nn.Sequential(nn.LayerNorm(512), *(ConvNeXt(512, 1536) for _ in range(8)), nn.LayerNorm(512))
            self.head = nn.Linear(512, 1026)
            self.register_buffer("window", torch.hann_window(1024))

        def encode(self, waveform: Tensor) -> Tensor:
            """(1, T) -> whether each bit is set, (1, T / 320, 13)."""
            # WavLM's front end sees 400 samples: with these there is a frame to every 320.
            seen: Tensor = self.encoder(F.pad(waveform, (40, 40))).last_hidden_state
            bits: Tensor = self.compressor(seen) > 0
            return bits

        def decode(self, bits: Tensor) -> Tensor:
            """Inverse of :meth:`encode`."""
            hidden = self.decompressor((2.0 * bits - 1.0) * BITS**-0.5)
            size, phase = self.head(self.vocos(self.embed(hidden.transpose(1, 2)).transpose(1, 2))).chunk(2, 2)
            spectrum = torch.polar(size.exp().clamp(max=100.0), phase).transpose(1, 2)
            frames = torch.fft.irfft(spectrum, dim=1) * self.window[:, None]
            length = HOP * (frames.shape[2] - 1) + 1024
            total, weight = (
                F.fold(each, (1, length), (1, 1024), stride=(1, HOP))[:, 0, 0, 352:-352]
                for each in (frames, self.window.square()[None, :, None].expand_as(frames))
            )
            return total / weight

    return FocalCodec()


def _speak(model: Any, waveform: Tensor, codebooks: int) -> tuple[list[Tensor], Tensor]:
    bits = model.encode(waveform[0])
    return [(bits << _places(bits)).sum(2)], model.decode(bits)


def _places(bits: Tensor) -> Tensor:
    import torch

    return torch.arange(bits.shape[2])


FOCALCODEC = Neural("transformers", "WavLMModel", "lucadellalib/focalcodec_50hz", 16000, HOP, BITS, _build, _speak)


def _gap() -> str:
    return "only its shape is here, for speed"


def _code(waveform: FloatArray) -> Coded:
    raise Gap(_gap())


def _untrained() -> Callable[[FloatArray], Coded]:
    return FOCALCODEC.peer("", 1).untrained()  # type: ignore[misc]


PEERS: dict[str, Peer] = {
    "focalcodec-0.65k": Peer(
        "FocalCodec 0.65 kbit/s",
        _code,
        _gap,
        _untrained,
        counted="codes of fixed length, without a container",
        left_out="container: header, exact length, checksum",
        bits=partial(FOCALCODEC.bits, 1),
    )
}
