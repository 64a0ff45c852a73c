"""The measured figures of docs/bitstream.md, again: what damage passes the checks, and what datagrams cost.

unitcodec encode examples/speech.wav speech.uc
python tests/bitstream/bitstream_figures.py speech.uc
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from bitstream import Damaged, DatagramSender, EntropyModel, PacketCoder, SpeechCodes, find_entropy_model, unpack

Damage = Callable[[bytes, np.random.Generator], bytes]
MTUS = (11, 23, 51, 115, 222)


def _random(payload: bytes, rng: np.random.Generator) -> bytes:
    return rng.bytes(len(payload))


def _run(payload: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.integers(0, max(1, len(payload) - 8)))
    return payload[:at] + rng.bytes(len(payload[at : at + 8])) + payload[at + 8 :]


def _flips(payload: bytes, rng: np.random.Generator) -> bytes:
    number = int.from_bytes(payload, "big")
    for bit in rng.choice(8 * len(payload), min(4, 8 * len(payload)), replace=False):
        number ^= 1 << int(bit)
    return number.to_bytes(len(payload), "big")


def _cut(payload: bytes, rng: np.random.Generator) -> bytes:
    return payload[: int(rng.integers(0, len(payload)))]


DAMAGE: dict[str, Damage] = {"all bytes random": _random, "8 bytes random": _run, "4 bits flipped": _flips, "cut short": _cut}


def passed(entropy: EntropyModel, payloads: Sequence[bytes], damage: Damage, trials: int, seed: int = 0) -> float:
    """The fraction of damaged full packets that decode, though their checks were made to match."""
    coder, rng, spec = PacketCoder(entropy), np.random.default_rng(seed), entropy.spec
    count = done = 0
    while done < trials:
        payload = payloads[int(rng.integers(len(payloads)))]
        damaged = damage(payload, rng)
        if damaged == payload:
            continue
        done += 1
        try:
            coder.decode_payload(damaged, spec.packet_frames, spec.packet_f0_frames)
        except Damaged:
            continue
        count += 1
    return count / trials


def full_payloads(codes: SpeechCodes, entropy: EntropyModel) -> list[bytes]:
    """The payloads of a stream's full packets."""
    coder, n, m = PacketCoder(entropy), entropy.spec.packet_frames, entropy.spec.packet_f0_frames
    packets = range(codes.num_samples // entropy.spec.packet_samples)
    return [coder.encode_payload(codes.units[:, i * n : i * n + n], codes.f0[i * m : i * m + m]) for i in packets]


def datagram_rate(codes: SpeechCodes, entropy: EntropyModel, mtu: int) -> tuple[float, float]:
    """bit/s of the codes' datagrams, announcements apart; and datagrams a second."""
    sender = DatagramSender(entropy, codes.speaker, mtu)
    datagrams = [*sender.push(codes.units, codes.f0), *sender.flush(codes.num_samples)]
    seconds = codes.num_samples / 16000
    return 8 * sum(map(len, datagrams)) / seconds, len(datagrams) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("streams", nargs="+", type=Path)
    parser.add_argument("--trials", type=int, default=2000)
    arguments = parser.parse_args()
    codes = [unpack(path.read_bytes()) for path in arguments.streams]
    entropy = find_entropy_model(codes[0].model)
    payloads = [payload for each in codes for payload in full_payloads(each, entropy)]
    print(f"{len(payloads)} full packets, {np.mean([len(p) for p in payloads]):.1f} bytes of payload")
    for name, damage in DAMAGE.items():
        print(f"| {name} | {passed(entropy, payloads, damage, arguments.trials):.4f} |")
    seconds = sum(each.num_samples for each in codes) / 16000
    for mtu in MTUS:
        rates = [datagram_rate(each, entropy, mtu) for each in codes]
        total = [sum(r[i] * each.num_samples / 16000 for r, each in zip(rates, codes, strict=True)) / seconds for i in (0, 1)]
        print(f"| {mtu} | {total[0]:.0f} | {total[1]:.2f} |")


if __name__ == "__main__":
    main()
