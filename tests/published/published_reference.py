"""What published checkpoints compute, written down from their layout: plain functions of a state dict, in no class of ours."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]

UNITS, F0_CODES, SPEAKERS, WIDTH = 12, 6, 5, 8
DOWN, DEPTH, GROWTH = 4, 3, 2
KERNELS = {(5, 4, 4, 2, 2): (11, 8, 8, 4, 4), (5, 4, 2, 2, 2): (11, 8, 4, 4, 4)}
"""Upsampling rates, for units at 50 and at 100 Hz -> kernels."""
FUSED, DILATIONS = (3, 5), ((1, 3, 5), (1, 2, 3))
CHANNELS = 32


@dataclass
class Vocoder:
    """A checkpoint's folder and what is in it."""

    folder: Path
    config: dict[str, Any]
    state: State

    def save(self) -> None:
        """Write both again, after a change."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "config.json").write_text(json.dumps(self.config))
        torch.save({"generator": self.state}, self.folder / "g_00000000")

    @property
    def hop(self) -> int:
        return int(self.config["code_hop_size"])

    def embed(self, code: Tensor, f0_codes: Tensor | None = None, speaker: Tensor | None = None) -> Tensor:
        """(B, n) units, F0 codes at 12.5 Hz (the last may be cut short), (B,) speakers -> what the generator is given."""
        parts = [F.embedding(code, self.state["dict.weight"]).transpose(1, 2)]
        if f0_codes is not None:
            held = F.embedding(f0_codes, self.state["f0_dict.weight"]).transpose(1, 2)
            parts.append(held.repeat_interleave(1280 // self.hop, 2)[..., : code.shape[1]])
        if speaker is not None:
            parts.append(F.embedding(speaker, self.state["spkr.weight"])[:, :, None].expand(-1, -1, code.shape[1]))
        return torch.cat(parts, 1)

    def speak(self, code: Tensor, f0_codes: Tensor | None = None, speaker: Tensor | None = None) -> Tensor:
        """-> (B, 1, hop n)."""
        x = self._conv("conv_pre", self.embed(code, f0_codes, speaker), padding=3)
        rates, kernels = self.config["upsample_rates"], self.config["upsample_kernel_sizes"]
        for stage, (rate, kernel) in enumerate(zip(rates, kernels, strict=True)):
            name = f"ups.{stage}"
            weight, bias = self._weight(name), self.state[f"{name}.bias"]
            x = F.conv_transpose1d(F.leaky_relu(x, 0.1), weight, bias, rate, (kernel - rate) // 2)
            outputs = [self._block(f"resblocks.{stage * len(FUSED) + number}", number, x) for number in range(len(FUSED))]
            x = torch.stack(outputs).mean(0)
        return torch.tanh(self._conv("conv_post", F.leaky_relu(x, 0.01), padding=3))

    def _block(self, name: str, number: int, x: Tensor) -> Tensor:
        for index, dilation in enumerate(DILATIONS[number]):
            reach = (FUSED[number] - 1) // 2
            y = self._conv(f"{name}.convs1.{index}", F.leaky_relu(x, 0.1), padding=reach * dilation, dilation=dilation)
            x = x + self._conv(f"{name}.convs2.{index}", F.leaky_relu(y, 0.1), padding=reach)
        return x

    def f0_codes(self, f0: Tensor) -> Tensor:
        """(B, 1, 16 m) normalised F0 at 200 Hz -> (B, m)."""
        book = self.state["quantizer.vq.level_blocks.0.k"]
        return (self.f0_latent(f0)[:, :, None] - book).square().sum(3).argmin(2)

    def f0_latent(self, f0: Tensor) -> Tensor:
        """(B, 1, 16 m) -> (B, m, WIDTH), what the codebook is over."""
        at = "quantizer.encoder.level_blocks.0.model"
        x = f0
        for stage in range(DOWN):
            x = self._plain(f"{at}.{stage}.0", x, stride=2, padding=1)
            for block in range(DEPTH):
                x = self._residual(f"{at}.{stage}.1.model.{block}", x, GROWTH**block)
        return self._plain(f"{at}.{DOWN}", x, padding=1).transpose(1, 2)

    def reconstruct(self, codes: Tensor) -> Tensor:
        """(B, m) -> (B, 1, 16 m)."""
        at = "quantizer.decoder.level_blocks.0.model"
        x = self._plain(f"{at}.0", self.state["quantizer.vq.level_blocks.0.k"][codes].transpose(1, 2), padding=1)
        for stage in range(1, DOWN + 1):
            for block in range(DEPTH):
                x = self._residual(f"{at}.{stage}.0.model.{block}", x, GROWTH**block)
            name = f"{at}.{stage}.1"
            x = F.conv_transpose1d(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"], 2, 1)
        return self._plain("quantizer.decoder.out", x, padding=1)

    def durations(self, code: Tensor) -> Tensor:
        """(B, n) units without repetitions -> (B, n) frames."""
        x = self.embed(code)
        for layer in (1, 2):
            x = F.relu(self._plain(f"dur_predictor.conv{layer}.0", x, padding=1)).transpose(1, 2)
            norm = f"dur_predictor.ln{layer}"
            x = F.layer_norm(x, x.shape[2:], self.state[f"{norm}.weight"], self.state[f"{norm}.bias"]).transpose(1, 2)
        logarithm = F.linear(x.transpose(1, 2), self.state["dur_predictor.proj.weight"], self.state["dur_predictor.proj.bias"])
        return torch.clamp(torch.round(torch.exp(logarithm[..., 0]) - 1).long(), min=1)

    def expected(self, path: Path, frames: int = 24, durations: bool = False) -> Path:
        """An ``.npz`` file of random inputs and what comes of them."""
        generator = torch.Generator().manual_seed(1)
        batch = 1 if durations else 2
        code = torch.randint(UNITS, (batch, frames), generator=generator)
        arrays = {"code": code}
        f0_codes = speaker = None
        if "f0_dict.weight" in self.state:
            arrays["f0"] = torch.randn(batch, 1, 4 * frames, generator=generator) * 2
            arrays["f0_codes"] = f0_codes = self.f0_codes(arrays["f0"])
        if "spkr.weight" in self.state:
            arrays["spkr"] = torch.randint(SPEAKERS, (batch, 1), generator=generator)
            speaker = arrays["spkr"][:, 0]
        if durations:
            arrays["durations"] = self.durations(code)
            code = code.repeat_interleave(arrays["durations"][0], 1)
        arrays["wave"] = self.speak(code, f0_codes, speaker)
        np.savez(path, **{name: value.numpy() for name, value in arrays.items()})
        return path

    def _weight(self, name: str) -> Tensor:
        v, g = self.state[f"{name}.weight_v"], self.state[f"{name}.weight_g"]
        return v * g / v.square().sum((1, 2), keepdim=True).sqrt()

    def _conv(self, name: str, x: Tensor, **options: int) -> Tensor:
        return F.conv1d(x, self._weight(name), self.state[f"{name}.bias"], **options)

    def _plain(self, name: str, x: Tensor, **options: int) -> Tensor:
        return F.conv1d(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"], **options)

    def _residual(self, name: str, x: Tensor, dilation: int) -> Tensor:
        y = F.relu(self._plain(f"{name}.model.1", F.relu(x), padding=dilation, dilation=dilation))
        return x + self._plain(f"{name}.model.3", y)


def polyak(folder: Path, rates: tuple[int, ...] = (5, 4, 4, 2, 2)) -> Vocoder:
    """A checkpoint as speech-resynthesis writes it: units, F0 codes with their quantizer, a table of speakers."""
    half = {
        "input_emb_width": 1,
        "output_emb_width": WIDTH,
        "levels": 1,
        "downs_t": [DOWN],
        "strides_t": [2],
        "width": WIDTH,
        "depth": DEPTH,
        "m_conv": 1.0,
        "dilation_growth_rate": GROWTH,
    }
    config = {
        **_config(3, rates),
        "f0": True,
        "f0_normalize": True,
        "f0_interp": False,
        "f0_quantizer_path": "elsewhere/g_f0_quantizer",
        "f0_quantizer": {
            "f0_vq_params": {"l_bins": F0_CODES, "emb_width": WIDTH, "mu": 0.99, "levels": 1},
            "f0_encoder_params": half,
            "f0_decoder_params": half,
        },
        "multispkr": "_",
    }
    torch.manual_seed(0)
    state = _generator(3, KERNELS[rates])
    state["f0_dict.weight"] = torch.randn(F0_CODES, WIDTH)
    state["spkr.weight"] = torch.randn(SPEAKERS, WIDTH)
    quantizer: State = {}
    down, up = "encoder.level_blocks.0.model", "decoder.level_blocks.0.model"
    _layer(quantizer, f"{down}.{DOWN}", (WIDTH, WIDTH, 3))
    _layer(quantizer, f"{up}.0", (WIDTH, WIDTH, 3))
    _layer(quantizer, "decoder.out", (1, WIDTH, 3))
    for stage in range(DOWN):
        _layer(quantizer, f"{down}.{stage}.0", (WIDTH, WIDTH if stage else 1, 4))
        _layer(quantizer, f"{up}.{stage + 1}.1", (WIDTH, WIDTH, 4))
        for block in range(DEPTH):
            for name in (f"{down}.{stage}.1.model.{block}", f"{up}.{stage + 1}.0.model.{block}"):
                _layer(quantizer, f"{name}.model.1", (WIDTH, WIDTH, 3), 0.5)
                _layer(quantizer, f"{name}.model.3", (WIDTH, WIDTH, 1), 0.5)
    vocoder = Vocoder(folder, config, {**state, **{f"quantizer.{name}": value for name, value in quantizer.items()}})
    # So that every code occurs.
    latent = vocoder.f0_latent(2 * torch.randn(1, 1, 16 * 40))[0]
    vocoder.state["quantizer.vq.level_blocks.0.k"] = latent[:: 40 // F0_CODES][:F0_CODES].clone()
    vocoder.save()
    return vocoder


def fairseq(folder: Path, durations: bool = False, speakers: bool = False) -> Vocoder:
    """A unit HiFi-GAN as fairseq's speech-to-speech translation has it."""
    rates = (5, 4, 4, 2, 2)
    config = _config(1 + speakers, rates)
    torch.manual_seed(0)
    state = _generator(1 + speakers, KERNELS[rates])
    if speakers:
        config |= {"multispkr": "from_input_file", "num_speakers": SPEAKERS}
        state["spkr.weight"] = torch.randn(SPEAKERS, WIDTH)
    if durations:
        config["dur_predictor_params"] = {
            "encoder_embed_dim": WIDTH,
            "var_pred_hidden_dim": 10,
            "var_pred_kernel_size": 3,
            "var_pred_dropout": 0.5,
        }
        _layer(state, "dur_predictor.conv1.0", (10, WIDTH, 3))
        _layer(state, "dur_predictor.conv2.0", (10, 10, 3))
        _layer(state, "dur_predictor.proj", (1, 10))
        state["dur_predictor.proj.bias"] += 1.2
        for name in ("dur_predictor.ln1", "dur_predictor.ln2"):
            state[f"{name}.weight"], state[f"{name}.bias"] = 1 + 0.1 * torch.randn(10), 0.1 * torch.randn(10)
    vocoder = Vocoder(folder, config, state)
    vocoder.save()
    return vocoder


