"""Predicted durations: whole frames, at least one, never without end."""

from __future__ import annotations

import pytest
import torch

from unitcodec.vocoder.duration import LONGEST, DurationPredictor
from unitcodec.vocoder.hifigan import CodeGenerator, Generator


def test_every_unit_lasts_at_least_a_frame_and_not_for_ever() -> None:
    torch.manual_seed(0)
    predictor = DurationPredictor(6, 8)
    for bias, frames in ((-20.0, 1), (200.0, LONGEST)):
        with torch.no_grad():
            predictor.head.bias.fill_(bias)
        predicted = predictor.predict(torch.randn(2, 6, 5))
        assert (predicted.shape, predicted.dtype) == ((2, 5), torch.int64)
        assert (predicted == frames).all()


def test_a_duration_is_the_exponential_less_one() -> None:
    predictor = DurationPredictor(6, 8)
    with torch.no_grad():
        predictor.head.weight.zero_()
        predictor.head.bias.fill_(float(torch.tensor(8.2).log()))
    assert predictor.predict(torch.randn(1, 6, 3)).tolist() == [[7, 7, 7]]


def test_even_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        DurationPredictor(kernel=4)


def test_a_generator_without_a_predictor_cannot_tell() -> None:
    units = torch.randint(10, (1, 1, 5))
    generator = Generator(6, initial_channels=32)
    assert CodeGenerator(generator, (10,), 0, 0, 6).durations(units) is None
    with_one = CodeGenerator(generator, (10,), 0, 0, 6, duration_predictor=DurationPredictor(6, 8))
    predicted = with_one.durations(units)
    assert predicted is not None
    assert predicted.shape == (1, 5)
