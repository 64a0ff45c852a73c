"""``unitcodec convert-kmeans``: codebooks as scikit-learn and joblib leave them, arrays, and files that are neither."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from unitcodec.command import main
from unitcodec.formats.centroids import read_centroids

joblib = pytest.importorskip("joblib", reason="needs joblib, which scikit-learn and librosa bring")
cluster = pytest.importorskip("sklearn.cluster", reason="needs scikit-learn, which librosa brings")

VECTORS = np.random.default_rng(0).standard_normal((300, 6)).astype(np.float32)
FITTED = {
    "mini-batches": lambda: cluster.MiniBatchKMeans(5, random_state=0).fit(VECTORS),
    "learned in parts": lambda: cluster.MiniBatchKMeans(5).partial_fit(VECTORS[:150]).partial_fit(VECTORS[150:]),
    "its own random numbers": lambda: cluster.MiniBatchKMeans(5, random_state=np.random.RandomState(3)).fit(VECTORS),
    "k-means, float64": lambda: cluster.KMeans(4, random_state=0).fit(VECTORS.astype(np.float64)),
}


def dumped(value: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    joblib.dump(value, stream, **options)
    return stream.getvalue()


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[str]]:
    status = main(["convert-kmeans", *map(str, arguments)])
    return status, capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("kind", FITTED)
def test_codebooks_of_scikit_learn(kind: str) -> None:
    fitted = FITTED[kind]()
    expected = fitted.cluster_centers_.astype(np.float32)
    packed = [dumped(fitted, compress=(name, 3)) for name in ("zlib", "gzip", "bz2", "lzma", "xz")]
    protocols = range(pickle.HIGHEST_PROTOCOL + 1)
    joined = [dumped(fitted, protocol=protocol) for protocol in protocols]
    for data in [dumped(fitted), *packed, *joined, *(pickle.dumps(fitted, protocol) for protocol in protocols)]:
        centroids = read_centroids(data)
        assert centroids.dtype == np.float32
        assert np.array_equal(centroids, expected)


def test_the_names_of_earlier_versions() -> None:
    """Which modules scikit-learn and joblib had before 0.22 and 0.23."""
    data = dumped(FITTED["mini-batches"](), protocol=2)
    for new, old in ((b"sklearn.cluster._kmeans", b"sklearn.cluster.k_means_"), (b"cjoblib", b"csklearn.externals.joblib")):
        assert new in data
        data = data.replace(new, old)
    assert read_centroids(data).shape == (5, 6)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".pkl", ".joblib"])
def test_arrays(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / f"km{suffix}", tmp_path / "out.safetensors"
    vectors = VECTORS[:7].astype(np.float64)
    if suffix == ".npy":
        np.save(path, vectors)
    elif suffix == ".npz":
        np.savez(path, labels=np.zeros(3), centroids=vectors, other=VECTORS)
    elif suffix == ".safetensors":
        safetensors.numpy.save_file({"centroids": vectors}, path)
    else:
        path.write_bytes(pickle.dumps(vectors) if suffix == ".pkl" else dumped(vectors))
    status, lines = run(capsys, path, "--out", out)
    assert (status, lines) == (0, [f"{path} -> {out}: 7 centroids of 6 dimensions"])
    written = safetensors.numpy.load_file(out)
    assert list(written) == ["centroids"]
    assert np.array_equal(written["centroids"], vectors.astype(np.float32))
    assert np.array_equal(read_centroids(out.read_bytes()), written["centroids"])


def test_outputs_are_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "km.npy", VECTORS)
    out = tmp_path / "out.safetensors"
    out.write_bytes(b"old")
    assert run(capsys, tmp_path / "km.npy", "--out", out) == (2, [f"unitcodec: {out}: exists already; --overwrite replaces it"])
    assert out.read_bytes() == b"old"
    assert run(capsys, tmp_path / "km.npy", "--out", out, "--overwrite")[0] == 0
    assert len(read_centroids(out.read_bytes())) == 300


class _Calls:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


def hostile(flag: Path) -> dict[str, bytes]:
    """Files that would make a file were they unpickled; some are codebooks otherwise."""
    call = _Calls(os.system, f"touch {flag}")
    fitted = FITTED["mini-batches"]()
    fitted.verbose = call
    array = np.empty(1, object)
    array[0] = call
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return {
        "pickle": pickle.dumps(call),
        "codebook": pickle.dumps(fitted),
        "joblib": dumped(fitted),
        "compressed": dumped(fitted, compress=3),
        "array in joblib": dumped(array),
        "array": stream.getvalue(),
    }


def test_a_hostile_file_is_refused_and_not_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flag, out = tmp_path / "executed", tmp_path / "out.safetensors"
    for name, data in hostile(flag).items():
        path = tmp_path / name
        path.write_bytes(data)
        status, lines = run(capsys, path, "--out", out)
        assert status == 1, name
        assert len(lines) == 1
        assert lines[0].startswith(f"unitcodec: {path}: ")
        assert "nothing was executed" in lines[0] or "Python objects" in lines[0] or "only numbers" in lines[0]
        assert not out.exists()
    assert not flag.exists()
    # They are as hostile as is claimed.
    pickle.loads((tmp_path / "codebook").read_bytes())
    assert flag.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"RIFF....WAVE", "not a pickle, or a damaged one"),
        (b"PK\x03\x04rubbish", "not a NumPy archive"),
        (b"\x10\0\0\0\0\0\0\0{rubbish", "not a safetensors file"),
        (pickle.dumps({"a": 1}), "holds no array named centroids or cluster_centers_"),
        (pickle.dumps([1, 2]), "holds no k-means codebook"),
        (pickle.dumps(np.zeros(5)), r"its centroids have the shape \(5,\) and type float64"),
        (pickle.dumps(np.zeros((0, 5))), "its centroids have the shape"),
        (pickle.dumps(np.full((2, 5), np.nan)), "a centroid is NaN or infinite"),
        (pickle.dumps(np.full((2, 5), 1e300)), "a centroid is NaN or infinite"),
        (pickle.dumps(np.zeros((2**15 + 1, 1), np.int8)), "32769 centroids; a unit's alphabet ends at 32768"),
        (pickle.dumps(cluster.KMeans(3)), "is it a k-means codebook, and fitted"),
    ],
)
def test_files_without_a_codebook(data: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "km").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_centroids(data)
    status, lines = run(capsys, tmp_path / "km", "--out", tmp_path / "out.safetensors")
    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith(f"unitcodec: {tmp_path / 'km'}: ")


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "gone"
    assert run(capsys, missing, "--out", tmp_path / "x") == (1, [f"unitcodec: {missing}: No such file or directory"])


def test_neither_scikit_learn_nor_torch_is_needed(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "km.bin").write_bytes(dumped(FITTED["learned in parts"](), compress=3))
    script = (
        "import sys; sys.modules.update(dict.fromkeys(['sklearn', 'joblib', 'torch']));\n"
        "from unitcodec.command import main;\n"
        f"sys.exit(main(['convert-kmeans', {str(tmp_path / 'km.bin')!r}, '--out', {str(tmp_path / 'o')!r}]))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, cwd=tmp_path, capture_output=True)
    assert read_centroids((tmp_path / "o").read_bytes()).shape == (5, 6)
