"""What callers hand over: files, arrays and tensors of every kind become the same codes, or one line that names the cure."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import torch

from unitcodec import AudioError
from unitcodec.audio.recording import batch_blocks, mono_blocks
from unitcodec.errors import AudioWarning

if TYPE_CHECKING:
    from unitcodec.codec import Codec

RNG = np.random.default_rng(0)
STEREO = RNG.uniform(-0.4, 0.4, (2, 4000)).astype(np.float32)
MONO = STEREO[0]


def read(recording: Any, sample_rate: Any = None) -> np.ndarray:
    return np.concatenate(list(mono_blocks(recording, sample_rate)))


@pytest.mark.parametrize("given", [MONO[None], MONO[:, None], torch.from_numpy(MONO)[None], np.stack([MONO, MONO], 1)])
def test_the_smaller_axis_is_the_channels(given: Any) -> None:
    np.testing.assert_array_equal(read(given, 16000), MONO)


@pytest.mark.parametrize("rate", [16000, 48000])
def test_arrays_are_mixed_as_files_are(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, STEREO.T, rate, "FLOAT")
    for given in (STEREO, STEREO.T, torch.from_numpy(STEREO).T):
        np.testing.assert_array_equal(read(given, rate), read(path))
    np.testing.assert_array_equal(read(str(path)), read(path))


@pytest.mark.parametrize("shape", [(), (2, 2, 100), (1, 1, 100), (100, 100), (16, 4000), (2, 2)])
def test_other_shapes_are_refused_with_the_cure(shape: tuple[int, ...]) -> None:
    with pytest.raises(AudioError, match=r"shape \(.*\) is not that of one recording: .* a batch is a list") as caught:
        mono_blocks(np.zeros(shape, np.float32), 16000)
    assert str(shape) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_array_needs_a_rate_and_a_file_has_one(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"does not tell its sample rate; .*encode\(waveform, 48000\)"):
        mono_blocks(MONO, None)
    with pytest.raises(AudioError, match=r"talk\.flac: a file states its own sample rate"):
        mono_blocks(tmp_path / "talk.flac", 16000)
    with pytest.raises(AudioError, match="is no sample rate"):
        mono_blocks(MONO, np.nan)


TENSORS = {
    "half": lambda x: x.half(),
    "bfloat16": lambda x: x.bfloat16(),
    "double": lambda x: x.double(),
    "negative bit": torch._neg_view,
    "conjugate": lambda x: torch.complex(x, x).conj().real,
    "imaginary part of a conjugate": lambda x: torch.complex(x, x).conj().imag,
    "gradient": lambda x: x.requires_grad_() * 1.0,
    "every second": lambda x: x[::2],
    "parameter": torch.nn.Parameter,
    "integers": lambda x: (x * 32767).short(),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_of_every_kind(kind: str) -> None:
    tensor = TENSORS[kind](torch.from_numpy(MONO.copy()))
    values = tensor.detach().clone().resolve_neg()
    expected = values.numpy() if kind == "integers" else values.float().numpy()
    np.testing.assert_array_equal(read(tensor, 16000), read(expected, 16000))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_tensor_on_another_device() -> None:
    np.testing.assert_array_equal(read(torch.from_numpy(MONO).cuda(), 16000), MONO)


def test_arrays_of_every_kind() -> None:
    fixed = MONO.copy()
    fixed.flags.writeable = False
    for given in (fixed, MONO.astype(">f4"), np.asfortranarray(STEREO)[0], MONO[::-1][::-1]):
        np.testing.assert_array_equal(read(given, 16000), MONO)
    np.testing.assert_array_equal(read(MONO[::2], 16000), MONO[::2].copy())


@pytest.mark.parametrize("given", [np.array(["a"] * 10), MONO.astype(complex), torch.from_numpy(MONO).cfloat(), MONO > 0])
def test_what_is_no_audio_is_refused(given: Any) -> None:
    with pytest.raises(AudioError, match="samples must be floating point or integers"):
        mono_blocks(given, 16000)


def test_the_codec_takes_them_all(narrow: Codec, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    soundfile.write(path, STEREO.T, 16000, "FLOAT")
    codes, data = narrow.encode(STEREO, 16000), narrow.compress(STEREO, 16000)
    assert narrow.encode(path) == narrow.encode(os.fspath(path)) == codes
    assert narrow.compress(path) == data
    assert narrow.encode([STEREO.T, torch.from_numpy(STEREO)], 16000.0) == [codes, codes]
    assert narrow.compress([path, str(path)]) == [data, data]
    assert narrow.encode([]) == narrow.compress([]) == []


def test_a_batch_is_checked_before_it_is_coded(narrow: Codec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(narrow, "analysis", lambda *_: pytest.fail("coded"))
    for wrong, message in (
        (np.zeros((100, 100)), "is not that of one recording"),
        (None, "is None"),
        (MONO[:0], "holds no samples"),
    ):
        with pytest.raises(AudioError, match=rf"^audio\[1\]:? .*{message}"):
            narrow.encode([MONO, wrong], 16000)
    for path, message in ((tmp_path / "gone.wav", "gone.wav: No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(AudioError, match=message):
            narrow.encode([MONO, path], 16000)
    with pytest.raises(AudioError, match="sample rate"):
        narrow.compress([MONO])


class Series:
    """As pandas, JAX and others hand over their values."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        return self.values


