"""Pickles as data: what arrays need is understood in every protocol, nothing is executed, everything else is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import pickletools
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unitcodec.pickles import Made, PickleRefused, as_value, decompressed, read_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values(protocol: int) -> None:
    value = {
        "a": [1, -1, 2**40, -(2**70), 300, 70000, True, False, None, 0.5],
        "b": ("x", "", "\u00e9\u4e2d\n\\", b"", b"\x00\xff", (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        "c": {"empty": {}, "list": [], "long": "y" * 300, "bytes": bytes(70000)},
        "d": list(range(2500)),
    }
    value["again"] = value["b"]
    assert read_pickle(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays(protocol: int) -> None:
    for array in (
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(5, dtype=">f8"),
        np.array([True, False]),
        np.zeros((0, 3), np.int8),
        np.float64(2.5),
        np.arange(20000.0),
    ):
        read = as_value(read_pickle(pickle.dumps(array, protocol)))
        assert read.dtype == array.dtype
        assert np.array_equal(read, array)


def test_compressed() -> None:
    data = pickle.dumps([1, 2])
    for pack in (zlib.compress, gzip.compress, bz2.compress, lzma.compress, lambda d: lzma.compress(d, lzma.FORMAT_ALONE)):
        assert read_pickle(pack(data)) == [1, 2]
        with pytest.raises(PickleRefused):
            read_pickle(pack(data)[:14])
    with pytest.raises(PickleRefused, match="lz4"):
        read_pickle(b"\x04\x22\x4d\x18...")
    with pytest.raises(PickleRefused, match=r"joblib before 0\.10"):
        read_pickle(b"ZF0x7")


def test_what_would_unfold_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unitcodec.pickles.MAX_BYTES", 10**6)
    assert len(decompressed(zlib.compress(bytes(10**6)))) == 10**6
    for pack in (zlib.compress, gzip.compress, bz2.compress, lzma.compress):
        with pytest.raises(PickleRefused, match="more than 1000000 bytes"):
            decompressed(pack(bytes(10**6 + 1)))


# --- nothing is executed


class _Calls:
    """Calls ``function`` where it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("depth", ["alone", "list", "object array", "attribute"])
def test_a_hostile_pickle_is_refused_and_not_executed(tmp_path: Path, protocol: int, depth: str) -> None:
    flag = tmp_path / "executed"
    for call in (_Calls(os.system, f"touch {flag}"), _Calls(eval, f"open({str(flag)!r}, 'w')"), _Calls(Path.touch, flag)):
        array = np.empty(1, object)
        array[0] = call
        made = OrderedDict(x=call)  # a class that is no codebook's
        value = {"alone": call, "list": [1, [call]], "object array": array, "attribute": made}[depth]
        with pytest.raises(PickleRefused, match=r"asks for .*nothing was executed|only numbers are read") as caught:
            read_pickle(pickle.dumps(value, protocol))
        assert "\n" not in str(caught.value)
    assert not flag.exists()


def test_the_refusal_names_what_was_asked_for() -> None:
    with pytest.raises(PickleRefused, match=r"^asks for posix\.system, which the file of a k-means codebook has no need of"):
        read_pickle(pickle.dumps(_Calls(os.system, "true")))
    with pytest.raises(PickleRefused, match=r"^asks for os\.\\u202esystem\\n, which"):
        read_pickle(b"\x80\x04\x8c\x02os\x8c\x0a\xe2\x80\xaesystem\n\x93.")


@pytest.mark.parametrize(
    "program",
    [
        b"",
        b".",
        b"0.",
        b"N",
        b"Pname\n.",
        b"NQ.",
        b"\x82\x01.",
        b"\x97.",
        b"\x8f.",
        b"(\x91.",
        b"NNb.",
        b"NNR.",
        b"NN\x81.",
        b"NNN\x92.",
        b"(o.",
        b"(NNo.",
        b"NNa.",
        b"Ne.",
        b"N(Ne.",
        b"}NNs.",
        b"}(KKu.",
        b"}(X\x01\x00\x00\x00a" + b"u.",
        b"(Nd.",
        b"\x85.",
        b"N\x87.",
        b"g5\n.",
        b"j\xff\xff\xff\xff.",
        b"\x8e" + b"\xff" * 7 + b"\x7f" + b"x.",
        b"\x96" + b"\xff" * 7 + b"\x7f" + b"x.",
        b"B\xff\xff\xff\xffx.",
        b"\x8b\xff\xff\xff\x7fx.",
        b"I" + b"9" * 5000 + b"\n.",
        b"F" + b"x\n.",
        b"}" + b"N" + b"\x85" * 200000 + b"Ns.",
        b"cnumpy\ndtype\n(S'O8'\ntR.",
        b"cnumpy\nndarray\n.",
        b"c__builtin__\nbytes\n(I5\ntR.",
        b"c_codecs\nencode\n(]tR.",
        b"c_codecs\nencode\n(V\\u4e2d\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n)RNb.",
        b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01(K\x02tNNNtb.",
        b"cnumpy.core.multiarray\nscalar\n)R.",
        b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)R}b.",
        b"ccopyreg\n_reconstructor\n)R.",
    ],
)
def test_programs_that_make_no_sense(program: bytes) -> None:
    try:
        read = read_pickle(program)
    except PickleRefused as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert not callable(read)


def test_a_joblib_array_cannot_be_larger_than_the_file() -> None:
    dtype = b"\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02f8\x85R"
    shape = b"\x8a\x06\x00\x00\x00\x00\x00\x01\x85"  # 2**40
    wrapper = b"\x8c\x13joblib.numpy_pickle\x8c\x11NumpyArrayWrapper\x93)\x81"
    state = b"}(\x8c\x05dtype" + dtype + b"\x8c\x05shape" + shape + b"\x8c\x05order\x8c\x01Cub"
    with pytest.raises(PickleRefused):
        read_pickle(b"\x80\x04" + wrapper + state + bytes(100) + b".")


def test_damage_is_refused_or_harmless(tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib", reason="needs joblib, which scikit-learn and librosa bring")
    stream = io.BytesIO()
    joblib.dump({"a": np.arange(12.0).reshape(3, 4), "b": [np.float32(1), "text", 3]}, stream)
    data, rng = stream.getvalue(), np.random.default_rng(0)
    names = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
    refused = 0
    for _ in range(3000):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            damaged[place : place + 1] = names[rng.integers(len(names))] if rng.random() < 0.5 else bytes([rng.integers(256)])
        try:
            read_pickle(bytes(damaged))
        except PickleRefused:
            refused += 1
    assert refused > 1000
    for size in range(len(data)):
        with pytest.raises(PickleRefused):
            read_pickle(data[:size])


def test_objects_are_remembered_not_made() -> None:
    sklearn = pytest.importorskip("sklearn.cluster", reason="needs scikit-learn, which librosa brings")
    made = read_pickle(pickle.dumps(sklearn.KMeans(3)))
    assert isinstance(made, Made)
    assert (made.function.module, made.function.name) == ("sklearn.cluster._kmeans", "KMeans")
    assert made.state["n_clusters"] == 3
