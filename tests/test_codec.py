"""The whole path: lengths, kinds of input, errors, losses, level."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import bitstream
import unitcodec
from bitstream import RecurrentModel, SpeechCodes
from unitcodec.errors import AudioError, ModelError

if TYPE_CHECKING:
    from unitcodec.codec import Codec


@pytest.fixture(scope="module")
def wave(speech: Path) -> np.ndarray:
    return soundfile.read(speech, dtype="float32")[0]


@pytest.mark.parametrize("samples", [1, 159, 160, 639, 641, 40960, 40961, 100003])
def test_lengths_are_exact_and_both_ways_agree(narrow: Codec, wave: np.ndarray, samples: int) -> None:
    piece = wave[:samples]
    data = narrow.compress(piece, 16000)
    codes = bitstream.unpack(data, narrow.model.entropy)
    assert codes.num_samples == samples
    assert bitstream.pack(codes, narrow.model.entropy) == data
    blocks = np.split(piece, [n for n in (1, 150, 40960, 70000) if n < samples])
    assert b"".join(narrow.compress_blocks(iter(blocks))) == data
    decoded, rate = narrow.decompress(data)
    assert rate == narrow.sample_rate == 16000
    assert decoded.shape == (samples,)
    assert decoded.dtype == np.float32
    assert np.isfinite(decoded).all()
    assert np.array_equal(narrow.decode(codes), decoded)


@pytest.mark.parametrize("samples", [1, 640, 641, 40961])
def test_a_rate_for_any_length(narrow: Codec, wave: np.ndarray, samples: int) -> None:
    data = narrow.compress(wave[:samples], 16000, bitrate=200)
    assert len(data) <= len(narrow.compress(wave[:samples], 16000))
    assert narrow.decompress(data)[0].shape == (samples,)


def test_a_rate_that_is_not_reached(narrow: Codec, wave: np.ndarray) -> None:
    for bitrate, why in ((1, "header and cheapest codes"), (10**6, "its nearest codes take no more")):
        asked = re.escape(f"{bitrate:g} bit/s asked for, about ")
        with pytest.warns(unitcodec.UnitcodecWarning, match=f"^{asked}.* reached: {why}") as caught:
            data = narrow.compress(wave[:100000], 16000, bitrate=bitrate)
        assert len(caught) == 1
        assert int(str(caught[0].message).split("about ")[1].split()[0]) == pytest.approx(8 * len(data) / 6.25, rel=0.02)


def test_packets_leave_while_speech_comes_in(narrow: Codec, wave: np.ndarray) -> None:
    long, given = np.tile(wave, 3), []

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, len(long), 8000):
            given.append(start)
            yield long[start : start + 8000]

    pieces, heard = [], []
    for piece in narrow.compress_blocks(blocks()):
        pieces.append(piece)
        heard.append(len(given) * 8000)
    assert b"".join(pieces) == narrow.compress(long, 16000)
    # The header waits for the speaker code, after 8 s of active signal; a packet for the F0 of the one after it.
    assert heard[0] < 12 * 16000
    packets = [i for i, piece in enumerate(pieces) if piece]
    assert all(heard[i] <= max(heard[0], (i + 2) * 40960 + 16000) for i in packets[:-2])


@settings(max_examples=10, deadline=None)
@given(samples=st.integers(1, 4000), rate=st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]))
def test_any_length_at_any_rate(narrow: Codec, samples: int, rate: int) -> None:
    piece = np.random.default_rng(samples).uniform(-0.3, 0.3, samples).astype(np.float32)
    codes = narrow.encode(piece, rate)
    assert codes.num_samples == -(-samples * 16000 // rate)
    assert narrow.decode(codes).shape == (codes.num_samples,)


def test_kinds_of_input(narrow: Codec, wave: np.ndarray) -> None:
    integers = np.rint(wave[:30000] * 32767).astype(np.int16)
    floats = integers.astype(np.float32) / 32768
    codes = narrow.encode(floats, 16000)
    assert isinstance(codes, SpeechCodes)
    assert codes.model == narrow.model.entropy.fingerprint
    for same in (integers, torch.from_numpy(integers), torch.from_numpy(floats), floats.astype(np.float64)):
        assert narrow.encode(same, 16000) == codes
    assert narrow.encode([floats], 16000) == [codes]
    waves = narrow.decode([codes, codes])
    assert [np.array_equal(one, narrow.decode(codes)) for one in waves] == [True, True]


def test_errors(narrow: Codec, wave: np.ndarray) -> None:
    with pytest.raises(AudioError):
        narrow.encode(wave, 4000)
    with pytest.raises(AudioError):
        narrow.encode(np.array([0.0, np.nan], np.float32), 16000)
    codes = narrow.encode(wave[:1000], 16000)
    other = SpeechCodes(codes.units, codes.f0, codes.speaker, 1000, "00000000")
    with pytest.raises(bitstream.InvalidCodes):
        narrow.decode(other)
    data = narrow.compress(wave[:1000], 16000)
    foreign = SpeechCodes(codes.units, codes.f0, codes.speaker, 1000, codes.model)
    assert bitstream.pack(foreign, narrow.model.entropy) == data
    with pytest.raises(bitstream.BitstreamError):
        narrow.decompress(b"RIFF" + data[4:])
    with pytest.raises(bitstream.Truncated):
        narrow.decompress(data[:-1])
    with pytest.raises(bitstream.TrailingBytes):
        narrow.decompress(data + b"\0")
    with pytest.raises(TypeError, match="a stream is its bytes or an open file, not a path"):
        narrow.decompress("talk.uc")  # type: ignore[arg-type]


NO_CODES = [None, 3, "talk.uc", Path("talk.uc"), {}, np.zeros(10, np.float32)]


@pytest.mark.parametrize("given", NO_CODES, ids=lambda given: type(given).__name__)
def test_what_is_no_codes(narrow: Codec, wave: np.ndarray, given: Any) -> None:
    codes = narrow.encode(wave[:1000], 16000)
    for use in (narrow.decode, narrow.decode_blocks, lambda given: narrow.convert(given, codes.speaker)):
        with pytest.raises(bitstream.InvalidCodes, match=r"^codes is .*; it takes SpeechCodes, as Codec\.encode"):
            use(given)
    with pytest.raises(bitstream.InvalidCodes, match=r"^codes\[1\] is "):
        narrow.decode([codes, given])


def test_bytes_of_a_stream_are_no_codes(narrow: Codec) -> None:
    with pytest.raises(bitstream.InvalidCodes, match=r"^codes is of type bytes; .* sound by Codec\.decompress$"):
        narrow.decode(b"\xf5\x55")  # type: ignore[call-overload]


def test_a_batch_of_codes_is_checked_before_it_is_decoded(
    narrow: Codec, wave: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = narrow.encode(wave[:1000], 16000)
    monkeypatch.setattr(narrow, "_decoder", lambda *_: pytest.fail("decoded"))
    with pytest.raises(bitstream.InvalidCodes, match=r"^codes\[1\] of model 00000000"):
        narrow.decode([codes, replace(codes, model="00000000")])


@pytest.mark.parametrize("given", ["voice.wav", Path("voice.wav"), b"RIFF", None, np.zeros(35), np.zeros((1, 35), int)])
def test_what_is_no_voice(narrow: Codec, wave: np.ndarray, given: Any) -> None:
    codes = narrow.encode(wave[:1000], 16000)
    with pytest.raises(
        bitstream.InvalidCodes, match=r"^voice must .*; a voice is the speaker of codes, encode\('voice\.wav'\)\.speaker"
    ):
        narrow.convert(codes, given)
    with pytest.raises(bitstream.InvalidCodes, match="not of type SpeechCodes"):
        narrow.convert(codes, codes)  # type: ignore[arg-type]


CODES_BY_HAND = {
    "a unit": ("units", lambda units: units + 100, "units.0 holds 1"),
    "rows": ("units", lambda units: units[:2], "2 unit rows given; the model has 4"),
    "frames": ("units", lambda units: units[:, :1], "1000 samples make 2 unit and 1 F0 frames; the codes have 1 and 1"),
    "F0": ("f0", lambda f0: f0 + 1000, "f0 holds 1"),
    "F0 frames": ("f0", lambda f0: f0[:0], "1000 samples make 2 unit and 1 F0 frames; the codes have 2 and 0"),
    "voice": ("speaker", lambda speaker: speaker[:3], "3 speaker fields given; the model has 35"),
    "field": ("speaker", lambda speaker: speaker + 1000, "speaker field 0 is 1"),
    "length": ("num_samples", lambda _: 2**40, "1099511627776 samples make"),
}


@pytest.mark.parametrize("kind", CODES_BY_HAND)
def test_codes_by_hand_that_do_not_fit(narrow: Codec, wave: np.ndarray, kind: str) -> None:
    codes = narrow.encode(wave[:1000], 16000)
    field, change, message = CODES_BY_HAND[kind]
    wrong = replace(codes, **{field: change(getattr(codes, field))})
    for use in (narrow.decode, narrow.decode_blocks, lambda codes: bitstream.pack(codes, narrow.model.entropy)):
        with pytest.raises(bitstream.InvalidCodes, match=f"^{message}"):
            use(wrong)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "1"])
def test_what_is_no_time(narrow: Codec, seconds: Any) -> None:
    for name in ("start", "duration"):
        with pytest.raises(ValueError, match=rf"^{name} is .*; it must be a number of seconds from 0 up$"):
            narrow.decompress_blocks(b"", **{name: seconds})


@pytest.mark.parametrize("bitrate", ["250", True, float("nan")])
def test_what_is_no_bitrate_is_refused_before_anything_is_read(narrow: Codec, bitrate: Any) -> None:
    unread: Any = (pytest.fail("read") for _ in range(1))
    for use in (narrow.encode_blocks, narrow.compress_blocks, lambda _, bitrate: narrow.encode("gone.wav", bitrate=bitrate)):
        with pytest.raises(ValueError, match=r"^bitrate is "):
            use(unread, bitrate)


def test_a_stream_of_another_model_is_named(narrow: Codec) -> None:
    golden = Path(__file__).parent / "golden" / "v1" / "stream.uc"
    with pytest.raises(bitstream.UnknownModel, match=narrow.model.entropy.fingerprint):
        narrow.decompress(golden.read_bytes())


def test_damage_raises_or_is_muted(narrow: Codec, wave: np.ndarray) -> None:
    data = narrow.compress(wave, 16000)
    entropy = narrow.model.entropy
    info = bitstream.inspect(data, entropy)
    assert len(info.packets) == 4
    hit = info.packets[1].offset + info.packets[1].size // 2
    damaged = bytearray(data)
    damaged[hit] ^= 0x55
    with pytest.raises(bitstream.Damaged):
        narrow.decompress(bytes(damaged))
    concealed, _ = narrow.decompress(bytes(damaged), "conceal")
    assert concealed.shape == wave.shape
    assert not concealed[40960 + 11000 : 81920 - 2000].any()
    assert concealed[:40000].any()
    assert concealed[83000:].any()
    # The same by way of the codes, which know what was lost.
    codes = bitstream.unpack(bytes(damaged), entropy, "conceal")
    assert codes.lost == ((64, 128),)
    assert np.array_equal(narrow.decode(codes), concealed)


def test_all_packets_lost(narrow: Codec, wave: np.ndarray) -> None:
    data = bytearray(narrow.compress(wave[:90000], 16000))
    for packet in bitstream.inspect(bytes(data), narrow.model.entropy).packets:
        data[packet.offset + packet.size // 2] ^= 0x55
    concealed, _ = narrow.decompress(bytes(data), "conceal")
    # The last one says itself how long it is; now nothing does.
    assert concealed.shape == (3 * 40960,)
    assert not concealed.any()


def test_how_long_a_stream_may_be(narrow: Codec, wave: np.ndarray) -> None:
    data = narrow.compress(wave[:90000], 16000)
    for read in (narrow.decompress, lambda *a, **k: [np.concatenate(list(narrow.decompress_blocks(*a, **k)))]):
        assert len(read(data, max_seconds=90000 / 16000)[0]) == 90000
        with pytest.raises(bitstream.TooLong, match="longer than the 5 s allowed"):
            read(data, max_seconds=5)
    header, packets = bitstream.inspect(data).header_size, bitstream.inspect(data).packets
    payload = data[packets[0].offset + 3 : packets[0].offset + packets[0].size]
    forged = [bitstream.stream.framing.frame_payload(payload, index) for index in (0, 50000, 50001, 50002)]
    bomb = data[:header] + b"".join(forged) + bitstream.stream.framing.frame_end(50003)
    for on_error in ("conceal", "salvage"):
        with pytest.raises(bitstream.TooLong, match="49999 packets, 127997 s, are damaged or missing"):
            narrow.decompress(bomb, on_error)
    # Silence may be as long as it is asked for; it is not spoken.
    forged[1:] = [bitstream.stream.framing.frame_payload(payload, index) for index in (900, 901)]
    hole = data[:header] + b"".join(forged) + bitstream.stream.framing.frame_end(902)
    assert len(narrow.decompress(hole, "conceal")[0]) == 902 * 40960


def test_decoding_is_repeatable(narrow: Codec, wave: np.ndarray) -> None:
    codes = narrow.encode(wave[:50000], 16000)
    assert np.array_equal(narrow.decode(codes), narrow.decode(codes))


def _rms(wave: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(wave, dtype=np.float64))) + 1e-12))


def test_speech_keeps_its_level(codec: Codec, wave: np.ndarray) -> None:
    decoded = [codec.decompress(codec.compress(wave * np.float32(gain), 16000))[0] for gain in (1.0, 0.1)]
    assert abs(_rms(decoded[0]) - _rms(wave)) < 3
    assert _rms(decoded[0]) - _rms(decoded[1]) == pytest.approx(20, abs=2)
    # Loud where the speech is loud: envelopes over 40 ms agree.
    envelopes = [np.sqrt(np.square(x[: len(x) // 640 * 640].reshape(-1, 640)).mean(1)) for x in (wave, decoded[0])]
    assert np.corrcoef(*envelopes)[0, 1] > 0.8


def test_silence_stays_silent(codec: Codec) -> None:
    decoded, _ = codec.decompress(codec.compress(np.zeros(48000, np.float32), 16000))
    assert _rms(decoded) < -60


def test_the_default_model_loads_by_its_name(codec: Codec, wave: np.ndarray) -> None:
    again = unitcodec.load(device="cpu")
    assert again.model.entropy.fingerprint == codec.model.entropy.fingerprint
    assert again.encode(wave[:40000], 16000) == codec.encode(wave[:40000], 16000)


def test_streams_of_an_earlier_entropy_model(
    codec: Codec, wave: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One fitted to the same weights is kept beside a model's own: the same codes, the same sound."""
    present = codec.model.entropy
    assert isinstance(present, RecurrentModel)
    tensors = present.tensors()
    earlier = RecurrentModel(present.spec, present.shifts, {**tensors, "recurrent.bias": tensors["recurrent.bias"] // 2})
    codes = codec.encode(wave[:48000], 16000)
    old = SpeechCodes(codes.units, codes.f0, codes.speaker, codes.num_samples, earlier.fingerprint)
    assert codes.model != old.model
    data = bitstream.pack(old, earlier)
    with pytest.raises(bitstream.UnknownModel):
        codec.decompress(data)
    (tmp_path / "default").mkdir()
    earlier.save(tmp_path / "default" / f"entropy-{earlier.fingerprint}.safetensors")
    monkeypatch.setenv("UNITCODEC_MODELS", str(tmp_path))
    sound = codec.decode(codes)
    assert np.array_equal(codec.decode(old), sound)
    assert np.array_equal(codec.decompress(data)[0], sound)


def test_streams_of_another_model_are_refused(narrow: Codec, default_model: Path, wave: np.ndarray) -> None:
    data = unitcodec.load(default_model, device="cpu").compress(wave[:8000], 16000)
    with pytest.raises(bitstream.UnknownModel, match="the stream was made with model"):
        narrow.decompress(data)
    with pytest.raises(bitstream.InvalidCodes, match="codes of model"):
        narrow.decode(bitstream.unpack(data))


@contextmanager
def _default_type(kind: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(kind)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


SURROUNDINGS = {
    "default float64": lambda: _default_type(torch.float64),
    "default bfloat16": lambda: _default_type(torch.bfloat16),
    "autocast to bfloat16": lambda: torch.autocast("cpu", torch.bfloat16),
    "autocast to float16": lambda: torch.autocast("cpu", torch.float16),
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_what_the_caller_has_set_does_not_show(narrow: Codec, narrow_folder: Path, wave: np.ndarray, name: str) -> None:
    data = narrow.compress(wave[:50000], 16000)
    sound, _ = narrow.decompress(data)
    packets, heard = _live(narrow, wave[:30000])
    with SURROUNDINGS[name]():
        for codec in (narrow, unitcodec.load(narrow_folder, device="cpu")):
            assert codec.compress(wave[:50000], 16000) == data
            assert np.array_equal(codec.decompress(data)[0], sound)
            again = _live(codec, wave[:30000])
            assert again[0] == packets
            assert np.array_equal(again[1], heard)


def _live(codec: Codec, samples: np.ndarray) -> tuple[list[bytes], np.ndarray]:
    """Its live packets, and what is heard of them."""
    encoder, decoder = codec.encoder(live=True), codec.decoder()
    packets = encoder.push(samples) + encoder.flush()
    return packets, np.concatenate([decoder.push(packet) for packet in packets])


def test_a_codec_is_pickled_at_any_time_of_its_life(narrow_folder: Path, wave: np.ndarray) -> None:
    codec = unitcodec.load(narrow_folder, device="cpu")
    fresh = pickle.dumps(codec)
    data = codec.compress(wave[:50000], 16000)
    sound, _ = codec.decompress(data)
    bitstream.inspect(data, codec.model.entropy)
    again = pickle.loads(pickle.dumps(codec))
    assert np.array_equal(again.decompress(data)[0], sound)
    assert again.compress(wave[:50000], 16000) == data
    assert pickle.loads(fresh).compress(wave[:50000], 16000) == data
    assert len(pickle.dumps(codec)) < 1.1 * len(fresh)


def test_from_pretrained_to_and_repr(narrow_folder: Path, codec: Codec, wave: np.ndarray) -> None:
    own = type(codec).from_pretrained(narrow_folder, "cpu")
    assert repr(own) == "<Codec 'narrow', on cpu>"
    assert repr(codec) == f"<Codec 'default', about {codec.model.config.bitrate:.0f} bit/s, on cpu>"
    codes = own.encode(wave[:20000], 16000)
    assert own.to(torch.device("cpu")) is own
    assert own.encode(wave[:20000], 16000) == codes
    with pytest.raises(ModelError, match="device 'nonsense' cannot be used"):
        own.to("nonsense")
    for no_device in (torch.float16, None, 1.5, torch.zeros(1), "meta", torch.device("meta")):
        with pytest.raises(
            ModelError, match=r"^device .* cannot be used; name one that computes: 'auto', 'cpu', 'cuda', 'cuda:1'$"
        ):
            own.to(no_device)  # type: ignore[arg-type]
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="device 'cuda' cannot be used"):
            own.to("cuda")
    assert repr(own) == "<Codec 'narrow', on cpu>"
    assert own.encode(wave[:20000], 16000) == codes


@pytest.mark.parametrize("given", [None, 3, b"default"])
def test_what_is_no_model(given: Any) -> None:
    with pytest.raises(ModelError, match=r"^model .*: give its name or its folder's path$"):
        unitcodec.load(given)
    with pytest.raises(ModelError, match=r"^a codec is made of a Model, not of .* Codec\.from_pretrained$"):
        unitcodec.Codec(given)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_same_codes(narrow: Codec, narrow_folder: Path, wave: np.ndarray) -> None:
    device = unitcodec.load(narrow_folder, device="cpu").to("cuda")
    codes = device.encode(wave, 16000)
    assert codes == narrow.encode(wave, 16000)
    # Phases drift apart with the rounding of F0; the level does not.
    assert _rms(device.decode(codes)) == pytest.approx(_rms(narrow.decode(codes)), abs=0.5)
