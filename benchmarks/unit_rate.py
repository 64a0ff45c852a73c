"""How few bits units need: ``python -m benchmarks.unit_rate --train FILE... --test FILE... --rate HZ --json OUT``.

Files are lists of utterances, as :mod:`unitcodec.formats.unit_lists` reads them. Every utterance is a packet of its own. A model
is trained (or loaded), every test utterance is coded, its bytes are decoded again in another process, and other coders do
the same work.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.errors import BenchmarkError, Gap
from benchmarks.files import write_json
from benchmarks.provenance import provenance
from benchmarks.unit_coders import CODERS, NO_F0, spec_of
from bitstream import BitstreamError, EntropyModel, PacketCoder
from bitstream.arrays import IntArray
from bitstream.entropy.find import ENTROPY_FILE
from bitstream.entropy.model import packet_bits
from bitstream.entropy.spec import SAMPLE_RATE
from unitcodec.errors import UnitcodecError
from unitcodec.formats.unit_lists import read_list

LONGEST = 2000
"""Units that an utterance may have, about as many as a packet has room for."""


@click.command()
@click.option("--train", multiple=True, type=click.Path(path_type=Path), help="Units to learn from; may be given again.")
@click.option("--test", multiple=True, required=True, type=click.Path(path_type=Path), help="Units to code.")
@click.option("--rate", type=float, required=True, metavar="HZ", help="Units a second.")
@click.option(
    "--save", type=click.Path(path_type=Path), metavar="DIR", help="Keep the model and its training here, and go on from there."
)
@click.option("--model", type=click.Path(path_type=Path), metavar="DIR", help="Code with this model; nothing is trained.")
@click.option("--json", "out", type=click.Path(path_type=Path), metavar="OUT", help="Write the figures here.")
@click.option("--setting", multiple=True, metavar="NAME=VALUE", help="A setting of training that differs from its default.")
@click.option("--peers/--no-peers", default=True, show_default=True, help="What other coders make of the same units.")
def main(
    train: tuple[Path, ...],
    test: tuple[Path, ...],
    rate: float,
    save: Path | None,
    model: Path | None,
    out: Path | None,
    setting: tuple[str, ...],
    peers: bool,
) -> None:
    """Code units with a learned model, and tell what they cost."""
    try:
        _main(train, test, rate, save, model, out, setting, peers)
    except (BitstreamError, UnitcodecError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _main(
    train: Sequence[Path],
    test: Sequence[Path],
    rate: float,
    save: Path | None,
    model: Path | None,
    out: Path | None,
    setting: Sequence[str],
    peers: bool,
) -> None:
    if (model is None) == (not train):
        raise BenchmarkError("give either --train FILE... or --model DIR")
    if not 0 < rate <= SAMPLE_RATE or SAMPLE_RATE % rate:
        raise BenchmarkError(f"--rate {rate:g}: must divide {SAMPLE_RATE}")
    learn = [units for path in train for units in _units(path)]
    coded = [units for path in test for units in _units(path)]
    document: dict[str, Any] = {"made": provenance(", ".join(path.name for path in test)), "trained_on": [p.name for p in train]}
    if model is None:
        entropy, document["training"] = _train(learn, coded, rate, save, setting)
    else:
        entropy = EntropyModel.load(model / ENTROPY_FILE)
    alphabet = entropy.spec.rows[0].alphabet
    _check(coded, alphabet, entropy)
    seconds = sum(map(len, coded)) / rate
    document |= {"rate": rate, "alphabet": alphabet, "utterances": len(coded), "seconds": seconds}
    document |= _coded(entropy, coded, seconds)
    if model is None:
        document["float_cross_entropy_bps"] = document["training"].pop("float_bits") / seconds
    document["speed"] = _speed(entropy, coded, rate)
    if peers:
        document["peers"] = _peers(learn, coded, alphabet, seconds)
    if out is not None:
        write_json(out, document)
    click.echo(json.dumps({key: value for key, value in document.items() if key != "made"}, indent=1))


def _units(path: Path) -> list[IntArray]:
    """The utterances of a file, (n,) each."""
    rows = [entry.frames() for entry in read_list(path)]
    if any(len(each) > 1 for each in rows):
        raise BenchmarkError(f"{path}: units in several rows; one is wanted")
    return [each[0] for each in rows]


def _train(
    learn: Sequence[IntArray], coded: Sequence[IntArray], rate: float, save: Path | None, setting: Sequence[str]
) -> tuple[EntropyModel, dict[str, Any]]:
    from unitcodec.training.recurrent_training import Settings, cross_entropy, train

    settings = Settings.of(setting)
    alphabet = 1 + int(max(units.max() for units in learn))
    spec = spec_of(alphabet, round(SAMPLE_RATE / rate), LONGEST)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        net = train(spec, [(units[None], NO_F0) for units in learn], Path(save or scratch, "training"), settings)
    seconds = time.perf_counter() - begin
    entropy = net.quantize()
    _check(coded, alphabet, entropy)
    bits = sum(cross_entropy(net, [(units[None], NO_F0) for units in coded]).values())
    if save is not None:
        save.mkdir(parents=True, exist_ok=True)
        entropy.save(save / ENTROPY_FILE)
    parameters = sum(value.numel() for value in net.parameters())
    return entropy, {"settings": vars(settings), "seconds": seconds, "parameters": parameters, "float_bits": bits}


def _check(coded: Sequence[IntArray], alphabet: int, entropy: EntropyModel) -> None:
    if max(int(units.max()) for units in coded) >= alphabet:
        raise BenchmarkError(f"the test units go beyond the model's alphabet of {alphabet}")
    if max(map(len, coded)) > entropy.spec.packet_frames:
        raise BenchmarkError(
            f"an utterance of {max(map(len, coded))} units; the model's packets hold {entropy.spec.packet_frames}"
        )


def _coded(entropy: EntropyModel, coded: Sequence[IntArray], seconds: float) -> dict[str, Any]:
    packets = [(units[None], NO_F0) for units in coded]
    coder = PacketCoder(entropy)
    payloads = coder.encode_payloads(packets)
    ideal = [sum(bits.values()) for bits in packet_bits(entropy, packets)]
    # Some of them one by one too: the same bytes.
    verified = all(coder.encode_payload(*packets[index]) == payloads[index] for index in range(0, len(packets), 50))
    over = [8 * len(payload) - bits for payload, bits in zip(payloads, ideal, strict=True)]
    return {
        "fingerprint": entropy.fingerprint,
        "model_bytes": len(entropy.to_bytes()),
        "payload_bps": 8 * sum(map(len, payloads)) / seconds,
        "cross_entropy_bps": sum(ideal) / seconds,
        "bits_over_cross_entropy": {"mean": float(np.mean(over)), "max": float(np.max(over))},
        "verified": verified and _decoded_elsewhere(entropy, payloads, coded),
    }


def _decoded_elsewhere(entropy: EntropyModel, payloads: Sequence[bytes], coded: Sequence[IntArray]) -> bool:
    """Whether another process, given model, payloads and lengths, finds the very units."""
    with tempfile.TemporaryDirectory() as folder:
        entropy.save(Path(folder, ENTROPY_FILE))
        given = [[payload.hex(), len(units)] for payload, units in zip(payloads, coded, strict=True)]
        Path(folder, "payloads.json").write_text(json.dumps(given))
        done = subprocess.run(
            [sys.executable, "-c", "from benchmarks.unit_rate import decode; decode()", folder], capture_output=True, text=True
        )
        if done.returncode:
            raise BenchmarkError(f"decoding in another process failed: {(done.stderr.splitlines() or ['no word why'])[-1]}")
        found: list[list[int]] = json.loads(Path(folder, "units.json").read_text())
    return found == [units.tolist() for units in coded]


def decode() -> None:
    """The other process: the folder's payloads -> the folder's units."""
    folder = Path(sys.argv[1])
    entropy = EntropyModel.load(folder / ENTROPY_FILE)
    given = json.loads((folder / "payloads.json").read_text())
    found = PacketCoder(entropy).decode_payloads([bytes.fromhex(text) for text, _ in given], [(length, 1) for _, length in given])
    units = []
    for packet in found:
        if isinstance(packet, BitstreamError):
            raise packet
        units.append(packet[0][0].tolist())
    (folder / "units.json").write_text(json.dumps(units))


def _speed(entropy: EntropyModel, coded: Sequence[IntArray], rate: float) -> dict[str, float]:
    """Times real time: one utterance after another, and 256 side by side. Set OMP_NUM_THREADS=1 for one core."""
    alone, coder = [(units[None], NO_F0) for units in coded[:10]], PacketCoder(entropy)
    many = [(units[None], NO_F0) for units in coded[:256]]
    payloads, single = coder.encode_payloads(many), [coder.encode_payload(*packet) for packet in alone]
    shapes = [(units.shape[1], 1) for units, _ in many]

    def times(packets: Sequence[tuple[IntArray, IntArray]], work: Callable[[], object]) -> float:
        begin = time.perf_counter()
        work()
        return sum(units.shape[1] for units, _ in packets) / rate / (time.perf_counter() - begin)

    return {
        "pack": times(alone, lambda: [coder.encode_payload(*packet) for packet in alone]),
        "unpack": times(
            alone, lambda: [coder.decode_payload(one, packet[0].shape[1], 1) for one, packet in zip(single, alone, strict=True)]
        ),
        "pack_many": times(many, lambda: coder.encode_payloads(many)),
        "unpack_many": times(many, lambda: coder.decode_payloads(payloads, shapes)),
    }


def _peers(learn: Sequence[IntArray], coded: Sequence[IntArray], alphabet: int, seconds: float) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, coder in CODERS.items():
        try:
            # A coder that learns has nothing to learn from beside --model: then it knows the alphabet alone.
            alone, together = coder(learn or [np.arange(alphabet, dtype=np.int32)], coded, alphabet)
            figures[name] = {"alone_bps": 8 * sum(alone) / seconds, "together_bps": 8 * together / seconds}
        except Gap as gap:
            figures[name] = {"gap": str(gap)}
    return figures


if __name__ == "__main__":
    main()
