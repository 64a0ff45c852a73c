"""Stage ``export``: finished stages -> a model folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from torch import Tensor, nn

import bitstream

from ..codec import Codec
from ..configuration import ModelConfig
from ..frames import active_level
from ..model import Model, Networks, digest, restore, save, stored
from ..vocoder import make_generator
from .corpus import Corpus
from .entropy_stage import code_corpus, describe, fit, report
from .recurrent_training import Settings


def gather(
    pitch: dict[str, Tensor],
    autoencoder: dict[str, Tensor],
    generator: dict[str, Tensor],
    config: ModelConfig,
) -> Networks:
    """State dicts of the training stages -> the codec's networks, with the very weights that a folder will hold.

    ``autoencoder`` gives encoders and mel decoder.
    """
    networks = Networks(config)
    cast(nn.Module, networks.pitch).load_state_dict(pitch)
    for part in ("content", "speaker", "decoder"):
        getattr(networks, part).load_state_dict(part_of(autoencoder, part))
    trained = make_generator(**config.generator)
    trained.load_state_dict(generator)
    trained.finish()
    cast(nn.Module, networks.generator).load_state_dict(trained.state_dict())
    restore(networks, stored(networks))
    return networks.eval().requires_grad_(False)


def part_of(weights: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    """The entries of a state dict below ``part``, without that prefix."""
    prefix = part + "."
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def measure(corpus: Corpus, codec: Codec, utterances: int = 32) -> tuple[float, float]:
    """Gain and rate of some utterances of a corpus.

    Returns:
        dB by which decoded speech is too quiet: predicted logarithms lie at the median, below the logarithm of the mean power;
        and bit/s of the files.
    """
    chosen = corpus.utterances[:: -(-len(corpus.utterances) // utterances)]
    differences, size, samples = [], 0, 0
    for utterance in chosen:
        waveform = corpus.waveform(utterance)[: 10 * 16000].astype(np.float32) / 32768
        codes = codec.encode(waveform, 16000)
        levels = active_level(waveform), active_level(codec.decode(codes))
        if min(levels) > -60.0:
            differences.append(levels[0] - levels[1])
        size, samples = size + len(bitstream.pack(codes, codec.model.entropy)), samples + len(waveform)
    gain = round(float(np.clip(np.median(differences), -20.0, 20.0)), 1) if differences else 0.0
    return gain, round(8 * size * 16000 / max(1, samples), 1)


def export(
    corpus: Corpus,
    entropy_run: Path,
    settings: Settings,
    networks: Networks,
    config: ModelConfig,
    folder: Path,
    check: Corpus | None = None,
) -> None:
    """Write ``folder``, with the entropy model that the stage left in ``entropy_run``; tell the rate on ``check``."""
    content, speaker = networks.content, networks.speaker.alphabets
    spec = describe(content.vocabulary, content.stride, networks.pitch.codes, speaker, digest(stored(networks)))
    entropy = fit(entropy_run, spec, settings)
    config = replace(config, name=folder.name)
    gain, bitrate = measure(corpus, Codec(Model(config, networks, entropy), "cpu"))
    print(f"output gain {gain:.1f} dB, {bitrate:.0f} bit/s")
    save(folder, replace(config, gain_db=gain, bitrate=bitrate), networks, entropy)
    if check is not None:
        bits = report(entropy, code_corpus(check, networks.content, networks.pitch, networks.speaker))
        print({title: round(value, 1) for title, value in bits.items()}, "sum", round(sum(bits.values()), 1), "bit/s")
