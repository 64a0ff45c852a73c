"""A slice becomes a shard, once, whatever is wrong with one recording of it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import soundfile
from corpus_shards import write_tar

import bitstream
from unitcodec.corpus import encode
from unitcodec.corpus.encode import encode_slice, finished
from unitcodec.corpus.plan import Plan, Slice, digest, slices_of
from unitcodec.corpus.recordings import read_manifest
from unitcodec.corpus.store import Store
from unitcodec.corpus.summary import summarize
from unitcodec.errors import ModelError, UnitcodecError

if TYPE_CHECKING:
    from unitcodec.codec import Codec


def plan_of(folder: Path, slices: tuple[Slice, ...], codec: Codec, **more: str) -> Plan:
    plan = Plan(Store(str(folder)), len(slices), digest(slices), fingerprint=codec.model.entropy.fingerprint, **more)  # type: ignore[arg-type]
    plan.begin()
    return plan


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_corpus_in_tars(recordings: Path, narrow: Codec, tmp_path: Path) -> None:
    (recordings / "d.wav").write_bytes(b"RIFF")
    slices = slices_of(read_manifest(str(recordings / "all.jsonl")), 2)
    plan = plan_of(tmp_path / "out", slices, narrow, format="tar")
    shares: list[float] = []
    for piece in slices:
        encode_slice(plan, piece, narrow, shares.append)
    total = summarize(plan)
    assert shares == [0.5, 1.0, 0.5, 1.0, 1.0]
    assert (total.recordings, total.failed, total.seconds) == (4, 1, 2.0)
    index, (failure,) = rows(tmp_path / "out" / "index.jsonl"), rows(tmp_path / "out" / "failures.jsonl")
    assert [row["id"] for row in index] == ["utt0", "utt1", "utt2", "utt3"]
    assert (failure["id"], failure["path"]) == ("utt4", str(recordings / "d.wav"))
    assert str(failure["error"]).startswith(f"{recordings / 'd.wav'}: ")
    for row, name in zip(index, ["a.wav", "b.flac", "deep/a.wav", "deep/c.wav"], strict=True):
        data = (tmp_path / "out" / str(row["shard"])).read_bytes()
        stream = data[row["offset"] :][: row["size"]]  # type: ignore[index, misc]
        assert stream == narrow.compress(recordings / name)
        assert bitstream.unpack(stream, narrow.model.entropy).num_samples == row["num_samples"] == 8000


def test_what_is_there_is_not_made_again(
    recordings: Path, narrow: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = slices_of(read_manifest(str(recordings / "all.jsonl")), 5)
    plan = plan_of(tmp_path / "out", slices, narrow, format="tar")
    first = encode_slice(plan, slices[0], narrow)
    shard = tmp_path / "out" / plan.shard(0)
    before = shard.read_bytes()
    monkeypatch.setattr(encode, "_attempt", lambda *_: pytest.fail("is coded again"))
    assert encode_slice(plan, slices[0], narrow) == first == finished(plan, 0)
    monkeypatch.undo()
    encode_slice(plan, slices[0], narrow, again=True)
    assert shard.read_bytes() == before
    assert sorted(os.listdir(shard.parent)) == [shard.name]
    write = Store.write

    def killed(store: Store, name: str, data: bytes) -> None:
        if name == plan.shard(0):
            raise KeyboardInterrupt
        write(store, name, data)

    monkeypatch.setattr(Store, "write", killed)
    with pytest.raises(KeyboardInterrupt):  # its report is new, so the shard that was there is not that of the report
        encode_slice(plan, slices[0], narrow, again=True)
    monkeypatch.undo()
    assert finished(plan, 0) is None
    encode_slice(plan, slices[0], narrow)
    shard.unlink()  # as where a run ended between report and shard
    assert finished(plan, 0) is None
    with pytest.raises(UnitcodecError, match="1 of 1 shards are missing"):
        summarize(plan)


def test_another_corpus_in_its_place(recordings: Path, narrow: Codec, tmp_path: Path) -> None:
    slices = slices_of(read_manifest(str(recordings / "all.jsonl")), 2)
    plan = plan_of(tmp_path / "out", slices, narrow)
    plan.begin()
    with pytest.raises(UnitcodecError, match="begun with other number of shards, inputs; name another folder"):
        replace(plan, shards=2, inputs=digest(slices[:2])).begin()
    with pytest.raises(UnitcodecError, match="is not empty, and no corpus was begun in it"):
        replace(plan, store=Store(str(recordings))).begin()
    (tmp_path / "out" / "corpus.json").write_text("[]")
    with pytest.raises(UnitcodecError, match=r"its corpus\.json cannot be read"):
        plan.begin()
    with pytest.raises(ModelError, match="the corpus is coded by 00000000"):
        encode_slice(replace(plan, fingerprint="00000000"), slices[0], narrow)


def test_hostile_names_stay_names(recordings: Path, narrow: Codec, tmp_path: Path) -> None:
    """Ids that look like paths out of the folder, and what is no recording at all."""
    manifest, sound = recordings / "bad.jsonl", (recordings / "a.wav").read_bytes()
    ids = ["../../../evil", "/etc/evil", "two\nlines", "a/../../b", "C:\\evil", "\x00", "\ud800"]
    lines = [{"id": each, "path": "a.wav"} for each in ids] + [
        {"id": "gone", "path": "../none.wav"}, {"id": "folder", "path": "deep"}, {"id": "null", "path": "a\x00.wav"},
        {"id": "device", "path": "/dev/zero"}, {"id": "url", "path": "nosuch://host/a.wav"},
    ]  # fmt: skip
    manifest.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    write_tar(tmp_path / "x.tar", {"../../evil.wav": sound, "/evil.wav": sound, "two\nlines.wav": sound, "bad.wav": b"RIFF"})
    (tmp_path / "cut.tar").write_bytes((tmp_path / "x.tar").read_bytes()[:20000])
    slices = (*slices_of(read_manifest(str(manifest)), 20), Slice(1, tar=str(tmp_path / "x.tar")))
    slices = (*slices, Slice(2, tar=str(tmp_path / "cut.tar")), Slice(3, tar=str(recordings / "a.wav")))
    before = set(tmp_path.rglob("*"))
    plan = plan_of(tmp_path / "out", slices, narrow, format="tar")
    for piece in slices:
        encode_slice(plan, piece, narrow)
    total = summarize(plan)
    assert {path for path in tmp_path.rglob("*") if tmp_path / "out" not in (path, *path.parents)} == before
    assert (total.recordings, total.failed) == (7 + 3 + 1, 5 + 1 + 1 + 1)
    failures = rows(tmp_path / "out" / "failures.jsonl")
    assert [row["id"] for row in failures[:6]] == ["gone", "folder", "null", "device", "url", "bad"]
    assert all("\n" not in str(row["error"]) and row["error"] for row in failures)


def test_urls(recordings: Path, narrow: Codec, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for name in ("all.jsonl", "a.wav", "b.flac", "deep/a.wav", "deep/c.wav"):
        memory.pipe_file(f"/in/{name}", (recordings / name).read_bytes())
    slices = slices_of(read_manifest("memory://in/all.jsonl"), 5)
    plan = Plan(Store("memory://out"), 1, digest(slices), "tar", fingerprint=narrow.model.entropy.fingerprint)
    plan.begin()
    assert encode_slice(plan, slices[0], narrow).recordings == 4
    assert summarize(plan).failed == 1
    assert encode_slice(plan, slices[0], None).recordings == 4  # it is there
    names = [json.loads(line)["id"] for line in memory.cat_file("/out/index.jsonl").splitlines()]
    assert names == ["utt0", "utt1", "utt2", "utt3"]
    (failure,) = map(json.loads, memory.cat_file("/out/failures.jsonl").splitlines())
    assert failure["id"] == "utt4"
    with pytest.raises(UnitcodecError, match="nosuch"):
        Store("nosuch://bucket/out")


def test_a_tar_gives_what_its_files_give(recordings: Path, narrow: Codec, tmp_path: Path) -> None:
    sound = {f"{n}.wav": (recordings / n).with_suffix(".wav").read_bytes() for n in ("a", "d")}
    write_tar(tmp_path / "in.tar", {**sound, "d.json": b'{"speaker": "s", "text": "w"}'})
    slices = (Slice(0, tar=str(tmp_path / "in.tar")),)
    parquet = pytest.importorskip("pyarrow.parquet")
    plan = plan_of(tmp_path / "out", slices, narrow)
    encode_slice(plan, slices[0], narrow)
    table = parquet.read_table(tmp_path / "out" / plan.shard(0)).to_pylist()
    assert [row["stream"] for row in table] == [narrow.compress(recordings / name) for name in sound]
    assert [(row["id"], row["speaker"], row["transcript"]) for row in table] == [("a", None, None), ("d", "s", "w")]
    assert table[0]["num_samples"] == soundfile.info(recordings / "a.wav").frames
