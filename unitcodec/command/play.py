"""``unitcodec play``: a .uc file -> the loudspeaker, by whatever can play sound here."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any

import click

from unitcodec.command.decode import Part, opened, part_options
from unitcodec.command.opener import Opener, model_was_asked_for
from unitcodec.command.run import PATH, each, model_options, progress, quiet_option, say, source_name
from unitcodec.errors import UnitcodecError

if TYPE_CHECKING:
    from unitcodec.audio import Samples

FILE = "FILE"
PLAYERS = (
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error", "-i", "-"),
    ("aplay", "-q", "-"),
    ("play", "-q", "-t", "wav", "-"),
    ("mpv", "--no-video", "--really-quiet", "-"),
    ("afplay", FILE),
)
"""Programs and what they are given to play WAV from standard input or, for one that cannot, from FILE."""

SILENT = ("audio open failed", "Failed to open")
"""In what ffplay says where there is no sound card: it plays nothing, and its status is that of success."""

CURE = "unitcodec decode writes the sound to a file"


class PlayerError(UnitcodecError):
    """Nothing here plays sound, or what should do so failed."""


@click.command()
@part_options
@click.option("--conceal", is_flag=True, help="Play a damaged file: fill in for what is lost instead of refusing it.")
@click.option(
    "--salvage", is_flag=True, help="The same, and play what there is of one whose end or header is damaged or missing."
)
@model_options
@quiet_option
@click.argument("source", metavar="FILE", type=PATH)
def play(
    source: str, start: float, duration: float | None, conceal: bool, salvage: bool, model: str, device: str, quiet: bool
) -> int:
    """Play a .uc file; - is standard input.

    ffplay, aplay, SoX's play, mpv or afplay does it, or the Python package sounddevice.
    """
    player = _find_player()
    opener = Opener(model, device, model_was_asked_for())
    part = Part(start, duration, "salvage" if salvage else "conceal" if conceal else "strict")

    def work(source: str) -> None:
        speech = opened(source_name(source), part.read(source), opener, part)
        blocks = progress(speech, speech.duration, source, quiet)
        if isinstance(player, tuple):
            _by_program(player, blocks, speech.num_samples)
        else:
            _by_device(player, blocks, speech.num_samples)

    return each([source], work, source_name)


def _find_player() -> tuple[str, ...] | Any:
    """A command of PLAYERS, or the module sounddevice. Raises PlayerError."""
    for command in PLAYERS:
        if shutil.which(command[0]):
            return command
    try:
        import sounddevice
    except OSError as error:  # the library that it needs
        raise PlayerError(f"sounddevice: {error}: install PortAudio (libportaudio2); {CURE}") from error
    except ImportError as error:
        names = ", ".join(command[0] for command in PLAYERS)
        raise PlayerError(f"no player found: install one of {names}, or pip install sounddevice") from error
    return sounddevice


def _by_program(command: Sequence[str], blocks: Iterable[Samples], num_samples: int | None) -> None:
    from unitcodec.audio import write_wav

    if FILE not in command:
        _run(command, lambda pipe: write_wav(pipe, blocks, num_samples))
        return
    with tempfile.NamedTemporaryFile(prefix="unitcodec-", suffix=".wav") as spool:
        write_wav(spool, blocks, num_samples)
        spool.flush()
        _run([spool.name if word == FILE else word for word in command], lambda pipe: None)


def _run(command: Sequence[str], feed: Callable[[IO[bytes]], None]) -> None:
    """Run a player, with what ``feed`` writes as its input."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors)
        assert process.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError), process.stdin:  # one that has ended says why by its status
                feed(process.stdin)
            status = process.wait()
        finally:
            process.kill()
            process.wait()
        errors.seek(0)
        said = errors.read(4096).decode(errors="replace").strip().splitlines()
    if status:
        raise PlayerError(f"{command[0]} failed: {said[-1] if said else f'status {status}'}; {CURE}")
    if any(sign in line for sign in SILENT for line in said):
        raise PlayerError(f"{command[0]} finds no sound device; {CURE}")
    if said:
        say(f"unitcodec: {command[0]}: {said[-1]}")


def _by_device(sounddevice: Any, blocks: Iterable[Samples], num_samples: int | None) -> None:
    from unitcodec.audio import SAMPLE_RATE, write_wav

    try:
        with sounddevice.RawOutputStream(samplerate=SAMPLE_RATE, channels=1, dtype="int16") as stream:
            write_wav(stream, blocks, num_samples, raw=True)
    except sounddevice.PortAudioError as error:
        raise PlayerError(f"sounddevice failed: {' '.join(str(error).split())}; {CURE}") from error
