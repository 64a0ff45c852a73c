"""Make the golden files of bitstream versions 2 and 3: streams, datagrams and live packets, and what they must decode to.

    python tests/golden/make.py

The numbers come from a linear congruential generator, so that they hang on no library. The files are the format's memory:
make them again only for a new version of the format, into a new folder. Those of version 1, and the entropy model that all
versions use, were made so too, and nothing writes them any more.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1] / "bitstream"))

import bitstream_reference

from bitstream import (
    DatagramSender,
    EntropyModel,
    EntropySpec,
    LiveCoder,
    LiveWriter,
    SpeechCodes,
    Stream,
    fit_tables,
    pack,
)

FOLDER = Path(__file__).parent
ENTROPY = FOLDER / "v1" / "entropy.safetensors"
LENGTHS = {"short_end": 27 * 640 + 5, "full_end": 3 * 5120, "trimmed_end": 2 * 5120 - 300, "empty": 0}
SPEC = EntropySpec(
    rows=(Stream(4, ((0, 1), ("f0", 0))), Stream(5, ((0, 0), (1, 1), (0, 2)))),
    f0=Stream(6, (("f0", 1), (1, 1))),
    speaker=(8, 5, 3),
    packet_frames=8,
)


def numbers(seed: int, count: int, alphabet: int) -> list[int]:
    """A walk that mostly stays or steps by one, so that contexts tell something."""
    state, value, out = seed, 0, []
    for _ in range(count):
        state = (1103515245 * state + 12345) % 2**31
        value = (value + (0, 0, 0, 0, 1, 1, 2, 3)[state >> 16 & 7]) % alphabet
        out.append(value)
    return out


def utterance(seed: int, num_samples: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    frames, f0_frames, _ = SPEC.frames(num_samples)
    units = [numbers(seed + row, frames, stream.alphabet) for row, stream in enumerate(SPEC.rows)]
    return np.array(units, np.int32), np.array(numbers(seed + 17, f0_frames, SPEC.f0.alphabet), np.int32)


def model() -> EntropyModel:
    """The model of both versions' files, made with version 1."""
    return fit_tables([utterance(100 * i, 64000 + 640 * i) for i in range(20)], SPEC)


def codes(num_samples: int, fingerprint: str) -> SpeechCodes:
    return SpeechCodes(*utterance(12345, num_samples), np.array([7, 0, 2], np.int32), num_samples, fingerprint)


def as_json(codes: SpeechCodes) -> dict[str, Any]:
    arrays = {name: getattr(codes, name).tolist() for name in ("units", "f0", "speaker")}
    return {**arrays, "num_samples": codes.num_samples, "model": codes.model}


def main() -> None:
    entropy = EntropyModel.load(ENTROPY)
    assert model().fingerprint == entropy.fingerprint
    for name, num_samples in LENGTHS.items():
        made = codes(num_samples, entropy.fingerprint)
        (FOLDER / "v2" / f"{name}.uc").write_bytes(pack(made, entropy))
        (FOLDER / "v2" / f"{name}.json").write_text(json.dumps(as_json(made)) + "\n")
    made = codes(LENGTHS["short_end"], entropy.fingerprint)
    streams = [datagrams(made, entropy, mtu, announce_every) for mtu, announce_every in ((9, 5), (23, 2))]
    (FOLDER / "v2" / "datagrams.json").write_text(json.dumps({"codes": "short_end", "streams": streams}, indent=1) + "\n")
    (FOLDER / "v3").mkdir(exist_ok=True)
    for name, fec in (("live", 0), ("copies", 1), ("late_copies", 4)):
        stream, told = live(entropy, fec)
        (FOLDER / "v3" / f"{name}.uc").write_bytes(stream)
        (FOLDER / "v3" / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")


def live(entropy: EntropyModel, fec: int) -> tuple[bytes, list[dict[str, Any]]]:
    """A stream of live packets of every kind, and what each says; by the decoder in plain Python, to be independent."""
    coder, stream = LiveCoder(entropy, 8, fec), io.BytesIO()
    writer = LiveWriter(stream, coder)
    spoken = codes(5120, entropy.fingerprint)
    said = spoken.units, spoken.f0, spoken.speaker
    packets = [
        coder.speech(0, *said, opening=True),
        *(
            coder.speech(number, *said, copy=(spoken.units[1:] > 2) * 1 if fec < 2 else spoken.units[1:] % 4)
            for number in (1, 2, 3)
        ),
        coder.filled(coder.speech(4, *said), 24),
        coder.pause(5, 62),
        coder.filled(coder.pause(53, 61), 24),
        coder.speech(73, *said, samples=1234),
        coder.speech(74, *said, opening=True, samples=5120),
        coder.silent_end(75, 7),
    ]
    for packet in packets:
        writer.write(packet)
    model = bitstream_reference.read_model(ENTROPY.read_bytes())
    return stream.getvalue(), [bitstream_reference.decode_live(packet, 8, model, fec) for packet in packets]


def datagrams(codes: SpeechCodes, entropy: EntropyModel, mtu: int, announce_every: int) -> dict[str, Any]:
    """The datagrams of a stream, and what a decoder makes of each; by the decoder in plain Python, to be independent."""
    sender = DatagramSender(entropy, codes.speaker, mtu, announce_every)
    made = [*sender.push(codes.units, codes.f0), *sender.flush(codes.num_samples)]
    model = bitstream_reference.read_model(ENTROPY.read_bytes())
    listed = [{"hex": each.hex(), **bitstream_reference.decode_datagram(each, model)} for each in made]
    return {"mtu": mtu, "announce_every": announce_every, "datagrams": listed}


if __name__ == "__main__":
    main()