def _config(parts: int, rates: tuple[int, ...]) -> dict[str, Any]:
    return {
        "resblock": "1",
        "upsample_rates": list(rates),
        "upsample_kernel_sizes": list(KERNELS[rates]),
        "upsample_initial_channel": CHANNELS,
        "resblock_kernel_sizes": list(FUSED),
        "resblock_dilation_sizes": [list(each) for each in DILATIONS],
        "num_embeddings": UNITS,
        "embedding_dim": WIDTH,
        "model_in_dim": parts * WIDTH,
        "code_hop_size": math.prod(rates),
        "sampling_rate": 16000,
    }


def _generator(parts: int, kernels: tuple[int, ...]) -> State:
    state: State = {"dict.weight": torch.randn(UNITS, WIDTH)}
    _normed(state, "conv_pre", (CHANNELS, parts * WIDTH, 7))
    for stage, kernel in enumerate(kernels):
        channels = CHANNELS >> stage
        _normed(state, f"ups.{stage}", (channels, channels // 2, kernel), channels // 2)
        for number, fused in enumerate(FUSED):
            for kind in ("convs1", "convs2"):
                for index in range(3):
                    shape = (channels // 2, channels // 2, fused)
                    _normed(state, f"resblocks.{stage * len(FUSED) + number}.{kind}.{index}", shape)
    _normed(state, "conv_post", (1, CHANNELS >> len(kernels), 7))
    return state


def _normed(state: State, name: str, shape: tuple[int, ...], outputs: int = 0) -> None:
    """A weight-normed layer whose length is not that of its direction."""
    _layer(state, name, shape)
    v = state.pop(f"{name}.weight")
    state[f"{name}.weight_v"] = 3 * v
    state[f"{name}.weight_g"] = v.square().sum((1, 2), keepdim=True).sqrt() * (1 + 0.2 * torch.rand(len(v), 1, 1))
    state[f"{name}.bias"] = 0.1 * torch.randn(outputs or shape[0])


def _layer(state: State, name: str, shape: tuple[int, ...], scale: float = 1.0) -> None:
    state[f"{name}.weight"] = scale * torch.randn(shape) * (shape[0] / torch.Size(shape).numel()) ** 0.5
    state[f"{name}.bias"] = 0.1 * torch.randn(shape[0])
