"""A model of random weights, small enough to be loaded many times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch

from bitstream import EntropySpec, Stream, fit_tables
from unitcodec.configuration import ModelConfig
from unitcodec.features import log_mel
from unitcodec.frames import normalise
from unitcodec.model import Networks, digest, save, stored


def make_narrow(folder: Path, speech: Path) -> Path:
    """Write a model folder with narrow networks: its codes mean nothing, and everything else holds."""
    levels, f0_codes = (7, 5, 4, 3), 12
    config = ModelConfig(
        name="narrow",
        content={"levels": levels, "channels": (16, 24)},
        pitch={"codes": f0_codes, "channels": 16, "code_channels": 4},
        speaker={"channels": 16, "blocks": 1},
        decoder={"rows": len(levels), "channels": (24, 16)},
        generator={"kind": "spectral", "channels": 16, "blocks": 3},
        voice_search=2,
    )
    torch.manual_seed(0)
    networks = Networks(config).eval()
    wave = torch.from_numpy(soundfile.read(speech, dtype="float32", frames=64000)[0])[None]
    with torch.no_grad():
        # Without training all values lie together: spread, so that every code occurs and the least difference shows.
        mel, head = normalise(log_mel(wave)), networks.content.head[-1]
        latent = networks.content.latent(mel)
        head.weight.div_(latent.std((0, 2))[:, None, None])
        head.bias.sub_(latent.mean((0, 2))).div_(latent.std((0, 2)))
        networks.speaker.head.weight.mul_(4)
        track = torch.stack([2 * torch.randn(400).repeat_interleave(4), torch.randn(400).repeat_interleave(4).sign()])[None]
        networks.pitch.quantizer.codebook.copy_(networks.pitch.latent(track)[0].T[:: 200 // f0_codes][:f0_codes])
        networks.pitch.head.weight.mul_(3)
    rng = np.random.default_rng(0)
    codes = [(np.stack([rng.integers(n, size=640) for n in levels]), rng.integers(f0_codes, size=320)) for _ in range(20)]
    spec = EntropySpec(
        rows=(Stream(levels[0], ((0, 1),)), *(Stream(n) for n in levels[1:])),
        f0=Stream(f0_codes, (("f0", 1),)),
        speaker=(64, 8, 64, *[4] * 32),
        weights=digest(stored(networks)),
    )
    save(folder, config, networks, fit_tables(codes, spec))
    return folder
