"""Manifests, folders and tars are read alike; what is none is told in a line."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path

import pytest
from corpus_shards import write_tar

from unitcodec.corpus import recordings as recordings_module
from unitcodec.corpus.recordings import expanded, is_tar, read_folder, read_manifest, read_tar
from unitcodec.errors import UnitcodecError, UnitcodecWarning


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.tsv", 'id\tpath\tspeaker\ttranscript\tsnr\nu\ta.wav\tp1\tsay "it\t3\n'),
        ("m.csv", 'path,utterance_id,client_id,sentence,snr\na.wav,u,p1,"say ""it",3\n'),
        ("m.jsonl", '{"key": "u", "audio_filepath": "a.wav", "speaker_id": "p1", "text": "say \\"it", "snr": "3"}\n\n'),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_columns_have_the_names_that_others_give_them(name: str, text: str, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    (found,) = read_manifest(str(path))
    assert (found.id, found.path, found.speaker, found.transcript) == ("u", str(tmp_path / "a.wav"), "p1", 'say "it')
    assert found.metadata == {"snr": "3"}


def test_paths_are_absolute_urls_or_beside_the_manifest(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    (tmp_path / "m.tsv").write_text("path\na.wav\n/b.wav\ns3://bucket/c.wav\n")
    expected = [str(tmp_path / "a.wav"), "/b.wav", "s3://bucket/c.wav"]
    assert [each.path for each in read_manifest(str(tmp_path / "m.tsv"))] == expected
    url = (tmp_path / "m.tsv").as_uri()
    assert [each.path for each in read_manifest(url)] == [(tmp_path / "a.wav").as_uri(), *expected[1:]]
    assert [each.id for each in read_manifest(url)] == ["a.wav", "/b.wav", "s3://bucket/c.wav"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("m.tsv", "name\na.wav\n", "line 2 has none of the columns path,"),
        ("m.tsv", "path\n", "names no recordings"),
        ("m.tsv", "path\na.wav\nb.wav\na.wav\n", "lines 2 and 4 have the same id 'a.wav'"),
        ("m.jsonl", '{"path": "a"}\n{"path"\n', "line 2 is no JSON"),
        ("m.jsonl", "[1]\n", "line 1 is no JSON object"),
        ("m.jsonl.gz", "not packed", "Not a gzipped file"),
        ("m.csv", "path\n" + "x" * 200000, "field larger than field limit"),
        ("m.tsv", "path\na\x00.wav\n\xff", "codec can't decode|line contains NUL"),
        ("m.wav", "RIFF", "is no manifest"),
        ("none.tsv", None, "No such file"),
    ],
)
def test_what_is_no_manifest(name: str, text: str | None, problem: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(UnitcodecError, match=problem) as error:
        read_manifest(str(tmp_path / name))
    assert str(error.value).startswith(str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_a_folder(recordings: Path) -> None:
    assert [each.id for each in read_folder(str(recordings))] == ["a", "b", "d", "deep/a", "deep/c"]
    (recordings / "a.flac").touch()
    assert [each.id for each in read_folder(str(recordings))][:3] == ["a.flac", "a.wav", "b"]
    (recordings.parent / "none").mkdir()
    with pytest.raises(UnitcodecError, match="none: holds no audio files"):
        read_folder(str(recordings.parent / "none"))
    with pytest.raises(UnitcodecError, match="nowhere: No such file"):
        read_folder(str(recordings.parent / "nowhere"))


def test_a_tar_is_read_in_the_order_of_its_keys(tmp_path: Path) -> None:
    write_tar(
        tmp_path / "x.tar",
        {
            "one.flac": b"1", "one.json": b'{"speaker": 7, "text": "no", "path": "/secret"}', "one.txt": b"yes\n",
            "../../two.x.wav": b"2", "../../two.cls": b"0", "three.txt": b"no audio", "four.wav": b"4", "four.mp3": b"44",
            "five.json": b"{", "five.ogg": b"5",
        },
    )  # fmt: skip
    found = [
        (each, Path(path).read_bytes() if isinstance(path, str) else str(path))
        for each, path in read_tar(str(tmp_path / "x.tar"))
    ]
    assert [(each.id, data) for each, data in found] == [
        ("one", b"1"), ("../../two", b"2"), ("four", "two audio files have this key"), ("five", b"5")
    ]  # fmt: skip
    assert (found[0][0].speaker, found[0][0].transcript, dict(found[0][0].metadata)) == ("7", "yes", {"text": "no"})
    assert found[1][0].path == f"{tmp_path}/x.tar::../../two.x.wav"
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


def test_a_folder_in_circles_and_one_that_is_linked(recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (recordings / "d.wav").rename(tmp_path / "elsewhere" / "d.wav")
    os.symlink(tmp_path / "elsewhere", recordings / "linked")
    os.symlink(recordings, recordings / "circle")
    with pytest.warns(UnitcodecWarning, match="circle: a link to a folder that it is in; left out"):
        assert [each.id for each in read_folder(str(recordings))] == ["a", "b", "deep/a", "deep/c", "linked/d"]


def told(path: Path) -> list[tuple[str, str]]:
    """What is said of each recording of a tar, and of the tar itself."""
    found = list[tuple[str, str]]()
    try:
        for recording, given in read_tar(str(path)):
            found.append((recording.id, "" if isinstance(given, str) else str(given)))
    except tarfile.TarError as error:
        found.append(("", str(error)))
    return found


def test_nothing_of_a_damaged_tar_is_lost_silently(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    write_tar(path, {"a.wav": b"1" * 700, "b.wav": b"2", "c.wav": b"3"})
    data = path.read_bytes()
    with tarfile.open(path) as tar:
        second, third = (member.offset for member in tar.getmembers()[1:])
    path.write_bytes(data[: second + 5] + b"!" + data[second + 6 :])
    assert told(path) == [("a", ""), ("", "a header in it is damaged; what follows is not coded")]
    for end in (third, third + 100):
        path.write_bytes(data[:end])
        assert told(path) == [("a", ""), ("b", ""), ("", "it is cut off; what follows is not coded")]
    path.write_bytes(data[: second - 600])
    assert told(path) == [("", "unexpected end of data")]


def test_members_that_are_no_plain_files_are_told(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name, kind in (("hard.wav", tarfile.LNKTYPE), ("deep", tarfile.DIRTYPE), ("soft.wav", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        member = tarfile.TarInfo("bomb.wav")  # of no bytes, that says that it has 2 TB of zeros
        member.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(1 << 41), "GNU.sparse.major": "0"}
        tar.addfile(member)
    found = told(tmp_path / "x.tar")
    assert [name for name, _ in found] == ["hard", "soft", "bomb"]
    assert all("--dereference" in problem for _, problem in found), found


def test_a_recording_that_is_unpacked_to_too_much_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings_module, "MOST_AUDIO", 100)
    write_tar(tmp_path / "x.tar", {"a.wav": b"1" * 101, "b.wav": b"2" * 100})
    assert told(tmp_path / "x.tar") == [("a", "has 101 bytes, more than 100; name it in a manifest instead"), ("b", "")]


def test_a_key_that_comes_again_is_told(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", {"a.wav": b"1", "b.wav": b"2", "a.txt": b"late", "a.flac": b"3"})
    first, second, (key, problem) = told(tmp_path / "x.tar")
    assert (first, second, key) == (("a", ""), ("b", ""), "a")
    assert problem.startswith("another recording of this tar has this key")


def test_a_header_of_many_bytes_is_not_read(tmp_path: Path) -> None:
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    (tmp_path / "x.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    ((_, problem),) = told(tmp_path / "x.tar")
    assert problem.startswith("a header in it has 8589934592 bytes")


def test_braces() -> None:
    assert expanded("s3://b/x-{8..10}-{0..1}.tar") == [f"s3://b/x-{n}-{m}.tar" for n in (8, 9, 10) for m in (0, 1)]
    assert is_tar("s3://b/x.tar.gz")
    assert is_tar("https://host/x.tar?token=1")
    assert not is_tar("tar.tsv")
    for path, problem in (("x-{5..2}.tar", "count down"), ("{0..99999}-{0..99999}.tar", "stands for 10000000000 tars")):
        with pytest.raises(UnitcodecError, match=problem):
            expanded(path)
    assert len(expanded("x-{0.." + "9" * 5000 + "}.tar")) == 1  # a name, which no file has
