"""Stage ``export``: finished stages -> a model folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ..model import ModelConfig, Networks, digest, restore, save, stored
from ..vocoder import make_generator
from .corpus import Corpus
from .entropy import code_corpus, fit, load_codes, report


def gather(
    pitch: dict[str, Tensor],
    autoencoder: dict[str, Tensor],
    decoder: dict[str, Tensor],
    generator: dict[str, Tensor],
    config: ModelConfig,
) -> Networks:
    """State dicts of the training stages -> the codec's networks, with the very weights that a folder will hold.

    ``autoencoder`` gives the encoders; ``decoder`` is its decoder or what the joint stage made of it.
    """
    networks = Networks(config)
    networks.pitch.load_state_dict(pitch)
    for part in ("content", "speaker"):
        getattr(networks, part).load_state_dict(part_of(autoencoder, part))
    networks.decoder.load_state_dict(decoder)
    trained = make_generator(**config.generator)
    trained.load_state_dict(generator)
    trained.finish()
    networks.generator.load_state_dict(trained.state_dict())
    restore(networks, stored(networks))
    return networks.eval().requires_grad_(False)


def part_of(weights: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    """The entries of a state dict below ``part``, without that prefix."""
    prefix = part + "."
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def export(codes: Path, networks: Networks, config: ModelConfig, folder: Path, check: Corpus | None = None) -> None:
    """Fit the entropy model to what the entropy stage left in ``codes``, write ``folder``; print the rate on ``check``."""
    entropy = fit(load_codes(codes), networks, digest(stored(networks)))
    save(folder, replace(config, name=folder.name), networks, entropy)
    if check is not None:
        bits = report(entropy, list(code_corpus(check, networks.content, networks.pitch)))
        print({title: round(value, 1) for title, value in bits.items()}, "sum", round(sum(bits.values()), 1), "bit/s")
