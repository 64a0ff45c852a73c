"""Speech over UDP with one datagram in ten lost: python examples/datagrams.py IN OUT.wav."""

import random
import socket
import sys

import soundfile

import unitcodec
from bitstream import DatagramReceiver, DatagramSender, Packet


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
    soundfile.write(target, codec.decode(receiver.gather(packets)), codec.sample_rate)


if __name__ == "__main__":
    main(*sys.argv[1:])
