"""Telephone-band codecs with frames of a fixed size, run as a program that encodes and one that decodes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.peers import programs
from benchmarks.peers.peer import Coded, Peer
from benchmarks.waveform import SAMPLE_RATE, FloatArray, fit, to_int16

RATE = 8000
"""Hz, of every codec here."""


@dataclass(frozen=True)
class Narrowband:
    """A frame of ``frame`` samples takes ``frame_bits``, and speech comes out ``delay_ms`` behind the input.

    The commands take ``{pcm}``, ``{coded}`` and ``{out}``, both ends raw 16-bit samples at 8 kHz. ``frames`` counts those
    in a coded file; by default each takes whole bytes and nothing lies between them.

    A delay is where the cross-correlation of log energy between input and output peaks, the median over 13 utterances:
    speech that is synthesised from parameters keeps no waveform to correlate. ``flush`` frames follow those of the input.
    """

    encode: str
    decode: str
    frame: int
    frame_bits: int
    delay_ms: int
    frames: Callable[[bytes], int] | None = None
    flush: int = 0

    def peer(self, title: str, left_out: str = "header, exact length, checksum") -> Peer:
        """This codec beside the others."""
        needed = dict.fromkeys(command.split()[0] for command in (self.encode, self.decode))
        gap = partial(programs.missing, *needed)
        counted = "frames times bits a frame, packed end to end"
        if fill := -self.frame_bits % 8:
            left_out += f"; the {fill} bits that fill a frame's last byte"
        return Peer(title, self.code, gap, counted=counted, left_out=left_out, bits=self.bits)

    def bits(self, samples: int) -> int:
        """Of ``samples`` at 16 kHz."""
        frames = self._whole(round(samples * RATE / SAMPLE_RATE)) // self.frame + self.flush
        return frames * self.frame_bits

    def code(self, waveform: FloatArray, lost: Callable[[float], bool] | None = None) -> Coded:
        """Through 8 kHz and the codec and back, the delay taken out.

        The input is extended by the delay, to whole frames, so that no speech is lost. Bits are frames times bits a
        frame: what the frames would take packed end to end, not the bytes and containers that the programs spend.
        Of frames that begin where ``lost`` says so (s) the one before is spoken again.
        """
        import soxr

        narrow = soxr.resample(waveform, SAMPLE_RATE, RATE)
        with tempfile.TemporaryDirectory() as folder:
            files = {name: Path(folder, f"{name}.raw") for name in ("pcm", "coded", "out")}
            files["pcm"].write_bytes(to_int16(fit(narrow, self._whole(len(narrow)))).tobytes())
            for command in (self.encode, self.decode):
                programs.run(*(part.format_map(files) for part in command.split()))
                if command == self.encode:
                    coded = files["coded"].read_bytes()
                    if lost is not None:
                        files["coded"].write_bytes(self._repeated(coded, lost))
            decoded = np.fromfile(files["out"], np.int16).astype(np.float32) / 32768
        frames = self.frames(coded) if self.frames else len(coded) // -(-self.frame_bits // 8)
        wide = soxr.resample(decoded[self._delay :], RATE, SAMPLE_RATE)
        return Coded(fit(wide.astype(np.float32), len(waveform)), frames * self.frame_bits)

    def _repeated(self, coded: bytes, lost: Callable[[float], bool]) -> bytes:
        size = -(-self.frame_bits // 8)
        frames = [coded[start : start + size] for start in range(0, len(coded), size)]
        for i in range(1, len(frames)):
            if lost(i * self.frame / RATE):
                frames[i] = frames[i - 1]
        return b"".join(frames)

    @property
    def _delay(self) -> int:
        return RATE // 1000 * self.delay_ms

    def _whole(self, samples: int) -> int:
        """Samples of the frames that hold these at 8 kHz, and the delay."""
        return -(-(samples + self._delay) // self.frame) * self.frame
