"""What headers announce is held against what is there."""

from __future__ import annotations

import functools
import io
import re
import struct
import time
import timeit

import numpy as np
import pytest
import soundfile

from unitcodec.audio.headers import MOST_CHUNKS, MOST_FILES, mp3_problem, ogg_links, sized_files, sound_size

NOISE = 0.1 * np.random.default_rng(1).standard_normal(16001)


def _mp3_problem(data: bytes) -> str | None:
    return mp3_problem(data, [range(len(data))], range(len(data)))


def files_of(data: bytes) -> list[range]:
    return [file for file, _ in sized_files(data)]


def file(**options: str) -> bytes:
    buffer = io.BytesIO()
    if options["format"] == "BW64":  # RF64 by another name
        return b"BW64" + file(**{**options, "format": "RF64"})[4:]
    soundfile.write(buffer, NOISE, 16000, **options)
    return buffer.getvalue()


FAMILIES = ["WAV", "WAVEX", "RF64", "BW64", "W64", "AIFF", "CAF", "AU"]


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "ULAW"])
def test_a_whole_file_has_what_it_announces(kind: str, subtype: str) -> None:
    size = sound_size(file(format=kind, subtype=subtype))
    assert size is not None
    assert size.problem is None
    assert size.behind == 0
    assert 0 <= size.announced - len(NOISE) * {"PCM_16": 2, "PCM_24": 3, "ULAW": 1}[subtype] <= 9


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_cut_file_has_less(kind: str) -> None:
    size = sound_size(file(format=kind, subtype="PCM_16")[:-1000])
    assert size is not None
    assert size.problem is not None
    assert size.problem.startswith("cut short: ")


def with_size(data: bytes, size: int) -> bytes:
    at = data.index(b"data") + 4
    return data[:at] + struct.pack("<I", size) + data[at + 4 :]


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0xFFFFFFDB, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0x7FFFEFF6])
def test_sizes_that_pipes_have_mean_to_the_end(size: int) -> None:
    found = sound_size(with_size(file(format="WAV"), size))
    assert found is not None
    assert found.problem is None


def test_what_follows_the_samples_is_told_from_chunks() -> None:
    data = file(format="WAV", subtype="PCM_16")
    for more, behind in [
        (b"LIST" + struct.pack("<I", 4) + b"INFO", 0),
        (b"id3 " + struct.pack("<I", 3) + b"abc\0", 0),
        (data, 0),  # a file of its own
        (bytes(6000), 0),
        (b"ID3\4\0\0\0\0\x40\0" + bytes(range(256)) * 32, 0),
        (bytes(range(1, 33)), 32),
    ]:
        size = sound_size(data + more)
        assert size is not None
        assert size.problem is None
        assert size.behind == behind


def test_much_that_nothing_tells_of_may_be_speech() -> None:
    for more in (b"\1" * 5000, b"NOISE" * 1000):  # the latter begins as a chunk does
        size = sound_size(file(format="WAV") + more)
        assert size is not None
        assert size.problem is not None
        assert size.problem.startswith("5000 bytes follow the samples that its header announces; ")


@pytest.mark.parametrize("kind", [*FAMILIES, "FLAC"])
@pytest.mark.parametrize("following", [*FAMILIES, "FLAC", "OGG"])
@pytest.mark.parametrize("between", [b"", bytes(7000)])
def test_files_end_to_end_are_told_apart(kind: str, following: str, between: bytes) -> None:
    first, second = file(format=kind), file(format=following)
    assert [each.start for each in files_of(first + between + second + between)] == [0, len(first + between)]
    assert files_of(first + between) == [range(len(first + between))]


def test_very_many_files_end_to_end_take_time_in_proportion() -> None:
    head = file(format="FLAC")[:46]
    times = [
        min(timeit.repeat(functools.partial(files_of, head * count), timer=time.process_time, number=1, repeat=5))
        for count in (1000, 16000)
    ]
    assert len(files_of(head * 16000)) == 8000  # each ends with the head of a block, which the next one fills
    assert times[1] < 4 * 16 * times[0]  # sixteen times as many; before, two hundred times as long


@pytest.mark.parametrize("data", [b"\0\0\0\4ftypisom" + bytes(20), b".snd" + bytes(8) + b"\0\0\0\1" + bytes(20)])
def test_a_file_that_ends_where_it_begins(data: bytes) -> None:
    wav = file(format="WAV")
    assert files_of(data) == [range(len(data))]
    assert files_of(wav + data) == [range(len(wav)), range(len(wav), len(wav) + len(data))]


def test_a_file_may_have_many_chunks() -> None:
    wav, chunks = file(format="WAV"), (b"note" + (92).to_bytes(4, "little") + bytes(92)) * 1000
    behind, before = wav + chunks, wav[:36] + chunks + wav[36:]
    for data in (behind, before, behind + behind, before + before):
        size = sound_size(data)
        assert size is not None
        assert (size.problem, size.behind) == (None, 0)
    assert [len(files_of(data)) for data in (behind, before, behind + behind, before + before)] == [1, 1, 2, 2]
    cut = sound_size(before[:-2000])
    assert cut is not None
    assert "cut short" in (cut.problem or "")


