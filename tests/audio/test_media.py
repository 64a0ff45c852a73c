"""What FFmpeg reads is read to its end, what is lost on the way is named, and no file can make it open another."""

from __future__ import annotations

import contextlib
import io
import os
import re
import struct
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from unitcodec.audio import open_reader, resampled_length, tables
from unitcodec.errors import AudioError, AudioWarning

RATE = 16000


def voice(seconds: float, rate: int = RATE) -> np.ndarray:
    """(T,) noise whose loudness tells the time: what is missing shows."""
    time = np.arange(round(seconds * rate)) / rate
    return 0.1 * (1 + np.sin(2 * np.pi * 0.37 * time)) * np.random.default_rng(1).standard_normal(len(time))


def sound(seconds: float, rate: int = RATE, channels: int = 1, **options: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.stack([voice(seconds, rate)] * channels, 1), rate, **options)
    return buffer.getvalue()


def mp3(seconds: float, mode: str = "VARIABLE", rate: int = RATE) -> bytes:
    return sound(seconds, rate, format="MP3", bitrate_mode=mode)


def ogg(seconds: float, subtype: str = "VORBIS", rate: int = RATE, channels: int = 1) -> bytes:
    return sound(seconds, rate, channels, format="OGG", subtype=subtype)


def muxed(kind: str, codec: str, rate: int = RATE, picture: bool = False, sounding: bool = True, **options: str) -> bytes:
    """Five seconds in a container, with a film of grey pictures if wanted."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind, options=options) as container:
        if picture:
            video = container.add_stream("mpeg4", rate=5)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        if sounding:
            audio = container.add_stream(codec, rate=rate, layout="mono")
        for index in range(25 * picture):
            image = av.VideoFrame.from_ndarray(np.full((72, 64), index, np.uint8), format="yuv420p")
            image.pts, image.time_base = index, Fraction(1, 5)
            container.mux(video.encode(image))
        if picture:
            container.mux(video.encode())
        if sounding:
            wave = (32767 * voice(5, rate)[None]).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            frame.sample_rate, frame.pts = rate, 0
            fitting = av.AudioResampler(format=audio.format, layout="mono", rate=rate)
            for part in fitting.resample(frame):
                container.mux(audio.encode(part))
            container.mux(audio.encode())
    return buffer.getvalue()


def read(source: object, **options: bool) -> np.ndarray:
    """Without warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with open_reader(source, "x", **options) as reader:  # type: ignore[arg-type]
            return np.concatenate(list(reader))


def read_with_notes(data: bytes, **options: bool) -> tuple[np.ndarray, str]:
    with pytest.warns(AudioWarning) as caught:
        with open_reader(io.BytesIO(data), "x", **options) as reader:
            samples = np.concatenate(list(reader))
    return samples, "\n".join(str(warning.message) for warning in caught)


def likeness(samples: np.ndarray, said: np.ndarray) -> float:
    """Correlation at the best shift."""
    size = 1 << (len(samples) + len(said)).bit_length()
    products = np.fft.irfft(np.fft.rfft(samples, size) * np.conj(np.fft.rfft(said, size)), size)
    return float(products.max() / np.sqrt(np.square(samples).sum() * np.square(said).sum()))


# --- whole files


@pytest.mark.parametrize(
    ("kind", "codec", "rate", "picture"),
    [
        ("ipod", "aac", 16000, False),
        ("mp4", "aac", 44100, True),
        ("webm", "libopus", 48000, False),
        ("matroska", "aac", 44100, True),
        ("matroska", "flac", 16000, False),
        ("ogg", "flac", 16000, False),
        ("avi", "libmp3lame", 44100, True),
        ("adts", "aac", 16000, False),
        ("mpegts", "aac", 44100, True),
        ("wv", "wavpack", 16000, False),
        ("wav", "adpcm_ms", 16000, False),
        ("mov", "pcm_s16le", 16000, False),
    ],
)
def test_containers_and_films(kind: str, codec: str, rate: int, picture: bool) -> None:
    samples = read(io.BytesIO(muxed(kind, codec, rate, picture)))
    assert 5.0 <= len(samples) / RATE < 5.2
    if rate == RATE:
        assert likeness(samples, voice(5)) > 0.8


