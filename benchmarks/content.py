"""Content encoders side by side: what their units cost, what they tell, and how they sound.

    python -m benchmarks.content --train TRAIN --data DEV --out runs/content --model hubert100=FOLDER ...

Every model folder codes DEV; the decoded speech is left in OUT/decoded/NAME for ``unitcodec bench quality --decoded
NAME=OUT/decoded/NAME``, the figures of :mod:`benchmarks.metrics.leakage` and the bits by stream in OUT/content.json. Probes
learn on utterances of TRAIN, of the speakers who say most; phone and F0 probes are asked about DEV, whose speakers are others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks import alignment, corpus, files
from benchmarks.errors import BenchmarkError
from benchmarks.files import read_json, write_json
from benchmarks.metrics import leakage, pitch
from benchmarks.provenance import provenance
from benchmarks.waveform import read, write

SPEAKERS, EACH, TESTED = 20, 14, 4
"""Speakers of the training corpus that probes learn from, utterances of each, and how many of these the speaker probe is
tested on.
"""

STRETCH = 3.0
"""Seconds of speech that the speaker probe is given."""


@dataclass(frozen=True)
class Coded:
    """An utterance's units (rows, n), and by unit frame its phone ("" if not aligned) and log-F0 (nan where unvoiced)."""

    speaker: str
    units: NDArray[np.int64]
    phones: NDArray[np.str_]
    log_f0: NDArray[np.float64]


def chosen(utterances: Sequence[corpus.Utterance]) -> list[corpus.Utterance]:
    """Of the speakers who say most, so many utterances each, the speakers' last ones at the end of theirs."""
    by_speaker: dict[str, list[corpus.Utterance]] = defaultdict(list)
    for utterance in utterances:
        by_speaker[utterance.speaker].append(utterance)
    most = sorted(by_speaker, key=lambda speaker: (-len(by_speaker[speaker]), speaker))[:SPEAKERS]
    return [utterance for speaker in most for utterance in by_speaker[speaker][:EACH]]


class Facts:
    """What does not depend on the model: waveforms, phones and F0 of utterances, kept in ``memory``."""

    def __init__(self, utterances: Sequence[corpus.Utterance], memory: Path):
        self.utterances, self.memory = list(utterances), memory

    def phones(self, utterance: corpus.Utterance) -> list[str] | None:
        return alignment.remembered(utterance.path, utterance.transcript, self.memory / "phones")

    def log_f0(self, utterance: corpus.Utterance) -> NDArray[np.float64]:
        kept = self.memory / "f0" / f"{utterance.path.stem}.npy"
        waveform = read(utterance.path)
        f0 = files.remembered_array(kept, lambda: pitch.track(waveform), pitch.FRAMES["f0"](len(waveform))).astype(np.float64)
        return np.where(f0 > 0, np.log(np.maximum(f0, 1.0)), np.nan)


