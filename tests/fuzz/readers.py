"""Whatever reads bytes from elsewhere, each with sound inputs to spoil and the errors that its documentation names."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import pickle
import random
import re
import shutil
import sys
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# ruff: noqa: E402
TESTS = Path(__file__).parents[1]
for _folder in (TESTS.parent, TESTS, TESTS / "published", TESTS / "fuzz"):
    sys.path.insert(0, str(_folder))

import fuzz_bitstream as streams
import numpy as np
import soundfile
import torch
from narrow import make_narrow
from published_reference import fairseq, polyak

import bitstream
from benchmarks.corpus import load as read_manifest
from benchmarks.errors import BenchmarkError
from bitstream import BitstreamError, DatagramSender, EntropyModel, SpeechCodes
from unitcodec import model as models
from unitcodec.audio import RawFormat, open_reader
from unitcodec.command.sound import CODED, WAV, write_sound
from unitcodec.errors import AudioError, ModelError, UnitcodecError
from unitcodec.formats.centroids import read_centroids
from unitcodec.formats.unit_files import UnitEntry, UnitsError, read_units, to_json, to_npz
from unitcodec.published.checkpoint import read_checkpoint
from unitcodec.training.corpus import read_rows

SPEECH = TESTS.parent / "examples" / "speech.wav"
PACKAGED = models.find("default")

Inputs = Sequence[bytes]


@dataclass(frozen=True)
class Reader:
    """What is tried.

    Attributes:
        inputs: sound ones.
        read: returns False where it refuses without an error, by itself.
        refusals: errors by which it may refuse.
        spoil: makes an input to try of the sound ones.
    """

    inputs: Inputs
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = ()
    spoil: Callable[[random.Random, Inputs], bytes] = lambda rng, inputs: spoilt(rng, inputs)


def spoilt(rng: random.Random, inputs: Inputs) -> bytes:
    """One of the inputs: bytes, numbers of a text, a member of an archive or what is compressed spoilt."""
    seed = rng.choice(inputs)
    if rng.random() < 0.7 and seed[:2] == b"PK":
        return _archive(rng, seed)
    if rng.random() < 0.7 and seed[:2] == b"\x1f\x8b":
        return gzip.compress(bytes(streams.spoil(rng, gzip.decompress(seed), inputs)), 1)
    if rng.random() < 0.7 and seed[8:9] == b"{":
        return _tensors(rng, seed)
    if rng.random() < 0.5:
        seed = _words(rng, seed)
    return bytes(streams.spoil(rng, seed, inputs)) if rng.random() < 0.8 else seed


_WORD = re.compile(rb"-?\d+(\.\d+)?|\"[^\"]{0,40}\"|true|false|null")
_WORDS = (
    *(b"0", b"-1", b"1", b"2", b"255", b"65535", b"65536", b"4294967296", b"9223372036854775807", b"1" + b"0" * 400),
    *(b"1e999", b"1.5", b"NaN", b"-Infinity", b"0x10", b"1_0", b"null", b"true", b"a", b" ", b"\t", b"\n", b"\xff"),
    *(b'""', b'"a"', b'"\\u0000"', b"../../etc/passwd", b"[]", b"{}", b"[[]]", b"[1, 2]", b'{"a": 1}'),
    *(b"[" * 3000, b"[" + b"9," * 999 + b"9]"),
)


def _words(rng: random.Random, data: bytes) -> bytes:
    """A number or a word of the first part of some bytes replaced by another."""
    found = list(_WORD.finditer(data[:4096]))
    if not found:
        return data
    word = rng.choice(found)
    return data[: word.start()] + rng.choice((*_WORDS, rng.choice(found)[0])) + data[word.end() :]


def _tensors(rng: random.Random, data: bytes) -> bytes:
    """A file of safetensors whose header is spoilt and has its right length again."""
    size = int.from_bytes(data[:8], "little")
    header = _words(rng, data[8 : 8 + size]) if rng.random() < 0.7 else bytes(streams.spoil(rng, data[8 : 8 + size], [data]))
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def _archive(rng: random.Random, data: bytes) -> bytes:
    """An archive with one member spoilt, and checks that are right."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", rng.choice((0, 0, 0, 8))) as new:
        members = {each.filename: old.read(each) for each in old.infolist()}
        chosen = rng.choice(list(members))
        chosen = next((name for name in members if name.endswith("data.pkl")), chosen) if rng.random() < 0.7 else chosen
        for name, content in members.items():
            new.writestr(name, bytes(streams.spoil(rng, content, [content])) if name == chosen else content)
    return made.getvalue()


