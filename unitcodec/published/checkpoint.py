"""Published checkpoints of unit vocoders -> options and weights of our modules.

Two layouts, which share the names of settings and weights:

- ``facebookresearch/speech-resynthesis`` (Polyak et al. 2021, arXiv 2104.00355): units, F0 codes with their quantizer, a table
  of speakers;
- the unit HiFi-GAN of fairseq's speech-to-speech translation (Lee et al. 2021, arXiv 2107.05604): units, if need be a table of
  speakers, if need be a duration predictor.

Either is a folder with ``config.json`` and a file of weights.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bitstream.entropy.spec import SAMPLE_RATE

from ..errors import ModelError
from ..frames import HOP
from ..pitch.published import FINE, PublishedVQVAE
from ..pitch.track import STRIDE
from ..vocoder import make_code_generator
from .settings import Settings
from .weights import digest, read_weights

F0_HOP = STRIDE * HOP
"""Samples an F0 code."""

MAX_CHANNELS, MAX_ALPHABET, MAX_DILATION = 2**14, 2**15, 2**12

_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin")
_ELSEWHERE = {
    "code_vq_params": "units by a VQ-VAE of the vocoder's own are",
    "lambda_commit": "an F0 quantizer trained together with the vocoder is",
    "f0_feats": "F0 statistics as an input are",
    "f0_median": "the median for unvoiced F0 is",
    "f0_interp": "F0 interpolated over unvoiced frames is",
    "embedder_params": "speaker vectors by another network are",
    "multistyle": "styles are",
}
"""Settings of variants that no codec of ours has a place for."""


@dataclass(frozen=True)
class Checkpoint:
    """A published vocoder as our modules take it.

    Attributes:
        files: SHA-256 (hex) of every file that was read, by name.
        stride: log-mel frames (100 Hz) a unit frame.
        generator, pitch, speaker: as ``ModelConfig`` has them.
        weights: float32, weight norm folded, by their names in ``Networks``.
    """

    files: dict[str, str]
    stride: int
    generator: dict[str, Any]
    pitch: dict[str, Any]
    speaker: dict[str, Any]
    weights: dict[str, Tensor]


def read_checkpoint(path: Path, f0_quantizer: Path | None = None, voice: int = 0) -> Checkpoint:
    """Read a published checkpoint. Sizes are held against the weights before anything is allocated by them.

    Args:
        path: its folder, or its file of weights with ``config.json`` beside it.
        f0_quantizer: the F0 quantizer's own file, for a checkpoint that does not hold it.
        voice: row of the table of speakers that encoding will send.

    Raises:
        ModelError: naming the file: missing, damaged, hostile, or a variant that is not supported.
    """
    if not path.exists():
        raise ModelError(f"{path}: no such file or folder")
    file = _weights_file(path) if path.is_dir() else path
    settings = Settings.read(file.parent / "config.json")
    _refuse_variants(settings)
    state = read_weights(file)
    files = [file.parent / "config.json", file]
    if settings.flag("f0") and not any(name.startswith("quantizer.") for name in state):
        own = f0_quantizer or _named_quantizer(settings, file)
        state |= {f"quantizer.{name}": value for name, value in read_weights(own).items()}
        files.append(own)
    elif f0_quantizer is not None:
        raise ModelError(f"{f0_quantizer}: not wanted: {file} holds all that it needs")
    generator = _generator(settings, state)
    options = {name: value for name, value in generator.items() if name != "kind"}
    weights = _taken("generator.", lambda: make_code_generator(**options), _generator_names, state, file, settings)
    pitch: dict[str, Any] = {}
    if generator["f0"]:
        pitch, names = _pitch(settings)
        weights |= _taken("pitch.", lambda: PublishedVQVAE(**pitch), lambda name: _renamed(name, names), state, file, settings)
    if state:
        raise ModelError(f"{file}: weights that {settings.where} tells nothing of: {', '.join(sorted(state)[:3])}")
    return Checkpoint(
        files={each.name: digest(each) for each in files},
        stride=math.prod(generator["upsample_rates"]) // HOP,
        generator=generator,
        pitch={"kind": "published", **pitch} if pitch else {"kind": "none"},
        speaker=_speaker(generator["speaker"], voice, file),
        weights=weights,
    )


def _weights_file(folder: Path) -> Path:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    # As training numbers them; the last is the newest.
    numbered = [path for path in files if re.fullmatch(r"g_\d+(\.\w+)?", path.name)]
    named = [path for path in files if path.suffix in _SUFFIXES]
    if numbered:
        return max(numbered, key=lambda path: int(path.name.split(".")[0][2:]))
    if len(named) != 1:
        raise ModelError(f"{folder}: {len(named) or 'no'} files of weights (g_NUMBER or *.pt) in it; name the one to read itself")
    return named[0]


def _named_quantizer(settings: Settings, file: Path) -> Path:
    """The F0 quantizer's file that the settings name, if it lies beside: a path from anywhere is not followed."""
    named = settings.values.get("f0_quantizer_path")
    beside = file.parent / Path(named).name if isinstance(named, str) else file.parent
    if not beside.is_file():
        raise ModelError(f"{file}: holds no F0 quantizer; give its own file with --f0-quantizer")
    return beside


