"""What a ``.uc`` stream holds, for ``unitcodec info``: as a table and as JSON. Nothing is decoded to sound."""

from __future__ import annotations

import json
from typing import Any

from bitstream import StreamInfo, UnknownModel, inspect
from bitstream.entropy.find import find_model_folders
from bitstream.entropy.spec import SAMPLE_RATE
from unitcodec.command.clock import clock
from unitcodec.command.run import printable

Report = dict[str, Any]
"""The keys of ``describe``'s result, in this order; those after ``error`` are None where the header cannot be read."""

_KEYS = (
    "file",
    "error",
    "size",
    "version",
    "model",
    "model_name",
    "num_samples",
    "sample_rate",
    "duration",
    "bit_rate",
    "header_bytes",
    "packets",
    "damaged_packets",
    "trailing_bytes",
    "stray_bytes",
    "complete",
    "bits",
)


def failed(name: str, reason: str) -> Report:
    """The report of a file that could not be read at all."""
    return {**dict.fromkeys(_KEYS), "file": name, "error": reason}


def describe(name: str, data: bytes) -> Report:
    """Facts of the stream ``data``; sizes in bytes, ``duration`` in seconds, ``bit_rate`` in bit/s, ``bits`` by stream.

    ``error`` is None for a sound stream. ``bits`` and ``model_name`` are None where the model is not installed, and so are, in
    version 2, ``num_samples``, ``duration`` and ``bit_rate``.

    Raises:
        bitstream.BitstreamError: the header is not one.
    """
    info = inspect(data)
    return {
        "file": name,
        "error": damage(info),
        "size": info.size,
        "version": info.version,
        "model": info.model,
        "model_name": _model_name(info.model),
        "num_samples": info.num_samples,
        "sample_rate": SAMPLE_RATE,
        "duration": None if info.num_samples is None else info.duration,
        "bit_rate": None if info.num_samples is None else info.bits_per_second,
        "header_bytes": info.header_size,
        "packets": len(info.packets),
        "damaged_packets": [packet.index for packet in info.packets if not packet.ok],
        "trailing_bytes": info.trailing,
        "stray_bytes": info.stray,
        "complete": info.complete,
        "bits": None if info.bits is None else {stream: round(bits, 2) for stream, bits in info.bits.items()},
    }


def damage(info: StreamInfo) -> str | None:
    """What is wrong with a stream whose header is sound, in one line naming packet and byte; None if nothing is."""
    bad = [packet for packet in info.packets if not packet.ok]
    if bad:
        first = bad[0]
        what = "damaged" if first.size else "missing"
        more = f" ({len(bad)} of {len(info.packets)} packets are bad)" if len(bad) > 1 else ""
        return f"packet {first.index}, at byte {first.offset}, is {what}{more}"
    if not info.complete:
        return f"the end of the stream, at byte {info.size - info.stray}, is damaged or missing"
    if info.stray:
        return f"{info.stray} bytes before the end of the stream belong to nothing"
    if info.trailing:
        return f"{info.trailing} bytes follow the end of the stream, from byte {info.size - info.trailing} on"
    return None


def as_table(report: Report) -> str:
    """A report of ``describe``, for people."""
    rows = [
        ("File", report["file"]),
        ("Format", f"unitcodec stream, version {report['version']}"),
        ("Model", f"{report['model']} ({report['model_name'] or 'not installed'})"),
        ("Duration", _duration(report)),
        ("Size", f"{report['size']} bytes"),
        ("Bit rate", "unknown" if report["bit_rate"] is None else f"{report['bit_rate']:.1f} bit/s"),
        ("Header", f"{report['header_bytes']} bytes"),
        ("Packets", f"{report['packets']}, {len(report['damaged_packets'])} damaged"),
    ]
    if report["bits"] and report["duration"]:
        for stream, bits in report["bits"].items():
            rows.append((f"  {stream}", f"{bits:.0f} bits, {bits / report['duration']:.1f} bit/s"))
    if report["error"]:
        rows.append(("Damage", report["error"]))
    return "\n".join(printable(f"{title + ':':<11}{text}") for title, text in rows)


def as_json(reports: list[Report]) -> str:
    """A JSON list of the reports; keys are never renamed or left out, later versions may add some."""
    return json.dumps(reports, indent=2)


def _duration(report: Report) -> str:
    if report["duration"] is None:
        return "unknown without the model"
    if not report["packets"] and not report["complete"]:
        return "unknown"
    return f"{clock(report['duration'])} = {report['num_samples']} samples at {report['sample_rate']} Hz"


def _model_name(fingerprint: str) -> str | None:
    try:
        return find_model_folders(fingerprint)[0].name
    except UnknownModel:
        return None
