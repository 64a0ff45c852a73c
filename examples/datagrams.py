"""Speech over UDP with one datagram in ten lost: python examples/datagrams.py IN OUT.wav."""

import random
import socket
import sys

import numpy as np
import soundfile

import unitcodec
from bitstream import DatagramReceiver, DatagramSender, EntropyModel, Packet, SpeechCodes


def gathered(entropy: EntropyModel, receiver: DatagramReceiver, packets: list[Packet]) -> SpeechCodes:
    """The codes of a stream whose end was heard, in whatever order its packets came."""
    spec = entropy.spec
    frames, f0_frames, _ = spec.frames(receiver.num_samples)
    units, f0 = np.zeros((len(spec.rows), frames), np.int32), np.zeros(f0_frames, np.int32)
    for packet in packets:
        first = packet.first_frame
        units[:, first : first + packet.units.shape[1]] = packet.units[:, : frames - first]
        first = first * spec.unit_hop // spec.f0_hop
        f0[first : first + len(packet.f0)] = packet.f0[: f0_frames - first]
    lost = tuple((start, min(stop, frames)) for start, stop in receiver.lost)
    return SpeechCodes(units, f0, receiver.speaker, receiver.num_samples, entropy.fingerprint, lost)


def main(source: str, target: str, loss: float = 0.1) -> None:
    codec = unitcodec.load()
    entropy, codes, luck = codec.model.entropy, codec.encode(source), random.Random(0)
    sender = DatagramSender(entropy, codes.speaker, mtu=51, announce_every=5)
    *datagrams, end = [*sender.push(codes.units, codes.f0), *sender.flush(codes.num_samples)]
    receiver, packets = DatagramReceiver(entropy), []
    with socket.socket(type=socket.SOCK_DGRAM) as there, socket.socket(type=socket.SOCK_DGRAM) as here:
        there.bind(("127.0.0.1", 0))
        for datagram in [*(datagram for datagram in datagrams if luck.random() >= loss), end]:
            here.sendto(datagram, there.getsockname())
            packet = receiver.receive(there.recv(2048))
            if isinstance(packet, Packet):
                packets.append(packet)
    soundfile.write(target, codec.decode(gathered(entropy, receiver, packets)), codec.sample_rate)


if __name__ == "__main__":
    main(*sys.argv[1:])
