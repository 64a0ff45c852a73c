"""Hostile bytes for everything in `bitstream` that reads bytes.

    python tests/fuzz/fuzz_bitstream.py --runs 1000000              # seeded mutations, pure Python
    python tests/fuzz/fuzz_bitstream.py --runs 1000000 --atheris    # guided by coverage: pip install atheris

Nothing but a BitstreamError may come out, and soon; codes must lie in their alphabets and be no more than the bytes can
account for, and what is read without complaint must be packed again to the same bytes. The inputs begin as the golden files;
half of them get their checks mended after they were spoilt, since a wrong check keeps everything behind it from being tried.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import signal
import sys
from binascii import crc_hqx
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

import bitstream
from bitstream import (
    BitstreamError,
    DatagramReceiver,
    EntropyModel,
    LiveCoder,
    LiveReader,
    Packet,
    PacketCoder,
    PacketReader,
    PacketWriter,
    SpeechCodes,
)
from bitstream.entropy.spec import SAMPLE_RATE
from bitstream.live.packet import LATE, NUMBERS
from bitstream.stream.header import MAGIC, VERSION
from bitstream.stream.reader import MAX_SILENCE
from bitstream.stream.walk import MAX_GAP

GOLDEN = Path(__file__).parents[1] / "golden"
MODEL_FILE = (GOLDEN / "v1" / "entropy.safetensors").read_bytes()
MODEL = EntropyModel.load(MODEL_FILE)
MODES: tuple[bitstream.OnError, ...] = ("strict", "conceal", "salvage")
LEAST_PACKET = 3


def most_packets(data: bytes) -> int:
    """How many packets bytes can account for, but for those lost before one that tells its number, which MAX_SILENCE limits."""
    return len(data) // LEAST_PACKET + 1 + MAX_GAP


def seeds() -> list[bytes]:
    """A target's number and what it is given: streams, datagrams, models."""
    streams = [path.read_bytes() for path in sorted(GOLDEN.glob("v*/*.uc"))]
    live = [path.read_bytes() for path in sorted((GOLDEN / "v3").glob("*.uc"))]
    told = json.loads((GOLDEN / "v2" / "datagrams.json").read_text())
    datagrams = [bytes.fromhex(each["hex"]) for stream in told["streams"] for each in stream["datagrams"]]
    joined = b"".join(bytes([len(datagram)]) + datagram for datagram in datagrams)
    models = [path.read_bytes() for path in sorted(GOLDEN.rglob("*.safetensors")) if path.stat().st_size < 2**14]
    given = {_stream: streams, _reader: streams, _edit: streams, _datagrams: [joined, joined[:40]], _model: models, _live: live}
    return [bytes([TARGETS.index(target)]) + seed for target, inputs in given.items() for seed in inputs]


