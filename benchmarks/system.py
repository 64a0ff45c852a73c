"""A system under test: this codec, its voice conversion, a peer, a command line, or a folder of decoded files."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from benchmarks.corpus import Utterance
from benchmarks.errors import BenchmarkError, Gap
from benchmarks.peers import PEERS
from benchmarks.waveform import SAMPLE_RATE, FloatArray, not_finite, read, write

OWN = "unitcodec"
CONVERSION = "unitcodec-vc"


@dataclass(frozen=True)
class Spoken:
    """One utterance as a system gave it back: ``(T,)`` at 16 kHz, its bits where they are known."""

    waveform: FloatArray
    bits: int | None


@dataclass(frozen=True)
class System:
    """``argument`` is a model's name or folder (``codec``, ``conversion``), a command line, or a folder of decoded files.

    ``codec`` is this project's, ``conversion`` the utterance's units and F0 in the voice of its target. A
    command is run by the shell, once an utterance: ``{wav}`` is 16-bit WAV at 16 kHz, ``{bits}`` where the coded file may
    go (its size is the bit count), ``{out}`` where the decoded WAV must go.
    """

    name: str
    kind: Literal["codec", "conversion", "peer", "command", "folder"]
    argument: str = ""

    @property
    def title(self) -> str:
        if self.kind == "peer":
            return PEERS[self.name].title
        return "unitcodec, voice conversion" if self.kind == "conversion" else self.name

    def facts(self) -> dict[str, str]:
        """What its bits are, ``counted``, and the ``model`` behind it: the fingerprint of this project's, the command."""
        if self.kind == "peer":
            return {"counted": PEERS[self.name].counted}
        if self.kind == "command":
            return {"counted": "the whole coded file", "model": self.argument}
        if self.kind == "folder":
            return {"counted": "the whole coded file"}
        return {"counted": "the whole file", "model": str(_codec(self.argument).model.entropy.fingerprint)}

    def gap(self) -> str | None:
        """Why this system cannot run here, as far as that is known before it runs; else None."""
        return PEERS[self.name].gap() if self.kind == "peer" else None

    def speak(self, utterance: Utterance, keep: Path) -> Spoken:
        """One utterance through the system; what it decoded to is left under ``keep`` for the ear.

        Raises:
            Gap: a program is not installed, a command fails, a decoded file is not there or none that can be judged, or a
                coded file is empty.
            BenchmarkError: the utterance's own recording cannot be read.
        """
        out = keep / f"{utterance.name}.wav"
        if self.kind == "command":
            return self._by_command(utterance, out)
        if self.kind == "folder":
            spoken = self._from_folder(utterance)
        elif self.kind == "peer":
            waveform = read(utterance.path)
            try:
                coded = PEERS[self.name].code(waveform)
            except Gap:
                raise
            except Exception as error:  # another's program or package, with errors of its own
                raise Gap(" ".join(f"{type(error).__name__}: {error}".split())[-300:]) from error
            spoken = Spoken(coded.waveform, coded.bits)
        else:
            data = self._coded(utterance)
            waveform, _ = _codec(self.argument).decompress(data)
            out.parent.mkdir(parents=True, exist_ok=True)
            out.with_suffix(".uc").write_bytes(data)
            spoken = Spoken(waveform, 8 * len(data))
        if (sample := not_finite(spoken.waveform)) is not None:
            raise Gap(f"{utterance.name}: NaN or infinite at {sample / SAMPLE_RATE:.3f} s of what it decoded to")
        write(out, spoken.waveform)
        return spoken

    def _coded(self, utterance: Utterance) -> bytes:
        import bitstream

        codec = _codec(self.argument)
        if self.kind == "codec":
            return bytes(codec.compress(read(utterance.path), 16000))
        if utterance.target is None:
            raise Gap("the corpus has no second speaker to convert to (the manifest's column speaker)")
        codes, voice = (codec.encode(read(path), 16000) for path in (utterance.path, utterance.target))
        return bitstream.pack(codec.convert(codes, voice.speaker), codec.model.entropy)

    def _from_folder(self, utterance: Utterance) -> Spoken:
        wav = Path(self.argument, f"{utterance.name}.wav")
        if not wav.exists():
            raise Gap(f"{wav} is missing")
        return Spoken(_decoded(wav), _bits(Path(self.argument, f"{utterance.name}.uc")))

    def _by_command(self, utterance: Utterance, out: Path) -> Spoken:
        coded = out.with_suffix(".uc")
        out.parent.mkdir(parents=True, exist_ok=True)
        for stale in (out, coded):
            stale.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder, f"{utterance.name}.wav")
            write(wav, read(utterance.path))
            # Plain replacement: other braces in the command belong to the shell.
            line = self.argument
            for field, path in (("{wav}", wav), ("{bits}", coded), ("{out}", out)):
                line = line.replace(field, shlex.quote(str(path)))
            done = subprocess.run(line, shell=True, capture_output=True, check=False)
        if done.returncode or not out.exists():
            tail = " ".join(done.stderr.decode(errors="replace").split())[-300:] or "it says nothing on stderr"
            raise Gap(f"exit {done.returncode} on {utterance.name}, {out.name} {'' if out.exists() else 'not '}written: {tail}")
        return Spoken(_decoded(out), _bits(coded))


def _decoded(wav: Path) -> FloatArray:
    try:
        return read(wav)
    except BenchmarkError as error:
        raise Gap(str(error)) from error


def _bits(coded: Path) -> int | None:
    """Of a coded file; None where there is none."""
    if not coded.exists():
        return None
    if not coded.is_file() or not coded.stat().st_size:
        raise Gap(f"{coded}: {'is empty: no speech is coded in 0 bits' if coded.is_file() else 'no regular file'}")
    return 8 * coded.stat().st_size


@lru_cache(maxsize=1)
def _codec(model: str) -> Any:
    import unitcodec

    return unitcodec.load(model, device="cpu")
