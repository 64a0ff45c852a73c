"""A manifest of audio files -> one folder that every training stage reads by memory map.

``audio.i16``: all waveforms, 16 kHz mono, one after another; ``f0.f32``: their F0 at 100 Hz; ``index.json``: per
utterance the path, speaker, transcript, first sample, number of samples, first F0 value; ``tracker.txt``: the F0 tracker.
"""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from tqdm import tqdm

from bitstream.entropy.spec import SAMPLE_RATE

from ..errors import UnitcodecError
from ..frames import HOP, active_level, level_code, level_gain
from ..pitch.tracker import TRACKERS

TRACKER, DEFAULT = "tracker.txt", "swift-f0"
"""Which one F0 is by. Folders of earlier versions do not tell; it is the default one, most likely."""


@dataclass(frozen=True)
class Utterance:
    path: str
    speaker: str
    transcript: str
    start: int
    samples: int
    f0_start: int

    @property
    def frames(self) -> int:
        return -(-self.samples // HOP)


class Corpus:
    """Prepared audio: ``utterances``, and for each its waveform (int16) and F0 (float32 Hz at 100 Hz)."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.utterances = [Utterance(**item) for item in json.loads((self.folder / "index.json").read_text())]
        self.audio = np.memmap(self.folder / "audio.i16", np.int16, "r")
        self.f0 = np.memmap(self.folder / "f0.f32", np.float32, "r")

    def waveform(self, utterance: Utterance) -> np.ndarray:
        return self.audio[utterance.start : utterance.start + utterance.samples]

    def pitch(self, utterance: Utterance) -> np.ndarray:
        return self.f0[utterance.f0_start : utterance.f0_start + utterance.frames]


def read_rows(manifest: Path) -> list[dict[str, str]]:
    """The lines of a manifest below its first, by column. Raises UnitcodecError, naming manifest and line."""
    try:
        # Some editors put a byte order mark before the first column's name.
        with open(manifest, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            columns = next(reader, [])
            lines = [(reader.line_num, fields) for fields in reader if fields]
    except (OSError, ValueError) as error:
        raise UnitcodecError(f"{manifest}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except csv.Error as error:  # a field above 131,072 characters
        raise UnitcodecError(f"{manifest}: line {reader.line_num}: {error}") from error
    if not lines or not {"path", "speaker"} <= set(columns):
        raise UnitcodecError(
            f"{manifest}: needs a header line with path and speaker, separated by tabs, and a line for each file"
        )
    for line, fields in lines:
        if len(fields) != len(columns):
            raise UnitcodecError(
                f"{manifest}: line {line} has {len(fields)} tab-separated fields, the first line has {len(columns)}"
            )
    return [dict(zip(columns, fields, strict=True)) for _, fields in lines]


def prepare(manifest: Path, folder: Path, tracker: str = DEFAULT) -> Corpus:
    """Read every file that ``manifest`` (TSV with columns path, speaker and optionally transcript) names; keep it in ``folder``.

    Reads nothing again when ``folder`` is complete already. The index is written last, so an interrupted run is started anew.
    Raises UnitcodecError, naming manifest or file, for what cannot be read, for a tracker that does not exist, and for a
    folder that holds another manifest's files.
    """
    folder = Path(folder)
    rows = read_rows(manifest)
    if tracker not in TRACKERS:
        raise UnitcodecError(f"unknown F0 tracker '{tracker}': one of {', '.join(TRACKERS)}")
    if (folder / "index.json").exists():
        corpus = Corpus(folder)
        held = [(each.path, each.speaker, each.transcript) for each in corpus.utterances]
        if held != [(row["path"], row["speaker"], row.get("transcript") or "") for row in rows]:
            raise UnitcodecError(
                f"{folder} was prepared from another manifest than {manifest}: remove it, or choose another --out"
            )
        made_by = (folder / TRACKER).read_text() if (folder / TRACKER).exists() else DEFAULT
        if made_by != tracker:
            raise UnitcodecError(f"{folder}: its F0 is by {made_by}, not by {tracker}: remove it, or choose another --out")
        return corpus
    track = TRACKERS[tracker]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TRACKER).write_text(tracker)
    utterances, start, f0_start = [], 0, 0
    with open(folder / "audio.i16", "wb") as audio_file, open(folder / "f0.f32", "wb") as f0_file:
        for row in tqdm(rows, desc="reading audio and tracking F0", unit="file"):
            path = Path(manifest).parent / row["path"]
            try:
                audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
            except (OSError, soundfile.SoundFileError) as error:
                raise UnitcodecError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
            mono = audio.mean(1)
            if rate != SAMPLE_RATE:
                mono = soxr.resample(mono, rate, SAMPLE_RATE)
            integers = np.clip(np.rint(mono * 32767), -32768, 32767).astype(np.int16)
            # Tracked as the codec hears it.
            f0 = track(mono.astype(np.float32) * np.float32(level_gain(level_code(active_level(mono)))))
            integers.tofile(audio_file)
            f0.tofile(f0_file)
            utterances.append(
                {
                    "path": row["path"],
                    "speaker": row["speaker"],
                    "transcript": row.get("transcript") or "",
                    "start": start,
                    "samples": len(integers),
                    "f0_start": f0_start,
                }
            )
            start += len(integers)
            f0_start += len(f0)
    temporary = folder / "index.json.part"
    temporary.write_text(json.dumps(utterances))
    os.replace(temporary, folder / "index.json")
    return Corpus(folder)
