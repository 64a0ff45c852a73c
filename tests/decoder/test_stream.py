"""The decoder's state: pieces do not show, losses stay where they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from bitstream import Packet
from unitcodec.configuration import ModelConfig
from unitcodec.decoder import stream as module
from unitcodec.decoder.piece import NetworkVoice
from unitcodec.decoder.stream import StreamDecoder, decode_whole
from unitcodec.fields import Fields
from unitcodec.frames import level_gain
from unitcodec.model import Model, Networks

if TYPE_CHECKING:
    from unitcodec.codec import Codec

PACKET = 40960
SAMPLES = 6 * PACKET + 3001
FIELDS = Fields(30, 4, 50, (1, 2, 3, 0) * 8)


@pytest.fixture(scope="module")
def model(narrow: Codec) -> Model:
    return narrow.model


@pytest.fixture(scope="module", params=[{}, {"excitation": True}], ids=["without excitation", "with excitation"])
def hifigan(narrow: Codec, request: pytest.FixtureRequest) -> Model:
    """The same with the other kind of generator."""
    values = {**narrow.model.config.__dict__, "generator": {"kind": "hifigan", "initial_channels": 32, **request.param}}
    torch.manual_seed(0)
    networks = Networks(ModelConfig(**values)).eval().requires_grad_(False)
    networks.load_state_dict({**networks.state_dict(), **_without_generator(narrow.model.networks)})
    # Random weights give little but a constant.
    for weight in networks.generator.parameters():
        weight.mul_(2.0 if weight.ndim > 1 else 0.1)
    return replace(narrow.model, networks=networks)


def _without_generator(networks: Networks) -> dict[str, torch.Tensor]:
    return {name: value for name, value in networks.state_dict().items() if not name.startswith("generator.")}


def _packets(model: Model, num_samples: int, lost: tuple[int, ...] = (), steady: bool = False) -> Iterator[Packet]:
    """Random codes, the same ones every time; ``steady``: one F0 code throughout."""
    rng = np.random.default_rng(0)
    spec = model.entropy.spec
    frames, f0_frames, number = spec.frames(num_samples)
    units = np.stack([rng.integers(row.alphabet, size=frames) for row in spec.rows]).astype(np.int32)
    f0 = rng.integers(1 if steady else spec.f0.alphabet, size=f0_frames).astype(np.int32)
    for index in range(number):
        u = units[:, index * 64 : (index + 1) * 64]
        f = f0[index * 32 : (index + 1) * 32]
        yield Packet(u * 0, f * 0, index * 64, True) if index in lost else Packet(u, f, index * 64)


def _speak(model: Model, num_samples: int = SAMPLES, fields: Fields = FIELDS, **options: object) -> np.ndarray:
    wave = decode_whole(
        StreamDecoder(model, NetworkVoice(model.networks, fields), fields), _packets(model, num_samples, **options), num_samples
    )
    assert wave.shape == (num_samples,)
    assert wave.dtype == np.float32
    return wave


@pytest.fixture(scope="module")
def whole(model: Model) -> np.ndarray:
    return _speak(model)


def _assert_close(first: np.ndarray, second: np.ndarray, within: float = 1e-5) -> None:
    assert np.abs(second).max() > 0.01
    assert np.abs(first - second).max() <= within * max(1.0, float(np.abs(second).max()))


@pytest.mark.parametrize("piece", [1, 3])
def test_pieces_do_not_show(model: Model, whole: np.ndarray, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE", piece)
    _assert_close(_speak(model), whole)


def test_pieces_do_not_show_with_the_other_generator(hifigan: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = 2 * PACKET + 3001
    whole = _speak(hifigan, samples)
    assert whole.std() > 0.01
    monkeypatch.setattr(module, "PIECE", 1)
    _assert_close(_speak(hifigan, samples), whole)


@pytest.mark.parametrize("lost", [(3,), (4,), (0, 2, 3, 4, 6)])
def test_pieces_do_not_show_around_losses(narrow: Codec, lost: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces begin at packets 0 and 4, or with every packet."""
    usual = _speak(narrow.model, lost=lost)
    monkeypatch.setattr(module, "PIECE", 1)
    # In a hole that is not spoken the phase goes on by one multiplication, not sample by sample.
    _assert_close(_speak(narrow.model, lost=lost), usual, 1e-4)