def _small_streams(_: Path) -> Reader:
    inputs = streams.seeds()
    return Reader(inputs, lambda data: streams.TARGETS[data[0]](data[1:]) if data else False, (), streams.mutate)


def _packaged_streams(_: Path) -> Reader:
    """Of a few seconds: what the model computes takes most of the time."""
    model = EntropyModel.load(PACKAGED / "entropy.safetensors")
    inputs = [bitstream.pack(_codes(model, samples), model) for samples in (1, 30000, 50000)]

    def spoil(rng: random.Random, seeds: Inputs) -> bytes:
        data = streams.spoil(rng, rng.choice(seeds), seeds)
        return bytes(streams.mend_stream(data, model.fingerprint) if rng.random() < 0.7 else data)

    return Reader(inputs, lambda data: streams._stream(data, model, ("conceal",)), (), spoil)


def _packaged_datagrams(_: Path) -> Reader:
    model = EntropyModel.load(PACKAGED / "entropy.safetensors")
    codes = _codes(model, 12000)
    sender = DatagramSender(model, codes.speaker, 200)
    sent = [*sender.announce(), *sender.push(codes.units, codes.f0), *sender.flush(codes.num_samples)]
    inputs = [b"".join(bytes([len(each)]) + each for each in sent)]

    def spoil(rng: random.Random, seeds: Inputs) -> bytes:
        data = streams.spoil(rng, rng.choice(seeds), seeds)
        return bytes(streams.mend_datagrams(data, model.fingerprint) if rng.random() < 0.7 else data)

    return Reader(inputs, lambda data: streams._datagrams(data, model), (), spoil)


