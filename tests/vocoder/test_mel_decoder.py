"""Units, F0 and speaker -> log-mel: shapes and receptive field."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unitcodec.vocoder.mel_decoder import MelDecoder, pitch_features


def _reach(gradient: torch.Tensor) -> tuple[int, int]:
    touched = gradient[0].abs().sum(0).nonzero()[:, 0]
    return int(touched[0]), int(touched[-1])


@pytest.mark.parametrize("blocks", [(3, 5), (1, 1), (0, 2)])
def test_context_is_as_stated(blocks: tuple[int, int]) -> None:
    torch.manual_seed(0)
    decoder = MelDecoder(rows=2, speaker=4, channels=(8, 8), blocks=blocks).double()
    m, own = 41, 20
    units = torch.randn(1, 2, m, dtype=torch.float64, requires_grad=True)
    pitch = torch.randn(1, 3, 4 * m, dtype=torch.float64, requires_grad=True)
    mel = decoder(units, pitch, torch.randn(1, 4, dtype=torch.float64))
    assert mel.shape == (1, 80, 4 * m)
    to_units, to_pitch = torch.autograd.grad(mel[..., 4 * own : 4 * own + 4].sum(), (units, pitch))
    assert _reach(to_units) == (own - decoder.context, own + decoder.context)
    low, high = _reach(to_pitch)
    assert low >= 4 * (own - decoder.context)
    assert high < 4 * (own + decoder.context + 1)


@pytest.mark.parametrize("stride", [2, 4, 8])
@pytest.mark.parametrize("own", [slice(0, 3), slice(20, 28), slice(35, 41), slice(0, 41)])
def test_of_some_frames_only_what_they_need_is_computed(stride: int, own: slice) -> None:
    torch.manual_seed(0)
    decoder = MelDecoder(rows=2, speaker=4, channels=(8, 8), blocks=(2, 3), stride=stride, memory=(1, 7, 2)).double()
    given = torch.randn(1, 2, 41), torch.randn(1, 3, stride * 41), torch.randn(1, 4)
    units, pitch, speaker = (each.double() for each in given)
    part, whole = decoder(units, pitch, speaker, own), decoder(units, pitch, speaker)
    assert torch.allclose(part, whole[..., own.start * stride : own.stop * stride], rtol=0, atol=1e-12)


def test_memory_looks_back_and_begins_as_if_it_were_not_there() -> None:
    torch.manual_seed(0)
    plain = MelDecoder(rows=2, speaker=4, channels=(8, 8), blocks=(1, 1)).double()
    decoder = MelDecoder(rows=2, speaker=4, channels=(8, 8), blocks=(1, 1), memory=(2, 7, 2)).double()
    missing, _ = decoder.load_state_dict(plain.state_dict(), strict=False)
    assert all(name.startswith("memory.") for name in missing)
    units = torch.randn(1, 2, 61, dtype=torch.float64, requires_grad=True)
    pitch, speaker = torch.randn(1, 3, 244, dtype=torch.float64), torch.randn(1, 4, dtype=torch.float64)
    assert torch.equal(decoder(units, pitch, speaker), plain(units, pitch, speaker))
    for block in decoder.memory:
        torch.nn.init.ones_(block.scale)
    (gradient,) = torch.autograd.grad(decoder(units, pitch, speaker)[..., 120:124].sum(), units)
    assert _reach(gradient) == (30 - plain.context - 2 * 7, 30 + plain.context + 2 * 2)
    assert decoder.context == plain.context + 14


def test_every_input_matters_and_batches_do_not() -> None:
    torch.manual_seed(0)
    decoder = MelDecoder(rows=2, speaker=4, channels=(8, 8), blocks=(1, 1)).eval()
    units, pitch, speaker = torch.randn(3, 2, 10), torch.randn(3, 3, 40), torch.randn(3, 4)
    with torch.inference_mode():
        mel = decoder(units, pitch, speaker)
        assert torch.allclose(decoder(units[1:2], pitch[1:2], speaker[1:2]), mel[1:2], atol=1e-5)
        for changed in [(units + 1, pitch, speaker), (units, pitch + 1, speaker), (units, pitch, speaker + 1)]:
            assert (decoder(*changed) - mel).abs().max() > 1e-3


def test_pitch_features() -> None:
    mean, deviation = torch.tensor([np.log(150.0)]).float(), torch.tensor([0.2])
    track = torch.tensor([[[0.0, np.log(2.0) / 0.2, 0.0], [1.0, 1.0, 0.0]]]).float()
    features = pitch_features(track, mean, deviation)
    assert features.shape == (1, 3, 3)
    # 150 Hz is the origin, an octave two units.
    assert torch.allclose(features[0, 0], torch.tensor([0.0, 2.0, 0.0]), atol=0.01)
    assert torch.equal(features[0, 1:], track[0])
