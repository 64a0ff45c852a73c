"""Other codecs behind one call: waveform in, waveform of the same length and a bit count out.

Codec2 is Rowe's (8 kHz, ``c2enc``/``c2dec``); Opus is RFC 6716 through ``opusenc``/``opusdec``, whose file is counted
whole, Ogg pages and headers included.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.waveform import SAMPLE_RATE, FloatArray, fit, read, write


@dataclass(frozen=True)
class Coded:
    """What a codec made of a waveform: ``(T,)`` again at 16 kHz, and the bits it took."""

    waveform: FloatArray
    bits: int


@dataclass(frozen=True)
class Peer:
    """A codec to compare with and the programs it needs."""

    code: Callable[[FloatArray], Coded]
    tools: tuple[str, ...] = ()

    def missing(self) -> tuple[str, ...]:
        """The programs that are not installed here."""
        return tuple(tool for tool in self.tools if shutil.which(tool) is None)


@dataclass(frozen=True)
class Codec2Mode:
    """``frame_bits`` each ``frame_ms``; ``c2enc`` pads every frame to whole bytes, ``delay_ms`` behind the input.

    The delays are the peaks of the cross-correlation of log energy between input and output, the medians over
    13 utterances: speech that is synthesised from parameters keeps no waveform to correlate.
    """

    name: str
    frame_bits: int
    frame_ms: int
    delay_ms: int


CODEC2_MODES = (
    Codec2Mode("450", 18, 40, 29),
    Codec2Mode("700C", 28, 40, 29),
    Codec2Mode("1300", 52, 40, 20),
    Codec2Mode("2400", 48, 20, 20),
)


def codec2(mode: Codec2Mode, waveform: FloatArray) -> Coded:
    """Through Codec2 at 8 kHz and back, its delay taken out.

    The input is extended by the delay, to whole frames, so that no speech is lost. Bits are frames times bits a frame:
    what the frames would take packed end to end, not the whole bytes that ``c2enc`` spends on each.
    """
    import soxr

    delay, frame = 8 * mode.delay_ms, 8 * mode.frame_ms
    narrow = soxr.resample(waveform, SAMPLE_RATE, 8000)
    frames = -(-(len(narrow) + delay) // frame)
    pcm = np.clip(np.rint(fit(narrow, frames * frame) * 32768), -32768, 32767).astype("<i2")
    with tempfile.TemporaryDirectory() as folder:
        raw, bits, out = (Path(folder, name) for name in ("in.raw", "bits", "out.raw"))
        raw.write_bytes(pcm.tobytes())
        _quietly("c2enc", mode.name, raw, bits)
        _quietly("c2dec", mode.name, bits, out)
        coded_frames = bits.stat().st_size // -(-mode.frame_bits // 8)
        decoded = np.frombuffer(out.read_bytes(), "<i2").astype(np.float32) / 32768
    wide = soxr.resample(decoded[delay:], 8000, SAMPLE_RATE)
    return Coded(fit(wide.astype(np.float32), len(waveform)), coded_frames * mode.frame_bits)


def opus(kilobits: int, waveform: FloatArray) -> Coded:
    """Through Opus at a hard constant rate, tuned for speech; the decoder takes out the delay itself."""
    with tempfile.TemporaryDirectory() as folder:
        wav, coded, out = (Path(folder, name) for name in ("in.wav", "coded.opus", "out.wav"))
        write(wav, waveform)
        # --padding 0: room for tags to come is no part of the speech.
        _quietly("opusenc", "--quiet", "--bitrate", kilobits, "--hard-cbr", "--speech", "--padding", 0, wav, coded)
        _quietly("opusdec", "--quiet", "--rate", SAMPLE_RATE, "--no-dither", coded, out)
        return Coded(fit(read(out), len(waveform)), 8 * coded.stat().st_size)


def original(waveform: FloatArray) -> Coded:
    """The recording itself, counted as 16-bit PCM."""
    return Coded(waveform, 16 * len(waveform))


PEERS: dict[str, Peer] = {
    "original": Peer(original),
    **{f"codec2-{mode.name.lower()}": Peer(partial(codec2, mode), ("c2enc", "c2dec")) for mode in CODEC2_MODES},
    "opus-6k": Peer(partial(opus, 6), ("opusenc", "opusdec")),
}


def _quietly(*command: object) -> None:
    """Run a program to its end.

    Raises:
        RuntimeError: it failed; the message carries what it wrote to its error output.
    """
    done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} exits {done.returncode}: {done.stderr.decode(errors='replace').strip()[-400:]}")
