"""``unitcodec resynth``: units -> speech, whatever they came from; what they lack is filled in."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import click

from unitcodec.audio.suffixes import AUDIO_SUFFIXES
from unitcodec.command.coding import RESUMES, skip_existing_option, unfinished
from unitcodec.command.jobs import STANDARD, Job, JobError, check_targets
from unitcodec.command.output import Output
from unitcodec.command.run import (
    PATH,
    CannotGoOn,
    Work,
    check_stdout,
    conclude,
    jobs_option,
    loader,
    model_options,
    outcomes,
    output_options,
    progress,
    say,
    source_name,
    stdin,
    words,
)
from unitcodec.command.sound import kind_of, write_sound
from unitcodec.errors import AudioError, UnitcodecError

if TYPE_CHECKING:
    from bitstream import EntropyModel
    from bitstream.arrays import IntArray
    from unitcodec.codec import Codec
    from unitcodec.formats.unit_files import UnitEntry, UnitsError

UNIT_SUFFIXES = frozenset({".jsonl", ".npz"})


@dataclass(frozen=True)
class Item:
    """An entry of a unit file, its place there, and, of one that is sound, what becomes of it."""

    name: str
    entry: UnitEntry | UnitsError
    job: Job | None
    kind: str


class SpeakerError(UnitcodecError):
    """The file named by --speaker tells no voice."""


@click.command()
@click.option(
    "-o", "--output-dir", metavar="DIR", type=PATH, help="Write a WAV file an entry below this folder, named as its audio was."
)
@click.option(
    "--speaker",
    metavar="FILE",
    type=PATH,
    help="Speak all in this voice: that of audio, of a .uc stream, or of a unit file's first entry.",
)
@skip_existing_option
@jobs_option
@model_options
@output_options
@click.argument("source", metavar="UNITS", type=PATH)
@click.argument("target", metavar="[OUT]", required=False, type=PATH)
def resynth(
    source: str,
    target: str | None,
    output_dir: str | None,
    speaker: str | None,
    skip_existing: bool,
    processes: int,
    overwrite: bool,
    model: str,
    device: str,
    quiet: bool,
) -> int:
    """Speak units: 16-bit mono WAV at 16 kHz, a file an entry.

    UNITS is a .jsonl or .npz as 'unitcodec units' writes it, a list of speech-resynthesis or fairseq (dictionaries, name|1 2 3,
    or TSV with units in the column tgt_audio), gzipped or not; - is standard input. OUT is for a single entry, UNITS with the
    suffix .wav by default; named .flac, .ogg, .opus or .mp3 it is of that kind.

    Everything but units may be missing from an entry. Units with durations are stretched; without, a model that predicts
    durations is asked where no two neighbours are equal and nothing tells how long the whole is, and else a unit is a frame.
    Without speaker the voice is the most usual value of each field. Without f0 the intonation is the most probable F0 at each
    step, given the units and the F0 before it in its packet.

    There is no --salvage: an entry that is damaged is told, and the others are spoken. A damaged --speaker can be salvaged by
    'unitcodec encode --salvage' first.
    """
    units: str | bytes = stdin().read() if source == STANDARD else source
    name = source_name(source)
    jobs = _plan(units, name, target, output_dir)
    if overwrite and skip_existing:
        raise JobError("give either --overwrite or --skip-existing")
    check_targets(list(jobs.values()), overwrite or skip_existing)
    check_stdout(list(jobs.values()))
    left = unfinished(list(jobs.values()), quiet) if skip_existing else list(jobs.values())
    items = _items(units, name, jobs, left)
    prepare = partial(_speaker, (model, device), speaker, overwrite, quiet)
    try:
        return conclude(outcomes(items, prepare, _name, min(processes, len(left))), _name, quiet)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(*([RESUMES.format("--skip-existing")] if len(jobs) > 1 else [])) from error


def _items(units: str | bytes, name: str, jobs: dict[str, Job], left: list[Job]) -> Iterator[Item]:
    """What cannot be spoken, to be told, and what is to be: the jobs that are left."""
    wanted = set(left)
    for place, entry in _scan(units, name):
        job = jobs.get(place)
        if job is None or job in wanted:
            yield Item(f"{name}: {place}", entry, job, "" if job is None else kind_of(job.target))


def _name(item: Item) -> str:
    return item.name


def _speaker(model: tuple[str, str], speaker: str | None, overwrite: bool, quiet: bool) -> Work[Item]:
    load = loader(*model)
    voices: list[IntArray] = []

    def work(item: Item) -> None:
        if isinstance(item.entry, Exception):
            raise item.entry
        if speaker is not None and not voices:
            voices.append(_voice(speaker, load()))
        assert item.job is not None
        _speak(item.job, item.kind, item.entry, load, voices[0] if voices else None, overwrite, quiet)

    return work


def _scan(units: str | bytes, name: str) -> Iterator[tuple[str, UnitEntry | UnitsError]]:
    from unitcodec.formats.unit_files import UnitsError, scan

    try:
        yield from scan(units)
    except UnitsError as error:
        raise UnitsError(f"{name}: {error}") from error


def _plan(units: str | bytes, name: str, target: str | None, output_dir: str | None) -> dict[str, Job]:
    """Place of each sound entry -> its job, settled before anything is spoken."""
    if output_dir is not None and target is not None:
        raise JobError("give either OUT or --output-dir DIR")
    places, audio = [], []
    total = 0
    for place, entry in _scan(units, name):
        total += 1
        if not isinstance(entry, Exception):
            places.append(place)
            audio.append(entry.audio)
    if total == 0:
        raise UnitcodecError(f"{name}: holds no entries")
    if output_dir is None:
        if total > 1:
            raise JobError(f"{name}: holds {total} entries; name a folder for them with --output-dir DIR")
        targets = [_single_target(units, target)]
    else:
        stem = "units" if isinstance(units, bytes) else Path(units).stem
        targets = [os.path.join(output_dir, path) for path in _relative(audio, places, stem)]
    return {place: Job(f"{name}: {place}", path, output_dir is not None) for place, path in zip(places, targets, strict=False)}


def _single_target(units: str | bytes, target: str | None) -> str:
    if target is None:
        return STANDARD if isinstance(units, bytes) else os.path.splitext(units)[0] + ".wav"
    if target != STANDARD and Path(target).suffix.lower() in UNIT_SUFFIXES:
        raise JobError(f"{target}: looks like another input, not like an output")
    return target


def _relative(audio: list[str | None], places: list[str], stem: str) -> list[str]:
    """Where below a folder each entry's WAV goes: its audio's path below the folder that all of them share, or stem and number.

    Whatever the paths say, none leads out of the folder.
    """
    parts = [_parts(name) or [f"{stem}-{place.split()[-1]}"] for name, place in zip(audio, places, strict=True)]
    shared = 0
    while parts and all(len(path) > shared + 1 for path in parts) and len({path[shared] for path in parts}) == 1:
        shared += 1
    names = (os.path.join(*path[shared:]) for path in parts)
    # What no recording's suffix follows may be a name with a dot in it.
    return [
        os.path.splitext(name)[0] + ".wav" if Path(name).suffix.lower() in AUDIO_SUFFIXES else name + ".wav" for name in names
    ]


def _parts(name: str | None) -> list[str]:
    """A path's folders and name, without what would lead upward or to another root."""
    if name is None or name == STANDARD or "\0" in name:
        return []
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # no file can have this name
        return []
    path = PurePath(name)
    return [part for part in path.parts if part not in (path.anchor, "..")]


