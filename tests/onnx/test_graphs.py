"""What is computed in NumPy beside the graphs is what PyTorch computes: networks in float64, derivatives by hand, spectra."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from unitcodec.configuration import ModelConfig
from unitcodec.content.parts import Parts
from unitcodec.content.whisper import whisper_mel
from unitcodec.decoder.mel import decode_f0
from unitcodec.encoder.excerpt import SMOOTH
from unitcodec.features import log_mel
from unitcodec.model import Networks, load
from unitcodec.onnx import layers, spectra
from unitcodec.onnx.exact import Exact
from unitcodec.onnx.scalar import BoundedScalar
from unitcodec.onnx.weights import Weights
from unitcodec.quantize import FSQ, SteppedFSQ
from unitcodec.vocoder.spectral import SpectralGenerator


def _exact(folder: Path) -> Exact:
    config = ModelConfig.read(folder / "config.json")
    return Exact(Weights(folder / "model.safetensors", 2**29), config, 4)


@pytest.fixture(params=["narrow_folder", "default_model"])
def models(request: pytest.FixtureRequest) -> tuple[Path, Networks]:
    """A model's folder, and its networks in float64."""
    folder: Path = request.getfixturevalue(request.param)
    return folder, load(folder).networks.double()


@pytest.mark.parametrize("frames", [8, 128])
def test_the_slope_is_that_of_the_error(models: tuple[Path, Networks], frames: int) -> None:
    folder, networks = models
    torch.manual_seed(0)
    fields = networks.speaker.channels
    units = torch.randint(2, (1, len(networks.content.vocabulary), frames // 4))
    features, mel = torch.randn(1, 3, frames).double(), torch.randn(1, 80, frames).double()
    vector = torch.randn(1, fields).double().requires_grad_(True)
    values = networks.content.values(units).double()
    (wanted,) = torch.autograd.grad(F.smooth_l1_loss(networks.decoder(values, features, vector), mel, beta=SMOOTH), vector)
    given = [each[0].T.numpy() for each in (values, features, mel)]
    found = _exact(folder).slope()(given[0], given[1], given[2], vector.detach().numpy())
    assert np.allclose(found, wanted.numpy(), rtol=1e-9, atol=1e-15)


def test_what_float64_decides(models: tuple[Path, Networks]) -> None:
    folder, networks = models
    exact, content = _exact(folder), cast(Any, networks.content)
    rng = np.random.default_rng(0)
    mel, heard, track = rng.normal(size=(40, 80)), rng.normal(size=(96, 80)), rng.normal(size=(160, 2))
    given = [torch.from_numpy(each.T)[None] for each in (mel, heard, track)]
    levels = content.quantizer.levels.double().numpy()
    with torch.no_grad():
        if content.hears == "waveform":
            parts = Parts(slice(4, 14), slice(2, 16), slice(3, 15))
            latent = content.latent_seen(given[1], given[0], parts.listened, parts.within)
            found = exact.content(mel, levels, heard, parts)
        else:
            latent, found = content.latent(given[0]), exact.content(mel, levels)
        assert np.abs(found.T - content.quantizer.bound(latent)[0].numpy()).max() < 1e-11
        fields = networks.speaker.quantizer.levels.double().numpy()
        assert np.array_equal(exact.voice(mel, fields), networks.speaker.encode(given[0])[0].numpy())
        assert np.array_equal(exact.f0_codes(track), networks.pitch.encode(given[2])[0, 0].numpy())
        codes = torch.randint(networks.pitch.codes, (1, 1, 12))
        features, _ = decode_f0(networks.f0_decoder, codes, torch.tensor([5.0]).double(), torch.tensor([0.25]).double())
        assert np.abs(exact.pitch_features(codes[0, 0].numpy(), 5.0, 0.25).T - features[0].numpy()).max() < 1e-11


def test_the_error_function_is_as_good_as_float64() -> None:
    x = np.linspace(-8, 8, 40001)
    assert np.abs(layers.erf(x) - [math.erf(each) for each in x]).max() < 1e-15
    assert np.abs(layers.gelu(x) - F.gelu(torch.from_numpy(x)).numpy()).max() < 1e-14


@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_by_products(stride: int) -> None:
    torch.manual_seed(0)
    conv, x = nn.Conv1d(6, 4, 5, stride, 2).double(), torch.randn(1, 6, 31).double()
    weights = {f"c.{name}": value.numpy() for name, value in conv.state_dict().items()}
    with torch.no_grad():
        assert np.allclose(layers.Conv(weights.__getitem__, "c", stride)(x[0].T.numpy()).T, conv(x)[0].numpy(), atol=1e-12)


@pytest.mark.parametrize("samples", [1, 1280, 4000])
def test_spectra(samples: int) -> None:
    waveform = np.random.default_rng(0).normal(size=samples) * 0.1
    given = torch.from_numpy(waveform)[None]
    assert np.abs(spectra.log_mel(waveform) - log_mel(given)[0].numpy()).max() < 1e-9
    assert np.abs(spectra.whisper_mel(waveform) - whisper_mel(given)[0].numpy()).max() < 1e-9


@pytest.mark.parametrize("passes", [0, 2])
def test_the_generator(passes: int) -> None:
    torch.manual_seed(0)
    generator = SpectralGenerator(channels=16, blocks=1, matching=passes)
    mel, features, pulses, noise = torch.randn(1, 80, 30), torch.randn(1, 3, 30), torch.randn(1, 4800), torch.randn(1, 4800)
    with torch.no_grad():
        wanted = generator.generate(mel, features, pulses, noise)[0].numpy()
        filters = [each[0].numpy() for each in generator.filters(generator.hidden(mel, features))]
    found = spectra.generate(*filters, *(each[0].numpy() for each in (pulses, noise, mel)), passes)  # type: ignore[call-arg]
    assert found.dtype == np.float32
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()


@pytest.mark.parametrize("quantizer", [FSQ([9, 4]), SteppedFSQ(2, (9, 7, 4))])
def test_scalar_codes(quantizer: FSQ) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 2, 50)
    bounded = quantizer.bound(x).numpy()
    ladder = quantizer.ladder.tolist() if isinstance(quantizer, SteppedFSQ) else ()
    plain = BoundedScalar(quantizer.levels.tolist(), ladder)
    assert plain.rungs == quantizer.rungs
    for rung in range(plain.rungs):
        codes = quantizer.rung_codes(x, rung)
        assert np.array_equal(plain.rung_codes(bounded, rung), codes.numpy())
        assert np.array_equal(plain.values(codes[0].numpy()), quantizer.decode(codes)[0].numpy())
        assert plain.clearance(bounded, rung) == pytest.approx(float(quantizer.clearance(x, rung)), abs=1e-6)