class Elsewhere:
    """As an array on a device that NumPy cannot read."""

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("Implicit conversion is not allowed.\nMore of that.")


class Name(str):
    __slots__ = ()


def test_what_numpy_takes_for_an_array(tmp_path: Path) -> None:
    for given in (Series(MONO), MONO.astype(np.longdouble)):
        np.testing.assert_array_equal(read(given, 16000), MONO)
    np.testing.assert_array_equal(read(MONO.astype(np.float16), 16000), MONO.astype(np.float16))
    with pytest.raises(AudioError, match=r"^audio: NumPy cannot make an array of it: Implicit conversion is not allowed\.$"):
        mono_blocks(Elsewhere(), 16000)  # type: ignore[arg-type]
    soundfile.write(tmp_path / "a.wav", MONO, 16000, "FLOAT")
    np.testing.assert_array_equal(read(Name(tmp_path / "a.wav")), MONO)


WRONG = {
    "None": (None, "audio is None, .* it takes a path, a file open for reading bytes, a NumPy array or a tensor"),
    "int": (3, "audio is of type int, neither a file nor an array; it takes a path"),
    "bytes": (b"RIFF", r"audio is of type bytes, .* io\.BytesIO\(data\), samples as np\.frombuffer"),
    "bytearray": (bytearray(1000), r"audio is of type bytearray, .* io\.BytesIO\(data\)"),
    "memoryview": (memoryview(bytes(1000)), r"audio is of type memoryview, .* io\.BytesIO\(data\)"),
    "list": ([0.1] * 10, r"audio is of type list, .* np\.array\(samples, 'float32'\)"),
    "dict": (
        {"array": MONO, "sampling_rate": 16000},
        r"audio is of type dict, .* encode\(audio\['array'\], audio\['sampling_rate'\]\)",
    ),
    "generator": ((block for block in [MONO]), r"audio is of type generator, .* a batch is a list .* encode_blocks"),
    "text file": (
        io.StringIO("RIFF"),
        r"audio is of type StringIO, which does not give bytes; open a file as in open\(path, 'rb'\)",
    ),
    "sparse": (torch.from_numpy(MONO).to_sparse(), r"audio is a sparse tensor; .* to_dense\(\)"),
    "meta": (torch.zeros(100, device="meta"), "audio is a meta tensor"),
    "nested": (torch.nested.nested_tensor([torch.zeros(3)], layout=torch.jagged), "audio is a nested tensor"),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("sample_rate", [None, 16000])
def test_what_is_no_recording_is_refused_at_once(kind: str, sample_rate: int | None) -> None:
    given, message = WRONG[kind]
    with pytest.raises(AudioError, match=f"^{message}") as caught:
        mono_blocks(given, sample_rate)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pair", [(MONO, 16000), [torch.from_numpy(MONO), 16000.0], (16000, (MONO * 32767).astype(np.int16))])
def test_a_waveform_with_its_rate_is_two_arguments(pair: Any) -> None:
    for sample_rate in (None, 16000):
        with pytest.raises(AudioError, match=r"a rate is an argument of its own: encode\(waveform, 16000(\.0)?\)$"):
            batch_blocks(pair, sample_rate)


@pytest.mark.parametrize("numbers", [[0.1, 0.2, 0.3], (0.1, 0.2), [np.float32(0.1)], list(range(100))])
def test_a_list_of_numbers_is_no_batch(numbers: Any) -> None:
    with pytest.raises(AudioError, match=r"a list is a batch; one recording is np\.array\(audio, 'float32'\)$"):
        batch_blocks(numbers, 16000)


@pytest.mark.parametrize("path", ["a\0b.wav", Path("a\0b.wav"), "a\ud800.wav"])
def test_what_can_be_no_name_is_refused(path: str) -> None:
    with pytest.raises(AudioError, match=r"^'a(\\x00b|\\ud800)\.wav' cannot be a file's name: "):
        read(path)


def test_a_path_that_is_empty() -> None:
    with pytest.raises(AudioError, match=r"^'': No such file or directory$"):
        read("")


def test_open_files_are_read_from_where_they_stand(tmp_path: Path) -> None:
    path, memory = tmp_path / "talk.wav", io.BytesIO()
    for target in (path, memory):
        soundfile.write(target, STEREO.T, 16000, "FLOAT", format="WAV")
    with pytest.raises(AudioError, match=r"^audio: it is read from where it stands, which is its end; seek\(0\) goes back"):
        read(memory)
    memory.seek(0)
    with pytest.raises(AudioError, match=r"^audio: a file states its own sample rate"):
        mono_blocks(memory, 16000)
    np.testing.assert_array_equal(read(memory), read(path))
    with path.open("rb") as file:
        np.testing.assert_array_equal(read(file), read(path))
    for closed in (file, memory):
        closed.close()
        with pytest.raises(
            AudioError, match=r"^audio: cannot be read \(.*closed file.*\); open a file as in open\(path, 'rb'\)$"
        ):
            mono_blocks(closed, None)


def test_files_and_arrays_in_a_batch(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    soundfile.write(path, MONO, 48000, "FLOAT")
    for blocks, rate in zip(batch_blocks([path, MONO], 16000), (48000, 16000), strict=True):
        np.testing.assert_array_equal(np.concatenate(list(blocks)), read(MONO, rate))
    with pytest.raises(AudioError, match=r"^audio\[1\]: an array does not tell its sample rate"):
        batch_blocks([path, MONO], None)
    with pytest.raises(AudioError, match=r"talk\.wav: a file states its own sample rate"):
        batch_blocks([path, path], 16000)


@pytest.mark.parametrize("rate", [torch.zeros((), device="meta"), True, np.True_, "16000", 10**400], ids=lambda rate: type(rate))
def test_what_is_no_rate(rate: Any) -> None:
    with pytest.raises(
        AudioError, match=r"is no sample rate; it takes a whole number of Hz, 16000 or 44100 for instance$"
    ) as caught:
        mono_blocks(MONO, rate)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("rates", [[16000], (16000, 8000), np.array([16000, 2]), MONO], ids=lambda rates: type(rates))
def test_a_batch_has_one_rate(rates: Any) -> None:
    for code in (mono_blocks, batch_blocks):
        with pytest.raises(AudioError, match=r"is no sample rate; a batch has one number, so code other rates apart$"):
            code([MONO, MONO] if code is batch_blocks else MONO, rates)


@pytest.mark.parametrize("shape", [(0,), (1, 0), (2, 0), (0, 100), (100, 0)])
def test_audio_without_a_sample_is_refused(narrow: Codec, shape: tuple[int, ...]) -> None:
    for encode in (narrow.encode, narrow.compress):
        with pytest.raises(AudioError, match=r"^audio: holds no samples$"):
            encode(np.zeros(shape, np.float32), 16000)


@pytest.mark.parametrize("blocks", [[], [MONO[:0]]])
def test_blocks_without_a_sample_are_refused(narrow: Codec, blocks: list[np.ndarray]) -> None:
    for encode in (narrow.encode_blocks, lambda blocks: list(narrow.compress_blocks(blocks))):
        with pytest.raises(AudioError, match=r"^audio: holds no samples$"):
            encode(iter(blocks))


def test_a_file_without_a_sample_is_refused(narrow: Codec, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "nothing.wav", MONO[:0], 16000)
    with pytest.raises(AudioError, match=r"nothing\.wav: holds no samples$"):
        narrow.encode(tmp_path / "nothing.wav")


def test_integers_that_were_meant_to_be_narrower_are_told() -> None:
    narrow_ones = (MONO * 32767).astype(np.int32)
    with pytest.warns(AudioWarning, match="^audio: its int32 samples are as small as those of int16, .*; make them int16$"):
        read(narrow_ones, 16000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(narrow_ones << 16, 16000)
        read(narrow_ones.astype(np.int16), 16000)
        read(np.zeros(100, np.int32), 16000)


BLOCKS = {
    "two axes": MONO[:, None],
    "integers": (MONO * 32767).astype(np.int16),
    "list": MONO.tolist(),
    "sample": MONO[0],
    "number": 0.5,
    "None": None,
    "text": "a",
    "NaN": np.array([0.0, np.nan], np.float32),
    "too large": np.array([0.0, 1e300]),
    "no array": Elsewhere(),
}


@pytest.mark.parametrize("kind", BLOCKS)
def test_blocks_are_mono_floats(narrow: Codec, kind: str) -> None:
    with pytest.raises(AudioError, match=r"^a block"):
        narrow.analysis().push(BLOCKS[kind])  # type: ignore[arg-type]
    with pytest.raises(AudioError, match=r"^a block"):
        narrow.encode_blocks([BLOCKS[kind]])  # type: ignore[list-item]


def test_blocks_are_several(narrow: Codec) -> None:
    for one in (MONO, "talk.wav", b"RIFF"):
        with pytest.raises(AudioError, match=r"blocks are a list of such$"):
            narrow.encode_blocks(one)  # type: ignore[arg-type]
    with pytest.raises(AudioError, match=r"^blocks are an iterable of arrays"):
        narrow.encode_blocks(None)  # type: ignore[arg-type]


def test_blocks_of_every_kind(narrow: Codec) -> None:
    codes, tensor = narrow.encode(MONO, 16000), torch.from_numpy(MONO.copy()).requires_grad_()
    for blocks in (
        [Series(MONO)],
        [tensor],
        tensor.split(100),
        MONO.astype(np.float64)[None],
        (block for block in np.split(MONO, 4)),
    ):
        assert narrow.encode_blocks(blocks) == codes  # type: ignore[arg-type]


def test_blocks_far_above_full_scale_are_told_once(narrow: Codec) -> None:
    with pytest.warns(
        AudioWarning, match="^a block's samples reach .* times full scale; those of int16 are to be divided by 32768$"
    ) as told:
        narrow.encode_blocks([MONO * np.float32(32768)] * 3)
    assert len(told) == 1
