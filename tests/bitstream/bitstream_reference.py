"""Decoders, the range encoder and version 1's framing, written from docs/bitstream.md alone: no NumPy, nothing of the package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import accumulate
from math import lcm, prod
from typing import Any


def crc16(data: bytes) -> int:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc


class RangeDecoder:
    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.at = 0
        self.width = 2**64 - 1
        self.ahead = self.word() << 32 | self.word()

    def word(self) -> int:
        self.at += 4
        return int.from_bytes(self.payload[self.at - 4 : self.at].ljust(4, b"\0"), "big")

    def symbol(self, frequencies: list[int], precision: int) -> int:
        if len(frequencies) == 1:
            return 0
        scale = self.width >> 24
        quantile = self.ahead // scale
        assert quantile < 2**24
        edges = [edge << (24 - precision) for edge in accumulate(frequencies, initial=0)]
        symbol = next(i for i in range(len(frequencies)) if quantile < edges[i + 1])
        self.ahead -= scale * edges[symbol]
        self.width = scale * (edges[symbol + 1] - edges[symbol])
        if self.width < 2**32:
            self.width <<= 32
            self.ahead = self.ahead << 32 | self.word()
        return symbol


def range_encode(coded: list[tuple[list[int], int]], precision: int) -> bytes:
    """The payload of (frequencies, symbol) pairs, in unlimited integers."""
    low, width, size = 0, 2**64 - 1, 8
    for frequencies, symbol in coded:
        if len(frequencies) > 1:
            scale = width >> 24
            low += scale * (sum(frequencies[:symbol]) << (24 - precision))
            width = scale * (frequencies[symbol] << (24 - precision))
            if width < 2**32:
                low, width, size = low << 32, width << 32, size + 4
    length = size
    while 256 ** (size - length + 1) <= 4 * width:
        length -= 1
    if -(-low // 256 ** (size - length)) * 256 ** (size - length) >= low + width:
        length += 1
    return (-(-low // 256 ** (size - length))).to_bytes(length, "big")


@dataclass
class Model:
    about: dict[str, Any]
    tables: dict[str, list[int]]

    def stream(self, name: Any) -> dict[str, Any]:
        return self.about["f0"] if name == "f0" else self.about["rows"][name]


def read_model(data: bytes) -> Model:
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    about = json.loads(header.pop("__metadata__")["unitcodec"])
    tables = {}
    for name, tensor in header.items():
        width = {"I8": 1, "U16": 2, "I16": 2, "U32": 4, "I32": 4}[tensor["dtype"]]
        start, stop = (8 + size + offset for offset in tensor["data_offsets"])
        assert (stop - start) // width == prod(tensor["shape"])
        tables[name] = [int.from_bytes(data[i : i + width], "little") for i in range(start, stop, width)]
    return Model(about, tables)


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def decode(data: bytes, model: Model) -> dict[str, Any]:
    about = model.about
    assert data[:2] == b"\xf5U"
    version = data[2]
    assert version in (1, 2)
    num_samples, at = varint(data, 7) if version == 1 else (0, 7)
    size = data[at]
    speaker = read_speaker(data[at + 1 : at + 1 + size], about["speaker"])
    at += 1 + size
    assert crc16(data[:at]) == int.from_bytes(data[at : at + 2], "big")
    at += 2
    result: dict[str, Any] = {"units": [[] for _ in about["rows"]], "f0": [], "speaker": speaker}
    packets = packets_1(data, at, num_samples, about) if version == 1 else packets_2(data, at, about)
    for samples, payload in packets:
        coded = decode_packet(payload, -(-samples // about["unit_hop"]), -(-samples // about["f0_hop"]), model)
        for row, symbols in enumerate(result["units"]):
            symbols += coded[row]
        result["f0"] += coded["f0"]
        if version == 2:
            num_samples += samples
    return result | {"num_samples": num_samples, "model": data[3:7].hex()}


def read_speaker(data: bytes, alphabets: list[int]) -> list[int]:
    number = int.from_bytes(data, "big")
    speaker = []
    for alphabet in reversed(alphabets):
        number, field = divmod(number, alphabet)
        speaker.insert(0, field)
    assert number == 0
    return speaker


def packets_1(data: bytes, at: int, num_samples: int, about: dict[str, Any]) -> list[tuple[int, bytes]]:
    """(samples covered, payload) of the packets of version 1."""
    packet_samples = about["packet_frames"] * about["unit_hop"]
    packets = []
    for index in range(-(-num_samples // packet_samples)):
        length, start = varint(data, at)
        payload = data[start + 2 : start + 2 + length]
        check = crc16(data[at:start] + payload) ^ index & 0xFFFF
        assert check == int.from_bytes(data[start : start + 2], "big")
        at = start + 2 + length
        packets.append((min(packet_samples, num_samples - index * packet_samples), payload))
    assert at == len(data)
    return packets


def packets_2(data: bytes, at: int, about: dict[str, Any]) -> list[tuple[int, bytes]]:
    """The same of version 2."""
    packet_samples = about["packet_frames"] * about["unit_hop"]
    shortest = min(about["unit_hop"], about["f0_hop"])
    packets: list[tuple[int, bytes]] = []
    ended = False
    while not ended:
        first, begin = data[at], at
        at += 1
        samples = packet_samples
        ended = first > 0xF0
        if ended:
            assert first > 0xF6
            width = {0xFF: 0}.get(first, first - (0xFA if first > 0xFA else 0xF6))
            samples = int.from_bytes(data[at : at + width], "big")
            assert width == 0 or data[at] > 0
            at += width
        if first == 0xFF or 0xF6 < first <= 0xFA:
            assert samples < shortest
            assert crc16(data[begin:at]) ^ len(packets) * 40503 % 65536 == int.from_bytes(data[at : at + 2], "big")
            at += 2
            if samples:
                packets[-1] = packets[-1][0] - samples, packets[-1][1]
            break
        assert samples == packet_samples or 0 < samples <= packet_samples - shortest
        length = data[at - 1]
        if ended:
            length = data[at]
            at += 1
        assert length <= 0xF0
        if length == 0xF0:
            length = int.from_bytes(data[at : at + 2], "big")
            assert length >= 0xF0
            at += 2
        payload = data[at + 2 : at + 2 + length]
        assert crc16(data[begin:at] + payload) ^ len(packets) * 40503 % 65536 == int.from_bytes(data[at : at + 2], "big")
        at += 2 + length
        packets.append((samples, payload))
    assert at == len(data)
    return packets


def stream_1(fingerprint: str, num_samples: int, speaker: bytes, payloads: list[bytes]) -> bytes:
    """A stream of version 1."""
    data = b"\xf5U\x01" + bytes.fromhex(fingerprint) + write_varint(num_samples) + bytes([len(speaker)]) + speaker
    data += crc16(data).to_bytes(2, "big")
    for index, payload in enumerate(payloads):
        length = write_varint(len(payload))
        data += length + (crc16(length + payload) ^ index & 0xFFFF).to_bytes(2, "big") + payload
    return data


def write_varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def decode_packet(
    payload: bytes | RangeDecoder, frames: int, f0_frames: int, model: Model, plain: Any = None
) -> dict[Any, list[int]]:
    """The symbols of each stream. `plain`, where given, says them instead of the range coder: alphabet -> symbol."""
    about = model.about
    coder = payload if isinstance(payload, RangeDecoder) else RangeDecoder(payload)
    coded: dict[Any, list[int]] = {name: [] for name in [*range(len(about["rows"])), "f0"]}

    def take(name: Any, now: int) -> None:
        stream = model.stream(name)
        cell = 0
        for other, lag in stream["context"]:
            if other != "f0":
                at = now - lag
            elif name == "f0":
                at = len(coded["f0"]) - lag
            else:
                at = len(coded["f0"]) - 1 - lag
            alphabet = model.stream(other)["alphabet"]
            cell = cell * (alphabet + (lag > 0)) + (coded[other][at] if at >= 0 else alphabet)
        title = "table.f0" if name == "f0" else f"table.units.{name}"
        n = stream["alphabet"]
        if plain is not None:
            coded[name].append(plain(n))
            return
        coded[name].append(coder.symbol(model.tables[title][cell * n : cell * n + n], about["precision"]))

    for t in range(frames):
        while len(coded["f0"]) < f0_frames and len(coded["f0"]) * about["f0_hop"] // about["unit_hop"] == t:
            take("f0", t)
        for row in range(len(about["rows"])):
            take(row, t)
    return coded


def decode_datagram(data: bytes, model: Model) -> dict[str, Any]:
    """What a datagram says: {"codes": units, f0, block} or {"end": block, trim} or {"part": index, count, bytes}."""
    about = model.about
    kind, low = data[0] >> 6, data[0] & 63
    if kind == 2:
        assert crc16(data[:-2]) == int.from_bytes(data[-2:], "big")
        return {"part": low >> 3, "count": (low & 7) + 1, "bytes": data[1:-2].hex()}
    assert crc16(bytes.fromhex(about["fingerprint"]) + data[:-2]) == int.from_bytes(data[-2:], "big")
    block = int.from_bytes(data[1:3], "big")
    if kind == 3:
        return {"end": block, "trim": int.from_bytes(data[3:-2], "big")}
    samples = (low + 1) * lcm(about["unit_hop"], about["f0_hop"])
    frames, f0_frames = samples // about["unit_hop"], samples // about["f0_hop"]
    take = plain(data[3:-2], frames, f0_frames, model) if kind == 1 else None
    coded = decode_packet(data[3:-2], frames, f0_frames, model, take)
    return {"block": block, "units": [coded[row] for row in range(len(about["rows"]))], "f0": coded["f0"]}


def plain(payload: bytes, frames: int, f0_frames: int, model: Model) -> Any:
    """Symbols of a number in mixed radix, one after another."""
    number, radix = int.from_bytes(payload, "big"), 1
    for name, count in [*((row, frames) for row in range(len(model.about["rows"]))), ("f0", f0_frames)]:
        radix *= model.stream(name)["alphabet"] ** count

    def take(alphabet: int) -> int:
        nonlocal number, radix
        radix //= alphabet
        symbol, number = divmod(number, radix)
        return symbol

    assert number < radix
    return take


def decode_live(data: bytes, frames: int, model: Model, fec: int = 0) -> dict[str, Any]:
    """What a live packet says; of a model without frequencies for the speaker fields."""
    about, kind, number = model.about, data[0] >> 6, data[0] & 63
    layout = {0: 0, 1: 64, 4: 128, 8: 192}[fec] + frames - 1
    assert crc16(bytes([3, layout]) + bytes.fromhex(about["fingerprint"]) + data[:-1]) & 255 == data[-1]
    payload, samples = data[1:-1], frames * about["unit_hop"]
    if kind == 2:
        return {"kind": kind, "number": number, "noise": payload[0]}
    flags = 0
    if kind == 3:
        flags, payload = int.from_bytes(payload[:3], "big"), payload[3:]
        samples = flags & 0x3FFFFF
        if flags & 0x400000:
            return {"kind": kind, "number": number, "samples": samples}
    rows, copy = len(about["rows"]), {}
    if fec:
        each = 1 if fec == 1 else 2
        size = -(-(rows - 1) * frames * each // 8)
        bits = [byte >> 7 - bit & 1 for byte in payload[:size] for bit in range(8)]
        values = [sum(bits[each * at + bit] << each - 1 - bit for bit in range(each)) for at in range((rows - 1) * frames)]
        copy, payload = {"copy": [values[row * frames : (row + 1) * frames] for row in range(rows - 1)]}, payload[size:]
    coder, fields, whole = RangeDecoder(payload), {}, 2 ** about["precision"]
    for index, alphabet in enumerate(about["speaker"]):
        if kind == 1 or flags & 0x800000 or index % 8 == number % 8:
            shares = [whole // alphabet + (value < whole % alphabet) for value in range(alphabet)]
            fields[str(index)] = coder.symbol(shares, about["precision"])
    coded = decode_packet(coder, frames, frames * about["unit_hop"] // about["f0_hop"], model)
    units = [coded[row] for row in range(len(about["rows"]))]
    told = {"kind": kind, "number": number, "samples": samples, "fields": fields, "units": units, "f0": coded["f0"]}
    return {**told, **copy}