def one(data: bytes) -> None:
    """Give `data` to the target that its first byte names."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])


def _stream(data: bytes, model: EntropyModel = MODEL, modes: tuple[bitstream.OnError, ...] = MODES) -> bool:
    """Like the other targets: whether anything of it was read without complaint."""
    read = False
    for mode in modes:
        try:
            codes = bitstream.unpack(data, model, mode)
        except BitstreamError as error:
            message = str(error)
            assert message.isprintable(), message
            continue
        read = True
        _plausible(codes, data, model)
        if mode == "strict" and data[2] == VERSION:
            assert bitstream.pack(codes, model) == data
    for given in (None, model):
        try:
            info = bitstream.inspect(data, given)
        except BitstreamError:
            continue
        assert sum(packet.ok for packet in info.packets) <= most_packets(data)
    return read


def _reader(data: bytes) -> bool:
    read = False
    for mode in MODES:
        try:
            packets = list(bitstream.iter_packets(io.BytesIO(data), MODEL, mode))
            reader = PacketReader(io.BytesIO(data), MODEL, mode)
            reader.seek(0.5)
            assert [packet.first_frame for packet in reader] == [packet.first_frame for packet in packets[1:]]
        except BitstreamError:
            continue
        assert sum(not packet.lost for packet in packets) <= most_packets(data)
        read = True
    return read


def _edit(data: bytes) -> bool:
    edited = False
    file = io.BytesIO(data)
    edits: tuple[Callable[[], object], ...] = (
        lambda: bitstream.cut(data, 1, 2),
        lambda: bitstream.join([data, data]),
        lambda: PacketWriter.append(file, MODEL).close(),
    )
    for edit in edits:
        try:
            edit()
        except BitstreamError:
            continue
        edited = True
    return edited


def _datagrams(data: bytes, model: EntropyModel = MODEL) -> bool:
    receiver, read = DatagramReceiver(model), False
    while data:
        datagram, data = data[1 : 1 + data[0]], data[1 + data[0] :]
        try:
            heard = receiver.receive(datagram)
        except BitstreamError:
            continue
        if isinstance(heard, Packet):
            model.check_symbols(heard.units, heard.f0)
            read = True
    assert len(receiver.lost) <= 256
    return read


def _live(data: bytes) -> bool:
    try:
        reader = LiveReader(io.BytesIO(data))
        coder = LiveCoder(MODEL, reader.frames, reader.fec)
        packets = list(reader)
        facts = bitstream.inspect(data, MODEL)
    except BitstreamError:
        return False
    assert len(facts.packets) <= len(packets) * LATE
    assert 0 <= (facts.num_samples or 0) <= len(packets) * NUMBERS * coder.samples
    read = False
    for packet in packets:
        try:
            heard = coder.read(packet)
        except BitstreamError:
            continue
        read = True
        MODEL.check_symbols(heard.units if heard.units.size else np.zeros((2, 0), np.int32), heard.f0)
        assert all(0 <= value < MODEL.spec.speaker[field] for field, value in heard.fields.items())
        assert heard.samples <= coder.samples
    return read


def _model(data: bytes) -> bool:
    try:
        model = _loaded(data)
    except BitstreamError:
        return False
    assert EntropyModel.load(model.to_bytes()).fingerprint == model.fingerprint
    # Whatever was accepted can code.
    spec, rng = model.spec, np.random.default_rng(len(data))
    frames = min(3, spec.packet_frames)
    _, f0_frames = spec.packet_shape(frames * spec.unit_hop, 0)
    units = np.stack([rng.integers(row.alphabet, size=frames) for row in spec.rows]).astype(np.int32)
    f0 = rng.integers(spec.f0.alphabet, size=f0_frames).astype(np.int32)
    coder = PacketCoder(model)
    again = coder.decode_payload(coder.encode_payload(units, f0), frames, f0_frames)
    assert np.array_equal(again[0], units)
    assert np.array_equal(again[1], f0)
    return True


def _loaded(data: bytes) -> EntropyModel:
    """The model, under its right name if it has only that against it."""
    try:
        return EntropyModel.load(data)
    except BitstreamError as error:
        names = re.search(r"names itself '([0-9a-f]{8})' but is ([0-9a-f]{8})", str(error))
        if names is None:
            raise
        return EntropyModel.load(data.replace(names[1].encode(), names[2].encode(), 1))


def _plausible(codes: SpeechCodes, data: bytes, model: EntropyModel) -> None:
    model.check_symbols(codes.units, codes.f0)
    lost = sum(stop - start for start, stop in codes.lost)
    assert lost * model.spec.unit_hop <= MAX_SILENCE * SAMPLE_RATE
    assert codes.units.shape[1] - lost <= model.spec.packet_frames * most_packets(data)


TARGETS = (_stream, _reader, _edit, _datagrams, _model, _live)


def mutate(rng: random.Random, inputs: list[bytes]) -> bytes:
    """One of the inputs, spoilt in a few places."""
    seed = rng.choice(inputs)
    data = spoil(rng, seed[1:], [each[1:] for each in inputs])
    target = TARGETS[seed[0] % len(TARGETS)]
    if rng.random() < 0.5 and target is not _model:
        mend = {_datagrams: mend_datagrams, _live: mend_live}.get(target, mend_stream)
        data = mend(data)
    return seed[:1] + bytes(data)


def spoil(rng: random.Random, seed: bytes, others: Sequence[bytes]) -> bytearray:
    """Bytes with a few places spoilt, some by bytes of the others."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(data))
        length = min(len(data) - at, rng.choice((1, 2, 4, 8, 30)))
        kind = rng.randrange(7)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + length] = rng.randbytes(length)
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = rng.randbytes(rng.choice((1, 2, 5, 40)))
        elif kind == 4:
            data[at:at] = data[at : at + length]
        elif kind == 5:
            other = rng.choice(others)
            data[at:] = other[rng.randrange(len(other) + 1) :]
        else:
            data[at : at + length] = bytes([rng.choice((0, 1, 0x7F, 0x80, 0xEF, 0xF0, 0xF7, 0xFB, 0xFC, 0xFE, 0xFF))]) * length
    return data


