"""The recurrence's gradient, and the network against the integers that it becomes."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bitstream import EntropySpec, Stream
from bitstream.entropy.spec import stream_title
from unitcodec.training import recurrent_training
from unitcodec.training.recurrence import Recurrence, bend, gate
from unitcodec.training.recurrent_training import Settings, cross_entropy, packets_of, train

SPEC = EntropySpec(
    rows=(Stream(8, (("f0", 0),)), Stream(5, ((0, 0),))), f0=Stream(6, (("f0", 1),)), speaker=(4,), packet_frames=16
)


def _walks(count: int, seed: int) -> list[tuple[Any, Any]]:
    """Utterances whose symbols drift: much to learn, and more from the past than one step back tells."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        n = int(rng.integers(3, 60))
        drift = np.cumsum(rng.choice([-1, 1]) * np.ones(n, int)) + int(rng.integers(8))
        units = np.stack([drift % 8, (drift + rng.integers(0, 2, n)) % 5]).astype(np.int32)
        out.append((units, (drift[::2] % 6).astype(np.int32)))
    return out


def test_gates_are_smooth_and_level() -> None:
    x = torch.linspace(-6, 6, 241, dtype=torch.float64, requires_grad=True)
    for function, slope, low in ((bend, 1.0, -1.0), (gate, 0.25, 0.0)):
        y = function(x)
        (derivative,) = torch.autograd.grad(y.sum(), x)
        assert derivative[120] == pytest.approx(slope)
        assert (y[0], y[-1]) == (low, 1.0)
        assert derivative.diff().abs().max() < 0.06


def test_the_gradient_is_that_of_the_formulas() -> None:
    torch.manual_seed(0)
    shapes = ((5, 3, 12), (3, 4), (12, 4), (4,))
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(Recurrence.apply, inputs)  # type: ignore[no-untyped-call]


def test_the_recurrence_is_a_gated_recurrent_unit() -> None:
    """Of torch's, with smaller numbers than where the parabolas leave the exponentials."""
    torch.manual_seed(0)
    given, initial, weight, bias = torch.randn(7, 2, 9) * 2e-3, torch.randn(2, 3) * 2e-3, torch.randn(9, 3), torch.zeros(3)
    cell = torch.nn.GRUCell(9, 3)
    with torch.no_grad():
        cell.weight_ih.copy_(torch.eye(9))
        # torch's update gate keeps what ours replaces.
        cell.weight_ih[3:6] *= -1
        cell.weight_hh.copy_(weight)
        cell.weight_hh[3:6] *= -1
        cell.bias_ih.zero_()
        cell.bias_hh.zero_()
        state = initial
        for t, states in enumerate(Recurrence.apply(given, initial, weight, bias)[1:]):  # type: ignore[no-untyped-call]
            state = cell(given[t], state)
            assert torch.allclose(states, state, atol=1e-4)


def test_training_learns_and_integers_keep_what_it_learned(tmp_path: Path) -> None:
    sequences, held_out = _walks(60, 0), _walks(20, 1)
    net = train(SPEC, sequences, tmp_path, Settings(hidden=24, embedding=8, epochs=12, lanes=16, rate=1e-2), held_out)
    packets = packets_of(SPEC, held_out)
    learned = sum(cross_entropy(net, packets).values())
    uniform = sum(np.log2(8 * 5) * units.shape[1] + np.log2(6) * len(f0) for units, f0 in packets)
    assert learned < 0.6 * uniform
    model = net.quantize()
    integer = dict.fromkeys(map(stream_title, SPEC.names), 0.0)
    for packet in packets:
        for title, bits in model.packet_cost(*packet).items():
            integer[title] += bits
    # Frequencies of at least 2**-16 cost something too.
    assert sum(integer.values()) == pytest.approx(learned, rel=5e-3)
    header = (tmp_path / "log.csv").read_text().splitlines()[0]
    assert header == "step,seconds_a_step,bits,bits_0,bits_1,bits_f0"


def test_a_run_that_was_stopped_ends_like_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sequences, settings = _walks(12, 0), Settings(hidden=8, embedding=4, epochs=4, lanes=4, drop=0.0, drop_input=0.0)
    whole = train(SPEC, sequences, tmp_path / "whole", settings, sequences[:2])
    with monkeypatch.context() as patch:
        patch.setattr(recurrent_training, "cross_entropy", lambda *_: signal.raise_signal(signal.SIGTERM) or {})
        with pytest.raises(SystemExit):
            train(SPEC, sequences, tmp_path / "parts", settings, sequences[:2])
    again = train(SPEC, sequences, tmp_path / "parts", settings, sequences[:2])
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_cuts_lose_and_repeat_nothing() -> None:
    sequences = _walks(20, 3)
    for rng in (None, np.random.default_rng(0), np.random.default_rng(1)):
        packets = packets_of(SPEC, sequences, rng)
        assert all(units.shape[1] <= 16 for units, _ in packets)
        for units, f0 in packets:
            SPEC.check_packet_shape(units.shape[1], len(f0))
        assert np.array_equal(
            np.concatenate([units for units, _ in packets], 1), np.concatenate([units for units, _ in sequences], 1)
        )
        assert np.array_equal(np.concatenate([f0 for _, f0 in packets]), np.concatenate([f0 for _, f0 in sequences]))
