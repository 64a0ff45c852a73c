"""What callers hand over: files, arrays and tensors of every kind become the same codes, or one line that names the cure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import torch

from unitcodec import AudioError
from unitcodec.recording import mono_blocks

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


@pytest.mark.parametrize("shape", [(), (2, 2, 100), (1, 1, 100), (100, 100), (16, 4000), (0, 100), (100, 0), (2, 2)])
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


@pytest.mark.parametrize("given", [np.array(["a"] * 10), MONO.astype(complex), torch.from_numpy(MONO).cfloat(), [None] * 10])
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


def test_a_batch_is_checked_before_it_is_coded(narrow: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrow, "encode_blocks", lambda *_: pytest.fail("coded"))
    for batch in ([MONO, np.zeros((100, 100))], (torch.from_numpy(MONO), 16000), [0.1, 0.2]):
        with pytest.raises(AudioError, match="is not that of one recording"):
            narrow.encode(batch, 16000)
    with pytest.raises(AudioError, match="sample rate"):
        narrow.compress([MONO])


@pytest.mark.parametrize("block", [MONO[:, None], (MONO * 32767).astype(np.int16), np.array([0.0, np.nan], np.float32)])
def test_blocks_are_mono_floats(narrow: Codec, block: np.ndarray) -> None:
    with pytest.raises(AudioError, match="a block"):
        narrow.analysis().push(block)