def mend_stream(data: bytearray, fingerprint: str = MODEL.fingerprint) -> bytearray:
    """The same with sound checks, as far as it is a stream of version 2."""
    if len(data) < 10 or data[:3] != b"\xf5U\x02":
        return data
    data[3:7] = bytes.fromhex(fingerprint)
    at = 8 + data[7]
    data[at : at + 2] = crc_hqx(bytes(data[:at]), 0xFFFF).to_bytes(2, "big")
    at += 2
    index = 0
    while at < len(data):
        first = data[at]
        marker = 1 + (first - (0xFA if first > 0xFA else 0xF6)) if 0xF6 < first < 0xFF else int(first == 0xFF)
        head = marker
        if not marker or 0xFA < first < 0xFF:
            head += 3 if data[at + marker : at + marker + 1] == b"\xf0" else 1
        length = 0 if head == marker else int.from_bytes(data[at + marker : at + head][-2:], "big")
        covered = bytes(data[at : at + head] + data[at + head + 2 : at + head + 2 + length])
        check = crc_hqx(covered, 0xFFFF) ^ index * 40503 & 0xFFFF
        if at + head + 2 > len(data):
            break
        data[at + head : at + head + 2] = check.to_bytes(2, "big")
        at += head + 2 + length
        index += 1
    return data


def mend_datagrams(data: bytearray, fingerprint: str = MODEL.fingerprint) -> bytearray:
    at = 0
    while at < len(data):
        stop = at + 1 + data[at]
        if stop - at >= 4 and stop <= len(data):
            salt = b"" if data[at + 1] >> 6 == 2 else bytes.fromhex(fingerprint)
            data[stop - 2 : stop] = crc_hqx(salt + bytes(data[at + 1 : stop - 2]), 0xFFFF).to_bytes(2, "big")
        at = stop
    return data


def mend_live(data: bytearray) -> bytearray:
    """Headers and packets with their right checks."""
    if len(data) < 10:
        return data
    data[:7] = MAGIC + bytes([3]) + bytes.fromhex(MODEL.fingerprint)
    data[8:10] = crc_hqx(bytes(data[:8]), 0xFFFF).to_bytes(2, "big")
    salt, at = crc_hqx(bytes([3, data[7]]) + bytes(data[3:7]), 0xFFFF), 10
    while at < len(data):
        stop = at + 1 + data[at]
        if at + 2 < stop <= len(data):
            data[stop - 1] = crc_hqx(bytes(data[at + 1 : stop - 1]), salt) & 0xFF
        at = stop
    return data


def run(runs: int, seed: int = 0) -> None:
    """`runs` mutated inputs; an input that breaks something is written down beside the error."""
    rng, inputs = random.Random(seed), seeds()
    signal.signal(signal.SIGALRM, _too_long)
    for number in range(len(inputs) + runs):
        data = inputs[number] if number < len(inputs) else mutate(rng, inputs)
        signal.alarm(20)
        try:
            one(data)
        except Exception as error:
            raise AssertionError(f"broken by bytes.fromhex('{data.hex()}')") from error
    signal.alarm(0)


def _too_long(number: int, frame: object) -> NoReturn:
    raise TimeoutError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", action="store_true")
    arguments = parser.parse_args()
    if not arguments.atheris:
        run(arguments.runs, arguments.seed)
        return
    import tempfile

    import atheris

    corpus = Path(tempfile.mkdtemp())
    for i, each in enumerate(seeds()):
        (corpus / str(i)).write_bytes(each)
    atheris.instrument_all()

    def mutated(data: bytes, limit: int, seed: int) -> bytes:
        rng = random.Random(seed)
        return mutate(rng, [data])[:limit] if len(data) > 1 and rng.random() < 0.5 else bytes(atheris.Mutate(data, limit))

    options = [sys.argv[0], f"-runs={arguments.runs}", f"-seed={arguments.seed + 1}", "-max_len=4096", str(corpus)]
    atheris.Setup(options, one, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