def _speak(
    job: Job, kind: str, entry: UnitEntry, load: Callable[[], Codec], voice: IntArray | None, overwrite: bool, quiet: bool
) -> None:
    from unitcodec.audio import SAMPLE_RATE
    from unitcodec.decoder.completion import complete

    codec = load()
    codes = complete(codec.model, entry, voice)
    begin, seconds = time.perf_counter(), codes.num_samples / SAMPLE_RATE
    with Output(job.target, job.parents, overwrite) as output:
        write_sound(output, progress(codec.decode_blocks(codes), seconds, job.source, quiet), codes.num_samples, kind)
    if not quiet:
        target = "standard output" if job.target == STANDARD else job.target
        say(f"{job.source} -> {target}: {seconds:.2f} s, {seconds / (time.perf_counter() - begin):.1f} x real time")


def _voice(source: str, codec: Codec) -> IntArray:
    """The speaker fields that ``--speaker`` names. What is wrong with it ends the run: no entry could do better."""
    from bitstream import BitstreamError

    try:
        return _read_voice(source, codec)
    except AudioError as error:  # begins with the file's name
        raise CannotGoOn(f"--speaker {words(error)}") from error
    except (UnitcodecError, BitstreamError, OSError) as error:
        raise CannotGoOn(f"--speaker {source}: {words(error)}") from error


def _read_voice(source: str, codec: Codec) -> IntArray:
    from bitstream import PacketReader
    from bitstream.stream.header import MAGIC

    with open(source, "rb") as stream:
        head = stream.read(len(MAGIC))
        if head == MAGIC:
            stream.seek(0)
            return PacketReader(stream, codec.model.entropy).speaker
    if Path(source).suffix.lower() in UNIT_SUFFIXES:
        return _voice_of_units(source, codec.model.entropy)
    return _voice_of_audio(source, codec)


def _voice_of_units(source: str, entropy: EntropyModel) -> IntArray:
    from bitstream.entropy.find import find_sibling
    from unitcodec.formats.unit_files import UnitsError, scan

    for place, entry in scan(source):
        if isinstance(entry, UnitsError):
            raise UnitsError(f"{place}: {entry}") from entry
        if entry.speaker is not None:
            model = entropy if entry.model is None else find_sibling(entropy, entry.model)
            model.pack_speaker(entry.speaker)
            return entry.speaker
    raise SpeakerError("no entry has a speaker")


def _voice_of_audio(source: str, codec: Codec) -> IntArray:
    """Of its opening; the rest is not heard."""
    from unitcodec.audio import open_reader

    analysis = codec.analysis()
    with open_reader(source) as reader:
        for block in reader:
            analysis.push(block)
            if analysis.fields is not None:
                break
        else:
            analysis.finish()
    assert analysis.fields is not None
    return analysis.fields.codes()