def _refuse_variants(settings: Settings) -> None:
    for name, what in _ELSEWHERE.items():
        if settings.flag(name):
            raise ModelError(f"{settings.where}: {name} is set: {what} not supported")
    if str(settings.values.get("resblock", "1")) != "1":
        raise ModelError(f"{settings.where}: resblock is not '1': other residual blocks are not supported")
    if settings.flag("f0") and not settings.flag("f0_quantizer"):
        raise ModelError(f"{settings.where}: F0 without an F0 quantizer: there would be nothing to send")
    if (rate := settings.integer("sampling_rate", 1, 10**6, SAMPLE_RATE)) != SAMPLE_RATE:
        raise ModelError(f"{settings.where}: sampling_rate is {rate}; only {SAMPLE_RATE} is supported")


def _generator(settings: Settings, state: dict[str, Tensor]) -> dict[str, Any]:
    """Options of a generator of kind "code"."""
    rates = settings.integers("upsample_rates", 1, 64)
    hop = math.prod(rates)
    if hop not in (HOP, 2 * HOP, 4 * HOP, F0_HOP):
        raise ModelError(f"{settings.where}: upsample_rates make {hop} samples a unit; 160, 320, 640 or 1280 are supported")
    if settings.integer("code_hop_size", 1, 2**20, hop) != hop:
        raise ModelError(f"{settings.where}: code_hop_size is {settings.values['code_hop_size']}, upsample_rates make {hop}")
    table = state.get("spkr.weight")
    speakers = table.shape[0] if settings.flag("multispkr") and table is not None and table.ndim == 2 else 0
    first = state.get("dur_predictor.conv1.0.weight")
    durations = None
    if first is not None and first.ndim == 3:
        durations = {"hidden": first.shape[0], "kernel": first.shape[2]}
    return {
        "kind": "code",
        "units": [settings.integer("num_embeddings", 1, MAX_ALPHABET)],
        "f0": settings.part("f0_quantizer").part("f0_vq_params").integer("l_bins", 1, MAX_ALPHABET) if settings.flag("f0") else 0,
        "speaker": speakers,
        "embedding": settings.integer("embedding_dim", 1, MAX_CHANNELS),
        "frames_per_f0": F0_HOP // hop,
        "durations": durations,
        "upsample_rates": rates,
        "upsample_kernels": settings.integers("upsample_kernel_sizes", 1, 256),
        "initial_channels": settings.integer("upsample_initial_channel", 1, MAX_CHANNELS),
        "resblock_kernels": settings.integers("resblock_kernel_sizes", 1, 256),
        "resblock_dilations": settings.rows("resblock_dilation_sizes", 1, 256),
    }


def _generator_names(name: str) -> str:
    """Our name of a weight of the generator -> the published one."""
    whole = {"units.0.weight": "dict.weight", "f0.weight": "f0_dict.weight", "speaker.weight": "spkr.weight"}
    parts = {"conv1": "conv1.0", "norm1": "ln1", "conv2": "conv2.0", "norm2": "ln2", "head": "proj"}
    if name.startswith("duration_predictor."):
        _, part, kind = name.split(".")
        return f"dur_predictor.{parts[part]}.{kind}"
    return whole.get(name) or name.removeprefix("generator.")


def _pitch(settings: Settings) -> tuple[dict[str, Any], dict[str, str]]:
    """Options of a :class:`PublishedVQVAE`, and the published names of its parts."""
    quantizer = settings.part("f0_quantizer")
    book, encoder, decoder = (quantizer.part(f"f0_{name}_params") for name in ("vq", "encoder", "decoder"))
    options, other = _pitch_half(encoder), _pitch_half(decoder)
    if options != other:
        raise ModelError(f"{decoder.where}: other than the encoder's, which is not supported")
    codes, width = book.integer("l_bins", 1, MAX_ALPHABET), book.integer("emb_width", 1, MAX_CHANNELS)
    if options.pop("out") != width or encoder.integer("input_emb_width", 1, 2**20) != 1:
        raise ModelError(f"{encoder.where}: emb_width {width} and one channel of F0 are wanted")
    names = _pitch_names(len(options["strides"]), len(options["dilations"]))
    reverse, normalise = decoder.flag("reverse_decoder_dilation"), settings.flag("f0_normalize")
    options |= {"codes": codes, "code_channels": width, "reverse": reverse, "normalise": normalise}
    return options, names


