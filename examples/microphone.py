"""Speak, and hear what is left of it at some 353 bit/s: python examples/microphone.py [SECONDS]. Needs pip install sounddevice.

The first sound comes after some 8 s of speech, which tell the encoder level and voice.
"""

import os
import sys
import threading
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


def send(codec: Codec, blocks: Iterator[np.ndarray], end: int) -> None:
    """Packets into a pipe, each as soon as it is ready."""
    with open(end, "wb", buffering=0) as pipe:
        for data in codec.compress_blocks(blocks):
            pipe.write(data)


def main(seconds: float = 30.0) -> None:
    codec = unitcodec.load()
    source, target = os.pipe()
    threading.Thread(target=send, args=(codec, microphone(seconds), target), daemon=True).start()
    with open(source, "rb") as pipe, sounddevice.OutputStream(samplerate=codec.sample_rate, channels=1) as speaker:
        for block in codec.decompress_blocks(pipe):
            speaker.write(block[:, None])


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
