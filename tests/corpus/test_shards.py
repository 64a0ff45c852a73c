"""What a shard says of a recording, others read: pyarrow, tarfile, WebDataset."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unitcodec.corpus.recordings import Recording
from unitcodec.corpus.shards import Coded, member_key, shard_bytes

ANY = st.characters(codec=None, exclude_categories=())  # halves of surrogate pairs, too: JSON and names of files have them

CODED = [
    Coded(Recording("a", "/x/a.wav", "p1", "hello", {"snr": 3}), b"\xf5\x9b" * 300, 16000),
    Coded(Recording("../b.c", "/x/b\udcff.wav"), b"", 24000),
]


def test_parquet() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    data, places = shard_bytes("parquet", CODED, "01234567")
    first, second = parquet.read_table(io.BytesIO(data)).to_pylist()
    assert places == [{"row": 0}, {"row": 1}]
    assert first == {
        "id": "a", "path": "/x/a.wav", "stream": b"\xf5\x9b" * 300, "num_samples": 16000, "duration": 1.0, "bits": 4800,
        "model": "01234567", "speaker": "p1", "transcript": "hello", "metadata": '{"snr": 3}',
    }  # fmt: skip
    assert (second["id"], second["path"], second["speaker"], second["metadata"]) == ("../b.c", "/x/b\\udcff.wav", None, None)
    assert len(parquet.read_table(io.BytesIO(shard_bytes("parquet", [], "01234567")[0]))) == 0


def test_tar() -> None:
    data, places = shard_bytes("tar", CODED, "01234567")
    for each, place in zip(CODED, places, strict=True):
        assert data[place["offset"] : place["offset"] + place["size"]] == each.stream
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["a.uc", "a.json", "%2E%2E/b%2Ec.uc", "%2E%2E/b%2Ec.json"]
        facts = [json.load(file) for name in tar.getnames()[1::2] if (file := tar.extractfile(name))]
    assert [each["id"] for each in facts] == ["a", "../b.c"]
    assert shard_bytes("tar", CODED, "01234567")[0] == data


@given(st.text(ANY, max_size=20), st.text(ANY, max_size=20))
@example("\udcc3\udca9", "\xe9")
@example("\ud800", "")
def test_members_lead_nowhere_and_are_told_apart(first: str, second: str) -> None:
    key = member_key(first)
    assert not key.startswith("/")
    assert all(part and "." not in part and "\\" not in part and part.isprintable() for part in key.split("/"))
    assert (member_key(second) == key) == (first == second)