@pytest.mark.parametrize("lost", [3, 4])
def test_a_lost_packet_fades_to_silence_and_its_neighbours_keep_their_sound(model: Model, lost: int) -> None:
    # One F0 throughout: else the oscillator's phase after the hole would depend on what was lost in it.
    wave, whole = _speak(model, lost=(lost,), steady=True), _speak(model, steady=True)
    begin, end = lost * PACKET, (lost + 1) * PACKET
    assert not wave[begin + 11000 : end - 2000].any()
    assert np.abs(wave[begin : begin + 5120]).max() > 0.2 * np.abs(whole).max()
    reach = StreamDecoder(model, NetworkVoice(model.networks, FIELDS), FIELDS).context * 640
    _assert_close(wave[: begin - reach], whole[: begin - reach])
    _assert_close(wave[end + reach :], whole[end + reach :])
    # Nowhere a step.
    assert np.abs(np.diff(wave)).max() <= 1.05 * np.abs(np.diff(whole)).max()


def test_what_comes_before_a_loss_does_not_know_of_it(model: Model, whole: np.ndarray) -> None:
    reach = StreamDecoder(model, NetworkVoice(model.networks, FIELDS), FIELDS).context * 640
    wave = _speak(model, lost=(4,))
    _assert_close(wave[: 4 * PACKET - reach], whole[: 4 * PACKET - reach])


def test_everything_lost_is_silence(model: Model) -> None:
    assert not _speak(model, lost=tuple(range(7))).any()
    assert not _speak(model, 700, lost=(0,)).any()


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 639, 640, 641, 1281, PACKET, PACKET + 1, 2 * PACKET + 3000])
def test_length_is_exact(model: Model, samples: int) -> None:
    assert np.isfinite(_speak(model, samples)).all()


def test_blocks_are_bounded(narrow: Codec) -> None:
    decoder = StreamDecoder(narrow.model, NetworkVoice(narrow.model.networks, FIELDS), FIELDS)
    lengths = [len(block) for block in decoder.run(_packets(narrow.model, SAMPLES))]
    # In whole unit frames: 3001 samples are 5.
    assert lengths == [4 * PACKET, 2 * PACKET + 5 * 640]


def test_the_first_block_needs_only_the_first_packets(narrow: Codec) -> None:
    packets = _packets(narrow.model, SAMPLES)
    next(StreamDecoder(narrow.model, NetworkVoice(narrow.model.networks, FIELDS), FIELDS).run(packets))
    assert next(packets).first_frame == 5 * 64


def test_one_packet_at_a_time_needs_the_next_one(narrow: Codec) -> None:
    packets = _packets(narrow.model, SAMPLES)
    blocks = StreamDecoder(narrow.model, NetworkVoice(narrow.model.networks, FIELDS), FIELDS).run(packets, 1)
    for _ in range(3):
        assert len(next(blocks)) == PACKET
    assert next(packets).first_frame == 4 * 64


def test_long_silence_is_not_synthesised(narrow: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, spoken = StreamDecoder(narrow.model, NetworkVoice(narrow.model.networks, FIELDS), FIELDS), []
    decode_piece = decoder.speech.speak
    monkeypatch.setattr(decoder.speech, "speak", lambda *a: spoken.append(a[2]) or decode_piece(*a))
    wave = np.concatenate(list(decoder.run(_packets(narrow.model, 40 * PACKET, tuple(range(3, 38))))))
    assert len(wave) == 40 * PACKET
    assert len(spoken) == 2
    assert wave[: 2 * PACKET].any()
    assert not wave[3 * PACKET + 11000 : 38 * PACKET - 2000].any()
    assert wave[38 * PACKET :].any()


def test_level_scales_the_waveform(narrow: Codec) -> None:
    loud, quiet = (_speak(narrow.model, 20000, replace(FIELDS, level=level)) for level in (50, 40))
    assert np.allclose(loud, quiet * 10 ** (15 / 20), rtol=1e-4)
    assert level_gain(40) / level_gain(50) == pytest.approx(10 ** (15 / 20))
