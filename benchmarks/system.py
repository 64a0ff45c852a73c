"""A system under test: a peer, a command line, or a folder that something else has decoded into."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.corpus import Utterance
from benchmarks.peers import PEERS
from benchmarks.waveform import FloatArray, read, write


class Gap(Exception):
    """This system cannot be judged here; the message says why."""


@dataclass(frozen=True)
class Spoken:
    """One utterance as a system gave it back: ``(T,)`` at 16 kHz, its bits where they are known."""

    waveform: FloatArray
    bits: int | None


@dataclass(frozen=True)
class System:
    """``argument`` is the command line of a ``command``, with ``{wav}``, ``{bits}`` and ``{out}``, or a ``folder``'s path.

    The command is run by the shell, once an utterance: ``{wav}`` is 16-bit WAV at 16 kHz, ``{bits}`` where the coded
    file may go (its size is the bit count), ``{out}`` where the decoded WAV must go.
    """

    name: str
    kind: Literal["peer", "command", "folder"]
    argument: str = ""

    def speak(self, utterance: Utterance, keep: Path) -> Spoken:
        """One utterance through the system; what it decoded to is left under ``keep`` for the ear.

        Raises:
            Gap: a program is not installed, a command fails, or a decoded file is not there.
        """
        if self.kind == "folder":
            return self._from_folder(utterance)
        if self.kind == "command":
            return self._by_command(utterance, keep)
        peer = PEERS[self.name]
        if peer.missing():
            raise Gap("not installed: " + ", ".join(peer.missing()))
        try:
            coded = peer.code(read(utterance.path))
        except RuntimeError as error:
            raise Gap(str(error)) from error
        write(keep / f"{utterance.stem}.wav", coded.waveform)
        return Spoken(coded.waveform, coded.bits)

    def _from_folder(self, utterance: Utterance) -> Spoken:
        wav = Path(self.argument, f"{utterance.stem}.wav")
        if not wav.exists():
            raise Gap(f"{wav} is missing")
        coded = wav.with_suffix(".uc")
        return Spoken(read(wav), 8 * coded.stat().st_size if coded.exists() else None)

    def _by_command(self, utterance: Utterance, keep: Path) -> Spoken:
        out, coded = keep / f"{utterance.stem}.wav", keep / f"{utterance.stem}.uc"
        keep.mkdir(parents=True, exist_ok=True)
        for stale in (out, coded):
            stale.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder, f"{utterance.stem}.wav")
            write(wav, read(utterance.path))
            # Plain replacement: other braces in the command belong to the shell.
            line = self.argument
            for field, path in (("{wav}", wav), ("{bits}", coded), ("{out}", out)):
                line = line.replace(field, shlex.quote(str(path)))
            done = subprocess.run(line, shell=True, capture_output=True, check=False)
        if done.returncode or not out.exists():
            tail = done.stderr.decode(errors="replace").strip()[-300:]
            raise Gap(f"exit {done.returncode} on {utterance.stem}, {out.name} {'' if out.exists() else 'not '}written: {tail}")
        return Spoken(read(out), 8 * coded.stat().st_size if coded.exists() else None)