def _codes(model: EntropyModel, samples: int) -> SpeechCodes:
    rng, spec = np.random.default_rng(samples), model.spec
    frames, f0_frames, _ = spec.frames(samples)
    units = np.stack([rng.integers(row.alphabet, size=frames) for row in spec.rows]).astype(np.int32)
    speaker = tuple(alphabet // 2 for alphabet in spec.speaker)
    return SpeechCodes(
        units, rng.integers(spec.f0.alphabet, size=f0_frames).astype(np.int32), speaker, samples, model.fingerprint
    )


def _packaged_entropy(_: Path) -> Reader:
    data = (PACKAGED / "entropy.safetensors").read_bytes()
    return Reader([data], EntropyModel.load, (BitstreamError,))


def _model(folder: Path, files: Sequence[str]) -> Reader:
    """A folder of which one file is spoilt; the input tells which."""
    sound = {file: (folder / file).read_bytes() for file in files}
    inputs = [bytes([number]) + sound[file] for number, file in enumerate(files)]

    def read(data: bytes) -> None:
        file = files[data[0] % len(files)]
        (folder / file).write_bytes(data[1:])
        try:
            models.load(folder)
        finally:
            (folder / file).write_bytes(sound[file])

    def spoil(rng: random.Random, seeds: Inputs) -> bytes:
        seed = rng.choice(seeds)
        return seed[:1] + spoilt(rng, [seed[1:]])

    return Reader(inputs, read, (ModelError,), spoil)


def _narrow_model(scratch: Path) -> Reader:
    folder = make_narrow(scratch / "narrow", SPEECH)
    return _model(folder, ("config.json", "entropy.safetensors", "model.safetensors"))


def _packaged_model(scratch: Path) -> Reader:
    folder = Path(shutil.copytree(PACKAGED, scratch / "packaged"))
    return _model(folder, ("config.json", "config.json", "entropy.safetensors", "model.safetensors"))


def _checkpoints(scratch: Path) -> Reader:
    """Published vocoders: the file of weights or ``config.json``."""
    kept = {}
    for number, made in enumerate((polyak(scratch / "polyak"), fairseq(scratch / "fairseq", durations=True))):
        for name in ("g_00000000", "config.json"):
            kept[len(kept)] = made.folder / name
        torch.save({"generator": made.state}, scratch / f"old{number}", _use_new_zipfile_serialization=False)
    sound = {number: path.read_bytes() for number, path in kept.items()}
    old = [bytes([2 * number]) + (scratch / f"old{number}").read_bytes() for number in range(2)]

    def read(data: bytes) -> None:
        path = kept[data[0] % len(kept)]
        path.write_bytes(data[1:])
        try:
            read_checkpoint(path.parent)
        finally:
            path.write_bytes(sound[data[0] % len(kept)])

    def spoil(rng: random.Random, seeds: Inputs) -> bytes:
        seed = rng.choice(seeds)
        return seed[:1] + spoilt(rng, [seed[1:]])

    inputs = [*(bytes([number]) + data for number, data in sound.items()), *old]
    return Reader(inputs, read, (ModelError,), spoil)


def _kmeans(_: Path) -> Reader:
    centroids = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    npz, npy = io.BytesIO(), io.BytesIO()
    np.savez(npz, centroids=centroids)
    np.save(npy, centroids)
    pickles = [pickle.dumps({"centroids": centroids, "more": [1, "a", None]}, protocol) for protocol in range(6)]
    header = json.dumps({"centroids": {"dtype": "F32", "shape": [6, 4], "data_offsets": [0, 96]}}).encode()
    tensors = len(header).to_bytes(8, "little") + header + centroids.tobytes()
    packed = gzip.compress(pickles[2], mtime=0)
    return Reader([npz.getvalue(), npy.getvalue(), tensors, packed, *pickles], read_centroids, (ValueError,))


def _unit_lists(_: Path) -> Reader:
    units, f0 = np.array([[3, 3, 4, 1], [0, 2, 1, 1]], np.int32), np.array([7, 1], np.int32)
    entries = [
        UnitEntry(units=units, f0=f0, audio="a.wav"),
        UnitEntry(units=units[:1], durations=np.array([1, 2, 1, 4], np.int32), audio="b.wav"),
    ]
    lines = "\n".join(map(to_json, entries)).encode()
    texts = [
        lines,
        b"{'audio': 'a.wav', 'hubert': '3 3 4', 'duration': 0.06}\n{'audio': 'b.wav', 'cpc_km100': '1 2'}",
        b"a|3 3 4\nb|1 2",
        b"id\tsrc_audio\tsrc_n_frames\ttgt_audio\ttgt_n_frames\nx\tx.wav\t6\t3 3 4\t3\n",
        gzip.compress(lines, mtime=0),
        to_npz(entries[:1]),
    ]
    return Reader(texts, read_units, (UnitsError,))


def _manifests(scratch: Path) -> Reader:
    sound = scratch / "a.wav"
    soundfile.write(sound, np.zeros(1600), 16000)
    path = scratch / "manifest.tsv"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        with contextlib.suppress(UnitcodecError):
            read_rows(path)
        read_manifest(path)

    rows = "path\tspeaker\ttranscript\na.wav\tanna\tgood morning\n"
    return Reader([rows.encode(), rows.replace("a.wav", str(sound)).encode(), rows.encode("utf-16")], read, (BenchmarkError,))


def _audio(scratch: Path) -> Reader:
    """Containers and codecs, of a file or, for what can be read so, of a pipe."""
    wave = np.sin(np.arange(4800) / 10).astype(np.float32) / 2
    inputs = []
    for kind in (WAV, *CODED):
        made = io.BytesIO()
        write_sound(made, [wave], len(wave), kind)
        inputs.append(made.getvalue())
    for form in ("W64 PCM_16", "RF64 PCM_24", "AIFF FLOAT", "AU ULAW", "CAF ALAC_16", "WAV IMA_ADPCM"):
        made = io.BytesIO()
        soundfile.write(made, wave, 16000, format=form.split()[0], subtype=form.split()[1])
        inputs.append(made.getvalue())
    path = scratch / "sound"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        with warnings.catch_warnings(action="ignore"):
            for source in (str(path), _Pipe(data)):
                with open_reader(source, "sound", salvage=len(data) % 2 == 0) as reader:
                    for _ in reader:
                        pass
            with open_reader(_Pipe(data), "raw", RawFormat(8000, 2, "s24le")) as reader:
                list(reader)

    return Reader(inputs, read, (AudioError,))


class _Pipe(io.BytesIO):
    """What cannot be gone back in."""

    def seekable(self) -> bool:
        return False


READERS: dict[str, tuple[int, Callable[[Path], Reader]]] = {
    "streams, datagrams, entropy models": (500, _small_streams),
    "streams, packaged model": (12, _packaged_streams),
    "datagrams, packaged model": (1100, _packaged_datagrams),
    "entropy model, packaged": (320, _packaged_entropy),
    "model folders, narrow": (20, _narrow_model),
    "model folders, packaged": (4, _packaged_model),
    "published checkpoints": (4, _checkpoints),
    "k-means files": (4300, _kmeans),
    "unit lists": (3480, _unit_lists),
    "manifests": (210, _manifests),
    "audio containers": (50, _audio),
}
"""By name: how many of 10,000 cases, the fewer the longer one takes, and what makes the reader in a folder of its own."""