def test_more_than_one_track_is_told() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as container:
        tracks = [container.add_stream("pcm_s16le", rate=RATE, layout="mono") for _ in range(2)]
        for track, seconds in zip(tracks, (2, 1), strict=True):
            frame = av.AudioFrame.from_ndarray((32767 * voice(seconds)[None]).astype(np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, 0
            container.mux(track.encode(frame))
    samples, notes = read_with_notes(buffer.getvalue())
    assert len(samples) == 2 * RATE
    assert notes == "x: holds 2 audio tracks; the first is coded"


def test_film_without_sound() -> None:
    with pytest.raises(AudioError, match="x: holds no audio; give a file that has an audio track"):
        read(io.BytesIO(muxed("mp4", "", picture=True, sounding=False)))


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("kind", ["CONSTANT", "VARIABLE", "VORBIS", "OPUS"])
def test_sound_files_are_as_long_as_libsndfile_says(kind: str, rate: int) -> None:
    if kind == "OPUS" and rate == 44100:
        pytest.skip("Opus has no such rate")
    data = ogg(2.01, kind, rate) if kind in ("VORBIS", "OPUS") else mp3(2.01, kind, rate)
    assert len(read(io.BytesIO(data))) == resampled_length(soundfile.info(io.BytesIO(data)).frames, rate)


# --- files whose headers say less than they hold, and files end to end


@pytest.mark.parametrize("count", [None, 0, 20])
def test_mp3_whose_header_does_not_know_its_length(count: int | None) -> None:
    data = mp3(5)
    at = data.index(b"Xing")
    patched = data.replace(b"Xing", bytes(4)) if count is None else data[: at + 8] + count.to_bytes(4, "big") + data[at + 12 :]
    samples = read(io.BytesIO(patched))
    assert 5.0 <= len(samples) / RATE < 5.15
    assert likeness(samples[3 * RATE :], voice(5)[3 * RATE :]) > 0.8


def test_mp3s_end_to_end(capfd: pytest.CaptureFixture[str]) -> None:
    tagged = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + mp3(4)
    samples = read(io.BytesIO(mp3(5) + tagged))
    assert 9.0 <= len(samples) / RATE < 9.25
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("kind", ["ID3", "APE"])
def test_a_picture_between_mp3s_is_no_damage(kind: str, first: bool) -> None:
    picture = np.random.default_rng(5).bytes(60000)
    if kind == "ID3":
        tag = b"ID3\3\0\0" + bytes([0, len(picture) >> 14, len(picture) >> 7 & 127, len(picture) & 127]) + picture
    else:
        tag = b"APETAGEX" + b"".join(value.to_bytes(4, "little") for value in (2000, len(picture), 1, 5 << 29, 0, 0)) + picture
    begin = tag * (first and kind == "ID3")
    np.testing.assert_array_equal(read(io.BytesIO(begin + mp3(5) + tag + mp3(4) + tag)), read(io.BytesIO(mp3(5) + mp3(4))))


@pytest.mark.parametrize("size", [1, 400, 8000])
@pytest.mark.parametrize("place", [0.3, 0.5, 0.95])
def test_what_a_damaged_flac_lacks_is_told(place: float, size: int) -> None:
    data = bytearray(sound(5, format="FLAC"))
    at = round(place * len(data))
    data[at : at + size] = bytes(value ^ 0x55 for value in data[at : at + size])
    for both in (bytes(data), sound(4, format="FLAC") + data):
        with pytest.raises(AudioError, match=r"^x: (damaged|cut short).*; --salvage of "):
            read(io.BytesIO(both))
        samples, notes = read_with_notes(both, salvage=True)
        left = len(samples) / RATE - (4 if len(both) > len(data) else 0)
        assert 4 < left < 5
        found = re.fullmatch(r"x: (damaged|cut short): (.*) of 5\.00 s are there \(the first loss at (.*) s\)", notes)
        assert found is not None
        assert found[2] == f"{left:.2f}"
        assert float(found[3]) <= 5 * place + 0.3


PICTURE = np.random.default_rng(5).bytes(60000)
ID3 = b"ID3\3\0\0" + bytes([0, len(PICTURE) >> 14, len(PICTURE) >> 7 & 127, len(PICTURE) & 127]) + PICTURE
APE_END = b"APETAGEX" + struct.pack("<IIII8x", 2000, 32 + len(PICTURE), 1, 0)
TAGS_BEHIND = {
    "ID3v1": b"TAG" + bytes(125),
    "ID3v2": ID3,
    "Lyrics3": b"LYRICSBEGIN" + PICTURE + b"%06dLYRICS200" % (11 + len(PICTURE)) + b"TAG" + bytes(125),
    "APEv2": APE_END[:23] + b"\xa0" + APE_END[24:] + PICTURE + APE_END[:23] + b"\x80" + APE_END[24:],
    "APEv2 without a header": PICTURE + APE_END,
    "all": ID3 + PICTURE + APE_END + b"TAG" + bytes(125),
}


@pytest.mark.parametrize("kind", TAGS_BEHIND)
def test_flac_with_tags_behind(kind: str) -> None:
    data = sound(2, format="FLAC")
    np.testing.assert_array_equal(read(io.BytesIO(data + TAGS_BEHIND[kind])), read(io.BytesIO(data)))
    both = data + ID3 + sound(1, format="FLAC") + TAGS_BEHIND[kind]
    assert len(read(io.BytesIO(both))) == 3 * RATE


def test_what_follows_a_tag_behind_flac() -> None:
    data = sound(2, format="FLAC") + ID3
    assert 2.9 < len(read(io.BytesIO(data + mp3(1)))) / RATE < 3.1
    with pytest.raises(AudioError, match=r"^x: 60000 bytes follow the samples"):
        read(io.BytesIO(data + bytes([255]) + PICTURE[1:]))


def test_mp3_with_tags_behind() -> None:
    assert len(read(io.BytesIO(mp3(2) + b"TAG" + bytes(125)))) == 2 * RATE
    assert 2 <= len(read(io.BytesIO(mp3(2) + bytes(4096)))) / RATE < 2.1


@pytest.mark.parametrize(
    "make",
    [
        lambda: (ogg(5), ogg(4)),
        lambda: (ogg(5), ogg(4, rate=44100, channels=2)),
        lambda: (ogg(5, "OPUS"), ogg(4, "OPUS", 48000, 2)),
        lambda: (ogg(5), ogg(4, "OPUS")),
        lambda: (muxed("ogg", "flac"), ogg(4)),
        lambda: (sound(5, format="FLAC"), sound(4, format="FLAC")),
    ],
)
def test_chains(make: Callable[[], tuple[bytes, bytes]]) -> None:
    first, second = make()
    samples = read(io.BytesIO(first + second))
    assert len(samples) == 9 * RATE
    np.testing.assert_array_equal(samples[: 5 * RATE - 800], read(io.BytesIO(first))[:-800])


# --- damage, and files that hold less than their headers say


def test_damaged_mp3_is_read_on_and_the_damage_counted(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(mp3(5))
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(range(1, 201)) * 2
    samples, notes = read_with_notes(bytes(data))
    assert re.fullmatch(r"x: \d of \d+ packets are damaged \(first at 2\.\d+ s\); the rest is coded", notes)
    assert 4.5 < len(samples) / RATE < 5
    assert capfd.readouterr().err == ""


def test_damaged_page_of_an_ogg_file_is_missed() -> None:
    data = bytearray(ogg(5, "OPUS"))
    data[len(data) // 2] ^= 0xFF
    samples, notes = read_with_notes(bytes(data))
    lost = 5 - len(samples) / RATE
    assert 0.5 < lost < 1.5
    assert f"{lost:.2f} s are damaged or missing (first at " in notes


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: mp3(5), "bytes are there"),
        (lambda: ogg(5), "a last page is not all there"),
        (lambda: ogg(5) + ogg(4, "OPUS"), "a last page is not all there"),
        (lambda: muxed("ipod", "aac", moov_size="20000"), r"of 5\.00 s are there"),
        (lambda: muxed("matroska", "aac", 44100, True), r"of 5\.0\d s are there"),
        (lambda: muxed("webm", "libopus", 48000), r"of 5\.0\d s are there"),
        (lambda: muxed("avi", "libmp3lame", 44100, True), "bytes of sound are there"),
        (lambda: muxed("wav", "adpcm_ms"), "bytes of sound are there"),
        (lambda: muxed("asf", "libmp3lame", 44100), "bytes of sound are there"),
        (lambda: sound(5, format="FLAC"), "damaged audio: .*"),
    ],
)
def test_cut_files_are_refused_or_salvaged(make: Callable[[], bytes], words: str) -> None:
    data = make()
    cut = data[: len(data) * 2 // 3]
    with pytest.raises(AudioError, match=rf"^x: .*{words}; --salvage of 'unitcodec encode' and 'units' codes what is there$"):
        read(io.BytesIO(cut))
    samples, notes = read_with_notes(cut, salvage=True)
    assert 1.5 < len(samples) / RATE < 6.5
    assert notes.startswith("x: cut short: ")


def test_every_one_of_several_mp3s_has_to_be_whole() -> None:
    data, wav = mp3(5), sound(5, format="WAV")
    cut = data[: len(data) // 2]
    for several in (cut + data, data + data + cut, cut + wav, ID3 + cut + ID3 + wav, wav + cut, cut + ID3):
        with pytest.raises(AudioError, match=rf"^x: cut short: {len(cut)} of {len(data)} bytes are there; --salvage"):
            read(io.BytesIO(several))


def test_mp3_that_counts_its_tag() -> None:
    """As LAME 3.96 does."""
    data, tag = mp3(5), b"TAG" + bytes(125)
    table = max(data.find(b"Xing"), data.find(b"Info"))
    assert int.from_bytes(data[table + 12 : table + 16], "big") == len(data)
    counted = data[: table + 12] + (len(data) + len(tag)).to_bytes(4, "big") + data[table + 16 :]
    np.testing.assert_array_equal(read(io.BytesIO(counted + tag)), read(io.BytesIO(data)))


@pytest.mark.parametrize("kind", ["ipod", "matroska"])
def test_chapters_and_attachments_are_not_decoded(kind: str) -> None:
    """FFmpeg ends every stream by a packet, which has the number of the first."""
    data = muxed(kind, "aac", 44100)
    buffer = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(buffer, "w", format=kind) as container:
        sounding = container.add_stream_from_template(source.streams.audio[0])
        if kind == "matroska":
            container.add_attachment("words.txt", "text/plain", b"words")
        else:
            chapter = {"id": 1, "start": 0, "end": 2000, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}}
            container.set_chapters([chapter])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = sounding
                container.mux(packet)
    assert len(read(io.BytesIO(buffer.getvalue()))) == pytest.approx(len(read(io.BytesIO(data))), abs=RATE // 10)


def test_wavpack_that_holds_the_head_of_its_wav() -> None:
    data = muxed("wv", "wavpack")
    head = sound(5, format="WAV")[:44]
    size = int.from_bytes(data[4:8], "little") + 2 + len(head)
    stored = data[:4] + size.to_bytes(4, "little") + data[8:32] + bytes([0x21, len(head) // 2]) + head + data[32:]
    np.testing.assert_array_equal(read(io.BytesIO(stored)), read(io.BytesIO(data)))


@pytest.mark.parametrize("kind", ["avi", "w64"])
def test_what_was_written_to_a_pipe(kind: str) -> None:
    data = muxed(kind, "pcm_s16le")
    at, size = (4, b"\xff" * 4) if kind == "avi" else (data.index(b"data") + 16, b"\xff" * 7 + b"\x7f")
    assert len(read(io.BytesIO(data[:at] + size + data[at + len(size) :]))) == len(read(io.BytesIO(data)))


def test_a_cut_through_the_last_packet() -> None:
    with pytest.raises(AudioError, match=r"^x: cut short: 4\.18 of 5\.00 s are there; --salvage"):
        read(io.BytesIO(muxed("tta", "tta")[:-200]))


def test_wma_from_a_pipe_announces_nothing() -> None:
    data = muxed("asf", "libmp3lame", 44100)
    at = data.index(bytes.fromhex("3626b2758e66cf11")) + 16  # the size of the object that holds the sound
    assert len(read(io.BytesIO(data[:at] + struct.pack("<Q", 50) + data[at + 8 :]))) == len(read(io.BytesIO(data)))


def test_mp4_without_its_index() -> None:
    with pytest.raises(AudioError, match="x: cut short: an MP4 without the index of its sound; copy or download it again, whole"):
        read(io.BytesIO(muxed("ipod", "aac")[:-2000]), salvage=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: muxed("ipod", "aac"),
        lambda: muxed("tta", "tta"),
        lambda: sound(5, format="WAV"),
        lambda: sound(5, format="AIFF"),
        lambda: sound(5, format="AU"),
    ],
)
def test_files_end_to_end_are_read_one_after_another(make: Callable[[], bytes]) -> None:
    data, other = make(), sound(5, format="WAV")
    once, after = read(io.BytesIO(data)), read(io.BytesIO(other))
    np.testing.assert_array_equal(read(io.BytesIO(data + data + other)), np.concatenate([once, once, after]))


def elements(data: bytes) -> bytes:
    """The same Matroska file as a live one: its segment has no size."""
    at = data.index(b"\x18\x53\x80\x67") + 4
    return data[:at] + b"\x01" + b"\xff" * 7 + data[at + 8 :]


FIRST = {
    "WAV": lambda: sound(5, format="WAV"),
    "W64": lambda: sound(5, format="W64"),
    "RF64": lambda: sound(5, format="RF64"),
    "BW64": lambda: b"BW64" + sound(5, format="RF64")[4:],
    "FLAC": lambda: sound(5, format="FLAC") + b"TAG" + bytes(125),
    "Ogg": lambda: ogg(5),
    "M4A": lambda: muxed("ipod", "aac"),
    "fragments": lambda: muxed("mp4", "aac", movflags="frag_keyframe+empty_moov"),
    "MOV": lambda: muxed("mov", "pcm_s16le"),
    "AVI": lambda: muxed("avi", "libmp3lame"),
    "FLV": lambda: muxed("flv", "aac", 44100),
    "TTA": lambda: muxed("tta", "tta"),
    "WMA": lambda: muxed("asf", "libmp3lame", 44100),
    "Matroska": lambda: muxed("matroska", "aac"),
    "live": lambda: elements(muxed("webm", "libopus", 48000)),
}
SECOND = {
    "MP3": lambda: mp3(4),
    "tagged MP3": lambda: ID3 + mp3(4),
    "AAC": lambda: muxed("adts", "aac"),
    "Matroska": lambda: muxed("matroska", "aac"),
    "FLAC": lambda: sound(4, format="FLAC"),
    "M4A": lambda: muxed("ipod", "aac"),
}


@pytest.mark.parametrize("first", FIRST)
def test_no_sound_behind_a_file_is_lost(first: str) -> None:
    data = FIRST[first]()
    before = len(read(io.BytesIO(data)))
    for second in SECOND if first != "FLAC" else ("FLAC", "tagged MP3", "M4A"):
        more = SECOND[second]()
        both = len(read(io.BytesIO(data + more + more)))
        assert abs(both - before - 2 * len(read(io.BytesIO(more)))) < 0.2 * RATE, second


def test_three_films_end_to_end() -> None:
    for data in (muxed("matroska", "aac", 44100, True), muxed("webm", "libopus", 48000), FIRST["live"]()):
        assert abs(len(read(io.BytesIO(3 * data))) - 3 * len(read(io.BytesIO(data)))) < 0.1 * RATE


@pytest.mark.parametrize("first", ["Ogg", "M4A", "AVI", "TTA"])
def test_what_cannot_be_read_behind_a_file_is_told(first: str) -> None:
    _, notes = read_with_notes(FIRST[first]() + b"\x0b\x77" + PICTURE)
    assert re.search(r"^x: 6\d{4} bytes follow the end that it states; left out$", notes, re.MULTILINE)


def test_a_cut_film_with_a_whole_one_behind() -> None:
    data = FIRST["Matroska"]()
    with pytest.raises(AudioError, match=r"^x: \d+ bytes follow the samples that its header announces; "):
        read(io.BytesIO(data[: len(data) * 2 // 3] + data))


def test_flv_end_to_end() -> None:  # resampled in one go
    data = muxed("flv", "aac", 44100)
    assert abs(len(read(io.BytesIO(data + data))) - 2 * len(read(io.BytesIO(data)))) < 3


@pytest.mark.parametrize(("make", "kind"), [(lambda: ogg(5), "Ogg"), (lambda: sound(5, format="WAV")[:30], "WAV")])
def test_stumps_are_called_so(make: Callable[[], bytes], kind: str) -> None:
    with pytest.raises(AudioError, match=f"^x: cut short or damaged: begins as {kind} does, but no sound is in it; copy"):
        read(io.BytesIO(make()[:100]))


def test_ogg_file_whose_end_is_not_marked() -> None:
    data = bytearray(muxed("ogg", "flac"))
    last = data.rindex(b"OggS")
    samples, notes = read_with_notes(bytes(data[:last]))
    assert len(samples) < 5 * RATE
    assert notes == "x: the end is not marked as such; what may have followed is not there"


# --- hostile files


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:5,\n{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns={}\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    ],
)
@pytest.mark.parametrize("name", ["list.m3u8", "list.mp3", "list"])
def test_lists_of_other_files_are_refused(tmp_path: Path, text: str, name: str) -> None:
    secret = tmp_path / "secret.mp3"
    secret.write_bytes(mp3(1))
    (tmp_path / name).write_text(text.format(secret))
    begin = time.monotonic()
    with pytest.raises(AudioError, match=r"not audio that|holds no samples"):
        read(tmp_path / name)
    assert time.monotonic() - begin < 10


def test_what_another_program_may_read(tmp_path: Path) -> None:
    (tmp_path / "x.nut").write_bytes(muxed("nut", "flac"))
    with pytest.raises(AudioError, match=r"convert it to WAV first \(ffmpeg -i IN OUT\.wav\)"):
        read(tmp_path / "x.nut")


@pytest.mark.parametrize("name", ["noise", "noise.mp3", "noise.m4a"])
@pytest.mark.parametrize("head", [b"", b"\xff\xfb\x90\x00" * 100, b"OggS\0", b"ID3\x04\0\0\0\0\0\0", b"\0\0\0\x18ftypM4A "])
def test_garbage_is_refused_at_once(tmp_path: Path, name: str, head: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / name
    path.write_bytes(head + np.random.default_rng(3).bytes(300000))
    begin = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(AudioError) as caught, open_reader(path) as reader:
            list(reader)
    assert time.monotonic() - begin < 10
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def with_table(data: bytes, name: bytes, **fields: int) -> bytes:
    """Big-endian numbers of 32 bits in place of others, so many bytes behind the name of a table."""
    for at, value in fields.items():
        place = data.index(name) + int(at[2:])
        data = data[:place] + value.to_bytes(4, "big") + data[place + 4 :]
    return data


@pytest.mark.parametrize(
    "make",
    [
        lambda: with_table(muxed("ipod", "aac"), b"stsz", at8=1, at12=60_000_000),
        lambda: with_table(muxed("ipod", "aac"), b"stsz", at12=60_000_000),
        lambda: with_table(muxed("ipod", "aac"), b"stts", at8=60_000_000),
        lambda: with_table(muxed("mov", "pcm_s16le"), b"stsc", at16=(1 << 31) - 1),
        lambda: with_table(muxed("mp4", "aac", movflags="frag_keyframe+empty_moov"), b"trun", at4=0, at8=50_000_000),
    ],
)
def test_an_index_cannot_take_memory_for_more_than_the_file_holds(make: Callable[[], bytes]) -> None:
    begin = time.process_time()
    with pytest.raises(AudioError, match=r"^x: cut short or damaged: its index states more samples than it has bytes for; copy"):
        read(io.BytesIO(make()))
    assert time.process_time() - begin < 2


def test_an_index_of_the_first_quicktime_files() -> None:
    """It says that a sample has one byte, where 64 of them have 34."""
    data = muxed("mov", "adpcm_ima_qt", 44100)
    old = with_table(data, b"stsz", at8=1, at12=300_000)
    assert tables.states_too_much(old.replace(b"ima4", b"xxxx"), range(len(old)))
    assert not tables.states_too_much(old, range(len(old)))


def test_text_in_an_index_is_no_table() -> None:
    data = muxed("ipod", "aac")
    text = b"\0\0\0\x38free" + b"trunk and truncate, stsz or stts are words here."
    box = (8 + len(text)).to_bytes(4, "big") + b"udta" + text
    assert len(read(io.BytesIO(data + box))) == len(read(io.BytesIO(data)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: sound(1, format="WAV") + 400_000 * b"ID3\3\0\0\0\0\0\0" + sound(1, format="WAV"),
        lambda: sound(1, format="FLAC") + 400_000 * b"ID3\3\0\0\0\0\0\0",
        lambda: mp3(1) + 100_000 * (b"ID3\3\0\0\0\0\0\1\0" + b"\xff" * 11),
        lambda: ogg(1) + 70_000 * (b"OggS\0\2" + bytes(21) + b"OggS\0\4" + bytes(21)),
        lambda: muxed("ipod", "aac") + 250_000 * b"\0\0\0\x08free",
    ],
)
def test_very_many_tags_or_links_or_boxes_take_little_time(make: Callable[[], bytes]) -> None:
    data = make()
    begin = time.process_time()
    with warnings.catch_warnings(), contextlib.suppress(AudioError):
        warnings.simplefilter("ignore")
        with open_reader(io.BytesIO(data)) as reader:
            assert sum(map(len, reader)) >= RATE
    assert time.process_time() - begin < 6  # a tenth of that, most of them; 16 to 40 before


def test_memory_does_not_grow_with_duration() -> None:
    data = mp3(30)
    tracemalloc.start()
    with open_reader(io.BytesIO(data)) as reader:
        total = sum(len(block) for block in reader)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 30 * RATE
    assert peak < 2 << 20


def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xfe.mp3"
    try:
        Path(os.fsdecode(path)).write_bytes(mp3(1))
    except OSError:
        pytest.skip("the file system wants text")
    assert len(read(os.fsdecode(path))) == RATE


def test_without_pyav(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert len(read(io.BytesIO(sound(1, format="WAV")))) == RATE
    with pytest.raises(AudioError, match="x: it takes PyAV to read this: pip install av"):
        read(io.BytesIO(mp3(1)))