def coded(codec: Any, facts: Facts, utterance: corpus.Utterance) -> Coded:
    """An utterance's units, in single precision, and what was said there."""
    import torch

    from unitcodec.frames import HOP, active_level, level_code, level_gain
    from unitcodec.training.entropy_stage import units_of

    content = codec.model.networks.content
    waveform = read(utterance.path)
    count = -(-len(waveform) // (HOP * content.stride))
    padded = np.pad(waveform, (0, -len(waveform) % 1280)) * np.float32(level_gain(level_code(active_level(waveform))))
    with torch.inference_mode():
        units = units_of(content, torch.from_numpy(padded)[None])[:, :count].astype(np.int64)
    frames, log_f0 = facts.phones(utterance), facts.log_f0(utterance)
    said = alignment.at_units(frames, count, content.stride) if frames else np.full(count, "")
    at = np.minimum(np.arange(count) * content.stride + content.stride // 2, len(log_f0) - 1)
    return Coded(utterance.speaker, units, said, log_f0[at])


def measure(codec: Any, train: Facts, test: Facts) -> dict[str, Any]:
    """The figures of :mod:`benchmarks.metrics.leakage` of a codec's units."""
    content = codec.model.networks.content
    vocabulary, stride = content.vocabulary, content.stride
    learn, ask = ([coded(codec, facts, each) for each in facts.utterances] for facts in (train, test))
    figures: dict[str, Any] = {"vocabulary": list(vocabulary), "frame_rate": 100 / stride}
    spoken = [np.concatenate([part.phones for part in parts]) for parts in (learn, ask)]
    # One number a frame, for families with several rows too.
    rows = np.concatenate([part.units for parts in (learn, ask) for part in parts], 1)
    merged = np.unique(np.ravel_multi_index(tuple(rows), vocabulary), return_inverse=True)[1]
    labels = np.unique(np.concatenate(spoken), return_inverse=True)[1]
    aligned = np.concatenate(spoken) != ""
    figures |= leakage.purity(merged[aligned], labels[aligned])
    figures["units_used"] = int(merged.max()) + 1
    seen = [_stacked([leakage.one_hot(part.units, vocabulary) for part in parts]) for parts in (learn, ask)]
    speech = [(said != "") & (said != alignment.SILENCE) for said in spoken]
    figures["phone_probe"] = leakage.classify(seen[0][speech[0]], spoken[0][speech[0]], seen[1][speech[1]], spoken[1][speech[1]])
    for key, relative in (("f0_relative", True), ("f0_absolute", False)):
        values = [np.concatenate([_f0(part.log_f0, relative) for part in parts]) for parts in (learn, ask)]
        voiced = [~np.isnan(each) for each in values]
        figures[key] = leakage.regress(seen[0][voiced[0]], values[0][voiced[0]], seen[1][voiced[1]], values[1][voiced[1]])
    figures["speaker_probe"], figures["speaker_chance"] = _speakers(learn, vocabulary, round(STRETCH * 100 / stride))
    return figures


def _f0(log_f0: NDArray[np.float64], relative: bool) -> NDArray[np.float64]:
    voiced = log_f0[~np.isnan(log_f0)]
    return log_f0 - voiced.mean() if relative and len(voiced) else log_f0


def _stacked(parts: list[Any]) -> Any:
    from scipy.sparse import vstack

    return vstack(parts, format="csr")


def _speakers(learn: Sequence[Coded], vocabulary: Sequence[int], frames: int) -> tuple[float, float]:
    sides: tuple[list[Any], list[Any]] = ([], [])
    count: dict[str, int] = defaultdict(int)
    for part in learn:
        count[part.speaker] += 1
        side = sides[count[part.speaker] > EACH - TESTED]
        side += [(row, part.speaker) for row in leakage.histograms(part.units, vocabulary, frames)]
    (train, who), (test, truth) = (map(np.array, zip(*side, strict=True)) for side in sides)
    return leakage.tell_speakers(train, who, test, truth), 1.0 / len(np.unique(who))


def speak(codec: Any, utterances: Sequence[corpus.Utterance], folder: Path) -> dict[str, float]:
    """Code and decode; the files are left in ``folder``. Bit/s of all, whole files and by stream."""
    import bitstream

    bits: dict[str, float] = defaultdict(float)
    seconds = 0.0
    for utterance in utterances:
        waveform = read(utterance.path)
        seconds += len(waveform) / codec.sample_rate
        out = folder / f"{utterance.name}.uc"
        if not out.exists():
            data = codec.compress(waveform, 16000)
            write(out.with_suffix(".wav"), codec.decompress(data)[0])
            out.write_bytes(data)
        data = out.read_bytes()
        bits["all"] += 8 * len(data)
        for stream, cost in codec.model.entropy.cost(bitstream.unpack(data, codec.model.entropy)).items():
            bits["units" if stream.startswith("units") else stream] += cost
    return {stream: cost / seconds for stream, cost in bits.items()}


@click.command()
@click.option("--model", "models", multiple=True, required=True, metavar="NAME=FOLDER", help="A model; may be given again.")
@click.option("--train", type=click.Path(path_type=Path), required=True, metavar="MANIFEST", help="What probes learn from.")
@click.option("--data", type=click.Path(path_type=Path), required=True, metavar="MANIFEST", help="What is coded and asked about.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR")
def main(models: tuple[str, ...], train: Path, data: Path, out: Path) -> None:
    """Compare the content encoders of several models."""
    import unitcodec

    try:
        learn = Facts(chosen(corpus.transcribed(train)), out / "memory")
        ask = Facts(corpus.load(data), out / "memory")
        if not all(each.transcript for each in ask.utterances):
            raise BenchmarkError(f"{data}: no transcripts, so no phones to look for")
        path = out / "content.json"
        document = read_json(path) if path.exists() else {"models": {}}
        for each in models:
            name, _, folder = each.partition("=")
            codec = unitcodec.load(folder or name, device="cpu")
            figures = measure(codec, learn, ask)
            figures["bps"] = speak(codec, ask.utterances, out / "decoded" / name)
            document["made"] = provenance(str(data))
            document["models"][name] = figures
            write_json(path, document)
            click.echo(f"{name}: {figures}")
    except unitcodec.UnitcodecError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
