"""Pickles as data: what arrays need is understood in every protocol, nothing is executed, everything else is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import pickletools
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unitcodec.formats.centroids import read_centroids
from unitcodec.formats.pickles import Made, PickleRefused, as_value, decompressed, read_pickle

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
    monkeypatch.setattr("unitcodec.formats.pickles.unfolded", lambda size: 10**6)
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


# --- what a short program can make


def _text(value: bytes) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value


def _array(shape: bytes, data: bytes, letters: bytes = _text(b"f4")) -> bytes:
    """A NumPy array of this shape, bytes and type, each given as operations."""
    dtype = b"cnumpy\ndtype\n" + letters + b"\x85R"
    return b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01" + shape + dtype + b"\x89" + data + b"tb"


def _doubled(times: int) -> bytes:
    """A tuple of the same tuple twice, and so on: 2**times leaves, none of which takes memory."""
    return b"N" + b"2\x86" * times


def bombs() -> dict[str, bytes]:
    """Pickles of a few kilobytes or megabytes that would take gigabytes or minutes."""
    big, dictionary = 4_000_000, b"(" + b"".join(_text(b"%d" % n) + b"N" for n in range(9000)) + b"d"
    encode, made = b"c_codecs\nencode\n", b"csklearn.cluster._kmeans\nKMeans\n)\x81"
    again = b"h\x00" + b"h\x01\x85R0"
    wrapper = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(" + _text(b"dtype") + b"cnumpy\ndtype\n" + _text(b"i1") + b"\x85R"
    wrapper += _text(b"order") + _text(b"C") + _text(b"shape")
    names = b"0".join(b"h\x00h\x01\x93" for _ in range(20000))
    return {
        "text encoded again and again": encode + b"q\x000" + _text(b"x" * 30000) + b"q\x010" + again * 4000 + b"N.",
        "bytes of text of Python 2": _text(b"x" * 200000)
        + b"q\x000"
        + _array(b"J\x40\x0d\x03\x00\x85", b"h\x00", _text(b"u1")) * 1000
        + b".",
        "the same state for many": dictionary + b"q\x000" + (made + b"h\x00b0") * 7000 + b"N.",
        "a state again and again": dictionary + b"q\x000" + made + b"h\x00b" * 22000 + b".",
        "doubled": _doubled(10000) + b".",
        "doubled, as a type": _array(b")", _text(b""), _doubled(60)) + b".",
        "doubled, as a shape": _array(_doubled(60), _text(b"")) + b".",
        "doubled, as a key": b"}" + _doubled(60) + b"Ns.",
        "doubled, as a name": _doubled(60) + b"2\x93.",
        "doubled, as arguments": b"cnumpy\ndtype\n" + _doubled(60) + b"R.",
        "nested lists": b"]" * 30000 + b"a" * 29999 + b".",
        "nested marks": b"(" * big + b".",
        "many operations": b"N" * big + b".",
        "many small objects": b"]0" * (big // 2) + b"N.",
        "many memos": b"N" + b"\x94" * big + b".",
        "one long tuple": b"(" + b"N" * 60000 + b"t.",
        "a shape of many axes": b"(" + b"M\xff\xff" * 60000 + b"tq\x000" + _array(b"h\x00", _text(b"")) + b".",
        "a shape of great numbers": b"("
        + (b"\x8a\xff" + b"\x7f" * 255) * 10000
        + b"tq\x000"
        + _array(b"h\x00", _text(b""))
        + b".",
        "a shape of text": _array(_text(b"1" * big), _text(b"")) + b".",
        "a great integer": b"\x8b" + big.to_bytes(4, "little") + b"\x7f" * big + b".",
        "a great integer as a size": _array(b"\x8b" + big.to_bytes(4, "little") + b"\x7f" * big + b"\x85", _text(b"")) + b".",
        "a number of many digits": b"I" + b"7" * big + b"\n.",
        "a fraction of many digits": b"F0." + b"7" * big + b"\n.",
        "a fraction of many digits, and an exponent": b"F" + b"7" * big + b"e-" + b"9" * 9 + b"\n.",
        "long text": b"V" + b"\\u4e2d" * (big // 6) + b"\n.",
        "wide text": _text(b"a" * big + "\U0001f600".encode()) + b".",
        "a name without end": _text(b"numpy") + b"q\x000" + _text(b"int" + b"1" * big) + b"q\x010" + names + b".",
        "keys that are long": _text(b"x" * (big // 2))
        + b"q\x000"
        + _text(b"x" * (big // 2))
        + b"q\x010}h\x00Ns"
        + b"h\x01Ns" * 9000
        + b".",
        "keys of one hash": b"}("
        + b"".join(b"\x8a\x0a" + (n * (2**61 - 1)).to_bytes(10, "little") + b"N" for n in range(20000))
        + b"u.",
        "frames": b"\x80\x04" + (b"\x95" + b"\xff" * 7 + b"\x7f") * 400000 + b"N.",
        "text beyond the end": b"\x8d" + b"\xff" * 7 + b"\x7f" + b"x" * big,
        "an array beyond the end": wrapper + b"\x8a\x05" + (2**38).to_bytes(5, "little") + b"\x85ub" + b"x" * big + b".",
        "joblib arrays of nothing": (wrapper + b"K\x00\x85ub0") * 3500 + b"N.",
        "persistent": b"N" + b"Q" * 60000 + b".",
        "calls of calls": b"ccopyreg\n_reconstructor\n2\x85R.",
        "zlib": zlib.compress(bytes(2**28), 6),
        "gzip": gzip.compress(bytes(2**27), 6),
        "bz2": bz2.compress(bytes(2**27), 6),
        "xz": lzma.compress(bytes(2**27), preset=0),
        "xz with a large dictionary": lzma.compress(b"N.", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2**30}]),
        "lzma with a large dictionary": b"\x5d\xff\xff\xff\xff" + lzma.compress(b"N.", lzma.FORMAT_ALONE)[5:],
        "one byte a value": zlib.compress(pickle.dumps(np.zeros((2**15, 2**9 - 1), np.int8)), 9),
        "zlib in zlib": zlib.compress(zlib.compress(bytes(2**27), 6)),
        "an archive": _archive(2**27, 1),
        "an archive of many": _archive(100, 30000),
    }


def _archive(size: int, members: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(members):
            archive.writestr(f"{number}.npy", bytes(size))
    return stream.getvalue()


def test_a_file_takes_no_more_than_it_is_worth(tmp_path: Path, cheaply: Callable[..., dict[str, str]]) -> None:
    usual = tmp_path / "usual"
    usual.write_bytes(pickle.dumps(np.zeros((5, 3))))
    paths = []
    for number, (name, data) in enumerate(bombs().items()):
        assert len(data) < 5_000_000, name
        paths.append(tmp_path / f"{number} {name}")
        paths[-1].write_bytes(data)
    said = cheaply("unitcodec.formats.centroids", "read_centroids", usual, paths)
    assert {path for path, word in said.items() if word.startswith("read:")} <= {
        str(path) for path in paths if "one byte" in path.name
    }
    assert {word.split(":")[0] for word in said.values()} <= {"read", "PickleRefused", "ValueError"}


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(OSError, match="not a regular file"):
            read_centroids(path)
