"""The model card of an imported vocoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bitstream import EntropyModel, RecurrentModel

from ..configuration import ModelConfig
from ..model import Networks
from .assembly import code_generator
from .checkpoint import Checkpoint
from .entropy import Rates
from .weights import digest

_PARTS = {"content": "content encoder's part in this folder", "pitch": "F0 quantizer", "generator": "generator"}


def write_card(
    config: ModelConfig,
    networks: Networks,
    entropy: EntropyModel,
    checkpoint: Checkpoint,
    lists: list[Path],
    f0_known: bool,
    rates: dict[str, Rates],
) -> str:
    """The text of ``MODEL_CARD.md``.

    Args:
        lists: unit files that the entropy model was learned from.
        f0_known: whether they told F0 codes as well.
        rates: what unit files cost, by their names.
    """
    sections = [
        f"# Model card: {config.name}",
        "A published unit vocoder, made a model folder by `unitcodec import-checkpoint`; only the entropy model was trained.",
        _streams(networks, entropy),
        "## Where it comes from",
        _files(checkpoint, lists),
        "## Licence",
        "Not known to the program that wrote this. Weights have the licence of whoever published the checkpoint, the entropy\n"
        "model may fall under that of the unit files. Find out before you use or pass on this folder, and write it here.",
        "## What differs from the original",
        "\n".join(f"- {each}" for each in _differences(config, networks, f0_known)),
        "## Figures",
        _figures(rates),
    ]
    return "\n\n".join(sections) + "\n"


def _streams(networks: Networks, entropy: EntropyModel) -> str:
    spec = entropy.spec
    learned = "a recurrent network in integers" if isinstance(entropy, RecurrentModel) else "tables of integers"
    f0 = "none" if spec.f0.alphabet == 1 else f"{spec.f0.alphabet} codes at {16000 / spec.f0_hop:g} Hz"
    durations = "predicted" if code_generator(networks).duration_predictor is not None else "not predicted"
    voices = f"{networks.speaker.channels} voices in a table" if networks.speaker.alphabets else "one"
    rows = [
        ("units", f"{' x '.join(str(row.alphabet) for row in spec.rows)} at {16000 / spec.unit_hop:g} Hz"),
        ("F0", f0),
        ("speaker", voices),
        ("durations of units without repetitions", durations),
        ("entropy model", learned),
    ]
    for part, title in _PARTS.items():
        size = sum(value.numel() for value in getattr(networks, part).parameters())
        if size:
            rows.append((title, f"{size / 1e6:.1f} M parameters, float32"))
    return _table(("stream or part", "what"), rows)


def _files(checkpoint: Checkpoint, lists: list[Path]) -> str:
    rows = list(checkpoint.files.items()) + [(f"{path.name} (units)", digest(path)) for path in lists]
    return _table(("file", "SHA-256"), rows)


def _differences(config: ModelConfig, networks: Networks, f0_known: bool) -> list[str]:
    found = ["Weight norm is folded; weights are float32, so that codes and samples are the original's up to rounding."]
    if config.content.get("kind") == "units":
        found.append("There is no content encoder: the folder decodes, and encodes nothing.")
    else:
        found.append(f"Units come from the content encoder of `config.json`: {config.content}.")
    if code_generator(networks).f0_size:
        found.append(
            f"F0 is tracked by {config.tracker} at 100 Hz and interpolated to 200 Hz; the original's tracker is YAAPT. "
            "It is normalised by the statistics of the stream (of log-F0, sent in 9 bits, taken for a log-normal "
            "distribution's), the original's by those of the speaker in its training corpus."
        )
        if not f0_known:
            found.append("The unit files told nothing of F0: all its codes cost the same, but for a hair less where it is flat.")
    if networks.speaker.alphabets:
        found.append(f"Encoding does not recognise speakers: it sends voice {networks.speaker.voice}.")
    found.append(
        f"The vocoder's level, measured on the unit files, is brought to that of the input ({config.gain_db:+.1f} dB before the "
        "stream's own level)."
    )
    return found


def _figures(rates: dict[str, Rates]) -> str:
    rows = [
        (name, f"{each.utterances}", f"{each.units:.1f}", f"{each.f0:.1f}", f"{each.files:.1f}") for name, each in rates.items()
    ]
    return _table(("unit files", "utterances", "units, bit/s", "F0, bit/s", "whole files, bit/s"), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
