"""A model folder <-> the learned parts of the codec.

A folder holds ``config.json`` (what to build), ``model.safetensors`` (its weights), ``entropy.safetensors`` (the integer
tables that ``bitstream`` codes with) and ``MODEL_CARD.md``. Nothing in it can run code. Weights are float16, except that the
large matrices of the decoder's side, and of Whisper where the encoder has it, are int8 with one float16 scale an output channel
(``NAME.scale_int8``); or all are float32, where a model has to compute what it did elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from bitstream import BitstreamError, EntropyModel
from bitstream.entropy.find import packaged_folders

from .configuration import ModelConfig
from .content import ContentFamily, make_content
from .errors import ModelError
from .frames import HOP, LEVEL_CODES
from .pitch import F0Decoder, PitchFamily, make_pitch
from .pitch.track import DEVIATION_CODES, MEAN_CODES, STRIDE
from .speaker import SpeakerFamily, make_speaker
from .vocoder import CodeVocoder, MelVocoder, make_code_generator, make_generator
from .vocoder.mel_decoder import MelDecoder
from .weights import SCALE, TRAINING_ONLY, Outline, Weights

INT8_PARTS = ("decoder.", "generator.", "content.whisper.")
INT8_SIZE = 4096

CALLS, CALLS_EACH = 500, 20
"""Of PyTorch, to make networks of so many weights; ours take 5 to 11 a weight."""

MAX_REACH = {"content": 1024, "pitch": 4096, "decoder": 256, "generator": 256}
"""Frames to each side, of 10 ms or of units, that a part may depend on; ours on 260 at most, published F0 encoders on 620."""


class Networks(nn.Module):
    """The learned parts as a folder holds them, weight norm folded; ``decoder`` only where the generator is fed log-mel."""

    decoder: MelDecoder

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.content: ContentFamily = make_content(**config.content)
        self.pitch: PitchFamily = make_pitch(**config.pitch)
        self.speaker: SpeakerFamily = make_speaker(**config.speaker)
        self.generator: CodeVocoder | MelVocoder
        options = dict(config.generator)
        if options.get("kind") == "code":
            if config.decoder:
                raise ValueError("a generator fed by codes has no mel decoder, but there are options of one")
            del options["kind"]
            self.generator = make_code_generator(**options)
        else:
            self.decoder = MelDecoder(**config.decoder)
            self.generator = make_generator(**options)
        self.generator.finish()

    @property
    def f0_decoder(self) -> F0Decoder:
        """What makes F0 of the codes of ``pitch``, where there is a mel decoder."""
        assert isinstance(self.pitch, F0Decoder)
        return self.pitch


@dataclass(frozen=True)
class Model:
    """A loaded model: its configuration, its networks (evaluation mode, float32) and its entropy model."""

    config: ModelConfig
    networks: Networks
    entropy: EntropyModel


def find(name: str | Path) -> Path:
    """Folder of a model: a packaged one by name, or any folder by path. Raises ModelError if there is none."""
    if not isinstance(name, (str, Path)):
        raise ModelError(f"model {name!r:.40}: give its name or its folder's path")
    folder = Path(name)
    if not (folder / "config.json").is_file():
        packaged = {path.parent.name: path.parent for place in packaged_folders() for path in place.glob("*/config.json")}
        if str(name) not in packaged:
            known = ", ".join(sorted(packaged)) or "none"
            raise ModelError(f"no model '{name}': give a folder that holds config.json, or one of the packaged models ({known})")
        folder = packaged[str(name)]
    return folder


def load(name: str | Path = "default") -> Model:
    """Read a model folder. Raises ModelError, naming the file, if something is missing, does not fit or is no number.

    What the configuration asks for is held against the other files before any of it takes memory.
    """
    folder = find(name)
    config = ModelConfig.read(folder / "config.json")
    try:
        entropy = EntropyModel.load(folder / "entropy.safetensors")
    except (OSError, BitstreamError) as error:
        reason = f"{folder / 'entropy.safetensors'}: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise ModelError(reason) from error
    with Weights(folder / "model.safetensors") as weights:
        networks = _outline(config, folder / "config.json", len(weights))
        weights.check(networks)
        if config.voice_search and networks.generator.fed != "log_mel":
            raise ModelError(
                f"{folder / 'config.json'}: voice_search is {config.voice_search}; it needs a mel decoder, which this model does "
                "not have"
            )
        if not _same_streams(networks, entropy):
            raise ModelError(f"{folder}: entropy.safetensors and config.json describe streams that do not fit each other")
        if entropy.spec.weights != digest(weights):
            raise ModelError(f"{folder}: entropy.safetensors was made for other weights than model.safetensors")
        restore(networks, weights)
    networks.eval().requires_grad_(False)
    return Model(config, networks, entropy)


def _outline(config: ModelConfig, path: Path, tensors: int) -> Networks:
    """The networks without memory for their weights, of which a file holds so many. Raises ModelError, naming ``path``."""
    try:
        # PyTorch warns of weights without entries, which are refused later on.
        with Outline(CALLS + CALLS_EACH * tensors), warnings.catch_warnings(action="ignore"):
            networks = Networks(config)
        for part, reach in _reaches(networks).items():
            if not 0 <= reach <= MAX_REACH[part]:
                raise ModelError(f"{part} reaches {reach} frames to each side; {MAX_REACH[part]} is the limit")
    except Exception as error:  # whatever the parts' constructors make of a configuration from anywhere
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise ModelError(f"{path}: not a usable model: {reason}") from error
    return networks


def _reaches(networks: Networks) -> dict[str, int]:
    """How many frames each part hears or reads around its own: memory grows with them, and weights need not."""
    reaches = {"pitch": networks.pitch.context, "generator": networks.generator.context}
    if networks.content.hears != "nothing":
        reaches["content"] = networks.content.context
    if networks.generator.fed == "log_mel":
        reaches["decoder"] = networks.decoder.context
    return reaches


def _same_streams(networks: Networks, entropy: EntropyModel) -> bool:
    """Whether every code that the entropy model can give has a meaning to the networks."""
    spec, content = entropy.spec, networks.content
    return (
        tuple(row.alphabet for row in spec.rows) == content.vocabulary
        and spec.f0.alphabet == networks.pitch.codes
        and spec.speaker == (MEAN_CODES, DEVIATION_CODES, LEVEL_CODES, *networks.speaker.alphabets)
        and (spec.unit_hop, spec.f0_hop) == (content.stride * HOP, STRIDE * HOP)
        and _spoken(networks)
    )


def _spoken(networks: Networks) -> bool:
    """Whether the decoder's side takes what content, F0 and speaker codes stand for."""
    content, pitch, speaker, generator = networks.content, networks.pitch, networks.speaker, networks.generator
    if not generator.fits(content, pitch, speaker):
        return False
    if generator.fed == "codes":
        return True
    decoder = networks.decoder
    return (
        (decoder.stem.in_channels, decoder.stride) == (content.channels, content.stride)
        and decoder.voice_fields == speaker.channels
        and isinstance(pitch, F0Decoder)
    )