def test_too_many_chunks_are_told() -> None:
    """They hid that a file was cut short."""
    wav = file(format="WAV", subtype="PCM_16")
    for count, files, cure in (
        (MOST_CHUNKS + 1, 0, r"leave them out \(ffmpeg -i IN OUT\.wav\)"),
        (200, 17, "code its files one by one"),
    ):
        chunks = b"note\0\0\0\0" * count
        for data in (wav * files + wav[:36] + chunks + wav[36:-2000], wav * files + wav + chunks):
            problem = next(filter(None, (size.problem for _, size in sized_files(data) if size is not None)))
            assert re.fullmatch(rf"more than \d+ chunks before or behind its samples, .* all of it is there; {cure}", problem)


@pytest.mark.parametrize("piece", [b"abcd\x0c\0\0\0", b"data\0\0\0\0abcd\x14\0\0\0"])
def test_chunks_that_hold_the_next_file_take_time_in_proportion(piece: bytes) -> None:
    """Each file's chunks go on to the end of the data; 10 MB of these took half a day."""
    data = (b"RIFF\x10\0\0\0WAVE" + piece) * 5000 + b"RIFF\x10\0\0\0WAVEdata\0\0\0\0" + b"\xff" * 40
    begin = time.process_time()
    assert len(files_of(data)) <= MOST_FILES + 1
    assert time.process_time() - begin < 10


def test_what_a_flac_holds_of_another_file_is_not_the_next_one() -> None:
    data, wav = file(format="FLAC"), file(format="WAV")
    block = b"\2" + (len(wav) + 4).to_bytes(3, "big") + b"riff" + wav
    assert files_of(data[:42] + block + data[42:]) == [range(len(data) + len(block))]


@pytest.mark.parametrize("announced", [2**33, 2**62, 2**63 + 100, 2**64 - 2])
def test_a_size_beyond_every_file(announced: int) -> None:
    data = bytearray(file(format="W64", subtype="PCM_16"))
    at = data.index(b"data\xf3\xac\xd3\x11")
    data[at + 16 : at + 24] = announced.to_bytes(8, "little")
    size = sound_size(bytes(data))
    assert size is not None
    assert "cut short" in (size.problem or "")
    assert files_of(bytes(data)) == [range(len(data))]


@pytest.mark.parametrize("data", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"fLaC" + bytes(50), b".snd", b"riff" + bytes(8), b"caff\0"])
def test_what_says_nothing(data: bytes) -> None:
    assert sound_size(data) is None


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_mp3_announces_its_bytes(mode: str) -> None:
    data = file(format="MP3", bitrate_mode=mode)
    cut, untold = data[:-1000], data.replace(b"Xing", b"none").replace(b"Info", b"none")
    for whole in (data, data + data, untold, untold[:-1000], data[:20], untold + data):
        assert _mp3_problem(whole) is None
    for less, held in ((cut, len(cut)), (data + cut, len(cut)), (cut + data, len(cut)), (untold + cut, len(cut))):
        assert _mp3_problem(less) == f"cut short: {held} of {len(data)} bytes are there"


def test_a_table_may_announce_all_mp3s_that_were_joined() -> None:
    data = file(format="MP3")
    at = data.index(b"Xing") + 12
    joined = data[:at] + (2 * len(data)).to_bytes(4, "big") + data[at + 4 :] + data
    assert _mp3_problem(joined) is None
    assert _mp3_problem(joined[:-1000]) is not None


def test_vbri_announces_its_bytes() -> None:
    head = b"\xff\xf3\x80\xc4" + bytes(32) + b"VBRI" + struct.pack(">HHHII", 1, 0, 75, 5000, 40) + bytes(100)
    assert _mp3_problem(head + bytes(1000)) == f"cut short: {len(head) + 1000} of 5000 bytes are there"
    assert _mp3_problem(head + bytes(5000)) is None


def test_links_of_an_ogg_file() -> None:
    first, second = file(format="OGG", subtype="VORBIS"), file(format="OGG", subtype="OPUS")
    links = ogg_links(first + second)
    assert [(link.start, link.stop) for link in links] == [(0, len(first)), (len(first), len(first + second))]
    assert all(link.whole and link.ended for link in links)
    (cut,) = ogg_links(first[:-100])
    assert not cut.whole
    cut, whole = ogg_links(first[:-100] + second)
    assert (cut.stop, cut.whole, whole.whole) == (len(first) - 100, False, True)
    last = first.rindex(b"OggS")
    unended = bytearray(first)
    unended[last + 5] &= ~4
    (link,) = ogg_links(bytes(unended))
    assert link.whole
    assert not link.ended
