"""A decoder and the range encoder, written from docs/bitstream.md alone: no NumPy, no constriction, nothing of the package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import accumulate
from math import prod
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
    for length in range(size + 1):
        unit = 256 ** (size - length)
        point = -(-low // unit)
        if point * unit < low + width:
            return point.to_bytes(length, "big")
    raise AssertionError


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
        width = {"U16": 2, "U32": 4}[tensor["dtype"]]
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
    assert data[:3] == b"\xf5U\x01"
    num_samples, at = varint(data, 7)
    size = data[at]
    number = int.from_bytes(data[at + 1 : at + 1 + size], "big")
    at += 1 + size
    assert crc16(data[:at]) == int.from_bytes(data[at : at + 2], "big")
    at += 2
    speaker = []
    for alphabet in reversed(about["speaker"]):
        number, field = divmod(number, alphabet)
        speaker.insert(0, field)
    result: dict[str, Any] = {"units": [[] for _ in about["rows"]], "f0": [], "speaker": speaker}
    result |= {"num_samples": num_samples, "model": data[3:7].hex()}
    packet_samples = about["packet_frames"] * about["unit_hop"]
    for index in range(-(-num_samples // packet_samples)):
        length, start = varint(data, at)
        payload = data[start + 2 : start + 2 + length]
        check = crc16(data[at:start] + payload) ^ index & 0xFFFF
        assert check == int.from_bytes(data[start : start + 2], "big")
        at = start + 2 + length
        samples = min(packet_samples, num_samples - index * packet_samples)
        coded = decode_packet(payload, -(-samples // about["unit_hop"]), -(-samples // about["f0_hop"]), model)
        for row, symbols in enumerate(result["units"]):
            symbols += coded[row]
        result["f0"] += coded["f0"]
    assert at == len(data)
    return result


def decode_packet(payload: bytes, frames: int, f0_frames: int, model: Model) -> dict[Any, list[int]]:
    about = model.about
    coder = RangeDecoder(payload)
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
        coded[name].append(coder.symbol(model.tables[title][cell * n : cell * n + n], about["precision"]))

    for t in range(frames):
        while len(coded["f0"]) < f0_frames and len(coded["f0"]) * about["f0_hop"] // about["unit_hop"] == t:
            take("f0", t)
        for row in range(len(about["rows"])):
            take(row, t)
    return coded