def stored(networks: Networks, precision: str = "int8") -> dict[str, Tensor]:
    """The weights as a folder holds them, without the moving averages that only training needs.

    ``precision``: "int8", the large matrices as such and the rest as float16, or "float32".
    """
    result = {}
    for name, value in networks.state_dict().items():
        if name.endswith(TRAINING_ONLY):
            continue
        value = value.detach().cpu().float()
        if precision == "float32":
            result[name] = value.contiguous()
        elif name.startswith(INT8_PARTS) and value.ndim > 1 and value.numel() >= INT8_SIZE:
            result[name], result[name + SCALE] = to_int8(value)
        else:
            result[name] = value.half().contiguous()
    return result


def to_int8(value: Tensor) -> tuple[Tensor, Tensor]:
    """A matrix (outputs, ...) in float32 -> int8 of the same shape and one float16 scale an output."""
    # The scale is rounded up to a normal float16 number. So no quotient passes 127, the peak's is 127, and weights that were
    # read from a folder are stored as they were.
    peak = value.flatten(1).abs().amax(1).clamp(min=127.0 * 2.0**-14)
    scale = (peak / 127.0).half()
    scale = (scale.view(torch.int16) + (scale.float() * 127.0 < peak)).view(torch.half)
    shape = (-1,) + (1,) * (value.ndim - 1)
    return torch.round(value / scale.float().reshape(shape)).to(torch.int8).contiguous(), scale


def from_int8(value: Tensor, scale: Tensor) -> Tensor:
    """Inverse of :func:`to_int8`, in float32."""
    return value.float() * scale.float().reshape((-1,) + (1,) * (value.ndim - 1))


def restore(networks: Networks, weights: Mapping[str, Tensor]) -> None:
    """Put weights as :func:`stored` gives them into ``networks``, which may be on the device "meta" till then.

    Raises RuntimeError or KeyError where they do not fit.
    """
    state = {}
    for name in weights:
        if name.endswith(SCALE) and name.removesuffix(SCALE) in weights:
            continue
        value = weights[name]
        if value.dtype == torch.int8:
            value = from_int8(value, weights[name + SCALE])
        state[name] = value.float()
    for name, value in networks.state_dict().items():
        if value.is_meta and name.endswith(TRAINING_ONLY):
            state[name] = torch.zeros(value.shape, device="cpu", dtype=torch.float32)
    missing, unexpected = networks.load_state_dict(state, strict=False, assign=True)
    missing = [name for name in missing if not name.endswith(TRAINING_ONLY)]
    if missing or unexpected:
        raise KeyError(f"weights missing: {missing[:3]}, not known: {unexpected[:3]}")


def digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) over names, types, shapes and bytes of the weights: ties the entropy model, hence every stream, to them."""
    result = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name]
        result.update(f"{name}{value.dtype}{tuple(value.shape)}".encode())
        result.update(value.numpy().tobytes())
    return result.hexdigest()


def save(folder: Path, config: ModelConfig, networks: Networks, entropy: EntropyModel) -> None:
    """Write a model folder (the card is a person's work)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(safetensors.torch.save(stored(networks, config.precision)))
    entropy.save(folder / "entropy.safetensors")
