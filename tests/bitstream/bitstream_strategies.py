"""Random specs, models and codes."""

from __future__ import annotations

import bitstream_reference as reference
import numpy as np
from hypothesis import strategies as st

from bitstream import EntropyModel, EntropySpec, PacketCoder, RecurrentModel, SpeechCodes, Stream, TableModel
from bitstream.entropy.fit import round_frequencies
from bitstream.entropy.spec import stream_title

HOPS = ((640, 1280, 4), (640, 640, 3), (320, 1280, 8), (640, 320, 2), (480, 320, 4), (320, 480, 6), (1, 1, 5))


@st.composite
def specs(draw: st.DrawFn) -> EntropySpec:
    rows = draw(st.integers(1, 4))
    unit_hop, f0_hop, packet_frames = draw(st.sampled_from(HOPS))
    past = st.tuples(st.one_of(st.integers(0, rows - 1), st.just("f0")), st.integers(1, 3))
    alphabets = st.integers(1, 7)

    def stream(row: int | None) -> Stream:
        now = [] if row is None else [(other, 0) for other in range(row)] + [("f0", 0)]
        references = st.one_of(past, st.sampled_from(now)) if now else past
        return Stream(draw(alphabets), tuple(draw(st.lists(references, max_size=4))))

    return EntropySpec(
        rows=tuple(stream(row) for row in range(rows)),
        f0=stream(None),
        speaker=tuple(draw(st.lists(st.integers(1, 300), max_size=5))),
        unit_hop=unit_hop,
        f0_hop=f0_hop,
        packet_frames=packet_frames,
        precision=draw(st.sampled_from((4, 8, 16, 22))),
    )


def random_model(spec: EntropySpec, rng: np.random.Generator) -> TableModel:
    """Tables from almost even to almost certain."""
    tables = {}
    for name in spec.names:
        shape = spec.table_shape(name)
        weights = rng.random(shape) ** rng.choice([1, 8, 100]) + 1e-300
        tables[stream_title(name)] = round_frequencies(weights / weights.sum(-1, keepdims=True), spec.precision)
    return TableModel(spec, tables)


def random_codes(model: EntropyModel, num_samples: int, rng: np.random.Generator) -> SpeechCodes:
    spec = model.spec
    frames, f0_frames, _ = spec.frames(num_samples)
    units = [rng.integers(0, row.alphabet, frames) for row in spec.rows]
    f0 = rng.integers(0, spec.f0.alphabet, f0_frames)
    speaker = [int(rng.integers(0, alphabet)) for alphabet in spec.speaker]
    return SpeechCodes(np.array(units), f0, np.array(speaker, dtype=int), num_samples, model.fingerprint)


@st.composite
def models_and_codes(draw: st.DrawFn) -> tuple[EntropyModel, SpeechCodes]:
    spec = draw(specs())
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    num_samples = draw(st.integers(0, 4 * spec.packet_samples))
    model = random_model(spec, rng)
    return model, random_codes(model, num_samples, rng)


def random_recurrent(spec: EntropySpec, rng: np.random.Generator, hidden: int, loud: bool = False) -> RecurrentModel:
    """Any integers that a model may have; `loud`: as large as they may be."""
    room = (2**15 - 1) // hidden
    weights, small = (room, 2**15) if loud else (min(room, 900), 1500)

    def integers(limit: int, *shape: int) -> np.ndarray:
        return rng.integers(-limit, limit + 1, shape)

    parts = {
        "recurrent.initial": integers(2**14, hidden),
        "recurrent.weight": integers(weights, 3 * hidden, hidden),
        "recurrent.bias": integers(small, hidden),
    }
    shifts = {"recurrent.weight": int(rng.integers(4, 10))}
    for name in spec.names:
        title, alphabet = stream_title(name), spec.stream(name).alphabet
        if alphabet > 1:
            parts[f"input.{title}"] = integers(small, alphabet, 3 * hidden)
            parts[f"output.{title}"] = integers(weights, alphabet, hidden)
            parts[f"table.{title}"] = integers(3000, *spec.table_shape(name))
            shifts[f"output.{title}"] = int(rng.integers(4, 10))
    if spec.speaker and rng.integers(2):
        fields = [rng.dirichlet(np.full(alphabet, 0.5)) + 1e-9 for alphabet in spec.speaker]
        if all(alphabet <= 2**spec.precision for alphabet in spec.speaker):
            parts["speaker"] = np.concatenate([round_frequencies(p / p.sum(), spec.precision) for p in fields])
    return RecurrentModel(spec, shifts, parts)


@st.composite
def recurrent_models(draw: st.DrawFn) -> RecurrentModel:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return random_recurrent(draw(specs()), rng, draw(st.integers(1, 12)), draw(st.booleans()))


def random_packets(spec: EntropySpec, count: int, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Packets of shapes that some waveform has, units (rows, n) and f0 (m,)."""
    packets = []
    for _ in range(count):
        frames, f0_frames = spec.packet_shape(int(rng.integers(1, spec.packet_samples + 1)), 0)
        units = [rng.integers(0, row.alphabet, frames) for row in spec.rows]
        packets.append((np.array(units, np.int32), rng.integers(0, spec.f0.alphabet, f0_frames).astype(np.int32)))
    return packets


def parts(codes: SpeechCodes, model: EntropyModel) -> list[tuple[np.ndarray, np.ndarray]]:
    """The codes of each packet."""
    n, m = model.spec.packet_frames, model.spec.packet_f0_frames
    packets = model.spec.frames(codes.num_samples)[2]
    return [(codes.units[:, i * n : i * n + n], codes.f0[i * m : i * m + m]) for i in range(packets)]


def pack_1(codes: SpeechCodes, model: EntropyModel) -> bytes:
    """A stream of version 1, which the package only reads."""
    coder = PacketCoder(model, version=1)
    payloads = [coder.encode_payload(*part) for part in parts(codes, model)]
    return reference.stream_1(model.fingerprint, codes.num_samples, model.pack_speaker(codes.speaker), payloads)
