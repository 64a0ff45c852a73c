"""What graphs are made of, before they are exported: derivatives by hand, operators in float64, spectra in NumPy."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from unitcodec.content.whisper import whisper_mel
from unitcodec.encoder.excerpt import SMOOTH
from unitcodec.features import log_mel
from unitcodec.onnx import graphs, spectra
from unitcodec.onnx.scalar import BoundedScalar
from unitcodec.quantize import FSQ, SteppedFSQ
from unitcodec.vocoder.spectral import SpectralGenerator

if TYPE_CHECKING:
    from unitcodec.codec import Codec


@pytest.mark.parametrize("frames", [8, 128])
def test_the_slope_is_that_of_the_error(narrow: Codec, frames: int) -> None:
    torch.manual_seed(0)
    networks = copy.deepcopy(narrow.model.networks).double()
    units = torch.randint(3, (1, 4, frames // 4))
    features, mel = torch.randn(1, 3, frames).double(), torch.randn(1, 80, frames).double()
    vector = torch.randn(1, 32).double().requires_grad_(True)
    decoded = networks.decoder(networks.content.values(units).double(), features, vector)
    (wanted,) = torch.autograd.grad(F.smooth_l1_loss(decoded, mel, beta=SMOOTH), vector)
    with torch.no_grad():
        assert torch.allclose(graphs.Slope(networks)(units, features, mel, vector), wanted, rtol=1e-9, atol=1e-15)
        with graphs.operators_in_float64(graphs.table_of_erf()):
            assert torch.allclose(graphs.Slope(networks)(units, features, mel, vector), wanted, rtol=1e-9, atol=1e-13)


def test_the_error_function_is_as_good_as_float64() -> None:
    x = torch.linspace(-8, 8, 40001, dtype=torch.float64)
    with graphs.operators_in_float64(graphs.table_of_erf()):
        found, bent = torch.erf(x), F.gelu(x)
    assert (found - torch.tensor([math.erf(each) for each in x.tolist()], dtype=torch.float64)).abs().max() < 1e-12
    assert (bent - F.gelu(x)).abs().max() < 1e-11


@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, {"groups": 6, "padding": 2}])
def test_convolutions_by_products(options: dict[str, int]) -> None:
    torch.manual_seed(0)
    conv, x = nn.Conv1d(6, 6, 5, **options).double(), torch.randn(2, 6, 31).double()
    wanted = conv(x)
    with graphs.operators_in_float64(graphs.table_of_erf()):
        assert torch.allclose(conv(x), wanted, atol=1e-12)


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
        assert np.array_equal(plain.rung_codes(bounded, rung), quantizer.rung_codes(x, rung).numpy())
        assert plain.clearance(bounded, rung) == pytest.approx(float(quantizer.clearance(x, rung)), abs=1e-6)
