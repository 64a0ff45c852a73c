"""Speak, and hear what is left of it at some 450 bit/s, a second later: python examples/microphone.py [SECONDS].

Needs pip install sounddevice, and headphones, or it hears itself.
"""

import sys
from collections.abc import Iterator

import numpy as np
import sounddevice

import unitcodec
from unitcodec import Codec


def microphone(seconds: float) -> Iterator[np.ndarray]:
    """Blocks of a tenth of a second at 16 kHz, (1600,) float32."""
    with sounddevice.InputStream(samplerate=Codec.sample_rate, channels=1, dtype="float32") as stream:
        for _ in range(round(10 * seconds)):
            block, _ = stream.read(Codec.sample_rate // 10)
            yield block[:, 0]


def main(seconds: float = 30.0) -> None:
    codec = unitcodec.load()
    encoder, decoder = codec.encoder(live=True), codec.decoder()
    with sounddevice.OutputStream(samplerate=codec.sample_rate, channels=1) as speaker:
        for block in microphone(seconds):
            for packet in encoder.push(block):  # bytes, for whatever link there is
                speaker.write(decoder.push(packet)[:, None])
        for packet in encoder.flush():
            speaker.write(decoder.push(packet)[:, None])


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