def _pitch_half(half: Settings) -> dict[str, Any]:
    """What encoder and decoder of the F0 quantizer have in common."""
    if half.integer("levels", 1, 64) != 1:
        raise ModelError(f"{half.where}: more than one level is not supported")
    strides = []
    # A level has one stride, or a list of them.
    nested = isinstance(half.values.get("strides_t"), list) and any(isinstance(each, list) for each in half.values["strides_t"])
    both = [half.rows(name, 1, 64)[0] if nested else half.integers(name, 1, 64) for name in ("strides_t", "downs_t")]
    for stride, count in zip(*both, strict=False):
        strides += [stride] * count
    if len(both[0]) != len(both[1]) or math.prod(strides) != FINE * STRIDE:
        raise ModelError(f"{half.where}: strides {strides[:8]} make no F0 code of {FINE * STRIDE} values")
    width, depth = half.integer("width", 1, MAX_CHANNELS), half.integer("depth", 1, 16)
    growth, cycle = half.integer("dilation_growth_rate", 1, 16, 1), half.integer("dilation_cycle", 1, 64, 64)
    dilations = [growth ** (each % cycle) for each in range(depth)]
    if max(dilations) > MAX_DILATION:
        raise ModelError(f"{half.where}: a dilation of {max(dilations)}; {MAX_DILATION} is the limit")
    return {
        "width": width,
        "hidden": max(1, int(half.number("m_conv", 0.0, 16.0, 1.0) * width)),
        "dilations": dilations,
        "strides": strides,
        "scale": 1.0 / math.sqrt(depth) if half.flag("res_scale") else 1.0,
        "out": half.integer("output_emb_width", 1, MAX_CHANNELS),
    }


def _pitch_names(stages: int, depth: int) -> dict[str, str]:
    """Our names of the F0 quantizer's parts -> the published ones, both without "weight" and "bias"."""
    down, up = "encoder.level_blocks.0.model", "decoder.level_blocks.0.model"
    names = {"project": f"{down}.{stages}", "expand": f"{up}.0", "head": "decoder.out"}
    for stage in range(stages):
        names[f"down.{stage}"] = f"{down}.{stage}.0"
        names[f"up.{stage}"] = f"{up}.{stage + 1}.1"
        for block in range(depth):
            for ours, theirs in (("dilated", 1), ("mix", 3)):
                names[f"down_blocks.{stage}.{block}.{ours}"] = f"{down}.{stage}.1.model.{block}.model.{theirs}"
                names[f"up_blocks.{stage}.{block}.{ours}"] = f"{up}.{stage + 1}.0.model.{block}.model.{theirs}"
    return {ours: f"quantizer.{theirs}" for ours, theirs in names.items()}


def _renamed(name: str, names: dict[str, str]) -> str:
    if name == "quantizer.codebook":
        return "quantizer.vq.level_blocks.0.k"
    part, kind = name.rsplit(".", 1)
    return f"{names[part]}.{kind}"


def _speaker(size: int, voice: int, file: Path) -> dict[str, Any]:
    if not 0 <= voice < max(size, 1):
        raise ModelError(f"{file}: has no voice {voice}; " + (f"it has {size}, from 0 on" if size else "it has one, 0"))
    return {"kind": "table", "size": size, "voice": voice} if size else {"kind": "none"}


def _taken(
    prefix: str,
    build: Callable[[], nn.Module],
    published: Callable[[str], str],
    state: dict[str, Tensor],
    file: Path,
    settings: Settings,
) -> dict[str, Tensor]:
    """A part's weights out of ``state``, under our names, if they have the shapes that its options ask for."""
    try:
        # Without memory for weights: a size that the file does not bear out costs nothing.
        with torch.device("meta"):
            wanted = build().state_dict()
    except (ValueError, TypeError, RuntimeError) as error:
        raise ModelError(f"{settings.where}: {str(error).splitlines()[0]}") from error
    weights = {}
    for name, like in wanted.items():
        # Moving averages are for training; and weights are folded, whose length and direction these are.
        if name.endswith((".counts", ".sums", ".original0")):
            continue
        name = name.replace(".parametrizations.weight.original1", ".weight")
        theirs = published(name)
        if theirs not in state:
            raise ModelError(f"{file}: '{theirs}' is missing, which {settings.where} asks for")
        value = state.pop(theirs)
        if name == "speaker.weight":
            value = value.t() if value.ndim == 2 else value
        if value.shape != like.shape:
            raise ModelError(f"{file}: '{theirs}' is {tuple(value.shape)}; {settings.where} asks for {tuple(like.shape)}")
        weights[prefix + name] = value.contiguous()
    return weights
