"""Talk over UDP from one process to another: python examples/live.py IN [LOSS [OUT.wav]].

A recording stands for the microphone: its samples are handed over as fast as they were spoken. The receiver speaks on a clock
of its own, as a sound card does. LOSS is the share of packets that never arrive, 0.1 for instance. The delay is printed: from
the moment when a sample is spoken to the moment when it is heard.
"""

import multiprocessing
import random
import socket
import sys
import time
from multiprocessing.connection import Connection

import numpy as np
import soundfile
import torch

import unitcodec

BLOCK = 320  # samples (20 ms) at a time, as sound cards hand them over
JITTER = 0.15  # seconds that the receiver waits, for packets that take longer to compute or to travel


def listen(there: socket.socket, main: Connection) -> None:
    torch.set_num_threads(1)
    decoder = unitcodec.load(device="cpu").decoder()
    slot, waiting, waveform, late, pushed = decoder.packet / 16000, [], [], 0, 0
    main.send("ready")
    waiting.append(there.recv(512))
    due = began = time.monotonic() + JITTER
    while not decoder.ended:
        while (left := due - time.monotonic()) > 0:
            there.settimeout(left)
            try:
                waiting.append(there.recv(512))
            except TimeoutError:
                break
        if not waiting and pushed <= round((due - began) / slot):
            waiting.append(None)  # something stands in the place of what did not come in time
            late += 1
        waveform += map(decoder.push, waiting)
        pushed, waiting, due = pushed + len(waiting), [], due + slot
    # What a push gives is heard from its time on, so the first sample of all would have been heard then:
    main.send((began + decoder.delay, late, decoder.lost, np.concatenate(waveform)))


def main(source: str, loss: str = "0", target: str = "") -> None:
    audio, rate = soundfile.read(source, dtype="float32")
    if rate != 16000 or audio.ndim > 1:
        raise SystemExit(f"{source}: this example takes 16 kHz mono; 'unitcodec encode --live' takes anything")
    torch.set_num_threads(1)
    luck, encoder = random.Random(0), unitcodec.load(device="cpu").encoder(live=True)
    here, there = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
    there.bind(("127.0.0.1", 0))
    end, other = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=listen, args=(there, other))
    receiver.start()
    end.recv()
    began, sizes = time.monotonic(), []
    for start in range(0, len(audio), BLOCK):
        time.sleep(max(0.0, began + (start + BLOCK) / rate - time.monotonic()))  # spoken
        packets = encoder.push(audio[start : start + BLOCK])
        if start + BLOCK >= len(audio):
            packets += encoder.flush()
        for packet in packets:
            sizes.append(len(packet))
            last = start + BLOCK >= len(audio) and packet is packets[-1]
            if last or luck.random() >= float(loss):  # with the last one, the receiver ends
                here.sendto(packet, there.getsockname())
    heard, late, lost, waveform = end.recv()
    receiver.join()
    print(f"{len(sizes)} packets of {np.mean(sizes):.1f} bytes, {8 * sum(sizes) * rate / len(audio):.0f} bit/s")
    print(f"from mouth to ear {heard - began:.2f} s; {lost} packets lost, {late} not there in time")
    if target:
        soundfile.write(target, waveform, rate)


if __name__ == "__main__":
    main(*sys.argv[1:])
