"""A model folder <-> the learned parts of the codec.

A folder holds ``config.json`` (what to build), ``model.safetensors`` (its weights), ``entropy.safetensors`` (the integer
tables that ``bitstream`` codes with) and ``MODEL_CARD.md``. Nothing in it can run code. Weights are float16, except that the
large matrices of the decoder's side, and of Whisper where the encoder has it, are int8 with one float16 scale an output channel
(``NAME.scale_int8``); or all are float32, where a model has to compute what it did elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from bitstream import EntropyModel

from .content import make_content
from .errors import ModelError
from .features import HOP, LEVEL_CODES
from .pitch import make_pitch
from .pitch.tracker import TRACKERS
from .pitch.vqvae import DEVIATION_CODES, MEAN_CODES, STRIDE
from .speaker import make_speaker
from .vocoder import make_code_generator, make_generator
from .vocoder.hifigan import CodeGenerator
from .vocoder.mel_decoder import MelDecoder

FORMAT = 1
PACKAGED = Path(__file__).parent / "models"

TRAINING_ONLY = (".counts", ".sums")
INT8_PARTS = ("decoder.", "generator.", "content.whisper.")
INT8_SIZE = 4096
SCALE = ".scale_int8"
PRECISIONS = ("int8", "float32")
SEARCH_STEPS = 1000
"""Most that a model may ask for: a folder from anywhere shall not make an encoder run for hours."""


@dataclass(frozen=True)
class ModelConfig:
    """What ``config.json`` holds: the constructor arguments of each part, the F0 tracker, and the decoder's output gain in dB.

    ``limit_rate``: packets are held to 365 bit/s; see :mod:`unitcodec.rate`. ``precision``: how the weights are stored, "int8"
    (the large matrices, the rest float16) or "float32". ``voice_search``: steps of :mod:`unitcodec.voice`, 0 for the speaker
    encoder's own word. ``bitrate``: what speech typically takes, in bit/s; 0 where nobody measured it. A generator of kind "code"
    has no mel decoder before it.
    """

    name: str
    content: dict[str, Any] = field(default_factory=dict)
    pitch: dict[str, Any] = field(default_factory=dict)
    speaker: dict[str, Any] = field(default_factory=dict)
    decoder: dict[str, Any] = field(default_factory=dict)
    generator: dict[str, Any] = field(default_factory=dict)
    tracker: str = "swift-f0"
    gain_db: float = 0.0
    limit_rate: bool = True
    voice_search: int = 0
    precision: str = "int8"
    bitrate: float = 0.0
    format: int = FORMAT


class Networks(nn.Module):
    """The learned parts as a folder holds them, weight norm folded; ``decoder`` only where the generator is fed log-mel."""

    decoder: MelDecoder

    def __init__(self, config: ModelConfig):
        super().__init__()
        # Typed by what they offer: which kind they are does not matter to anyone.
        self.content: Any = make_content(**config.content)
        self.pitch: Any = make_pitch(**config.pitch)
        self.speaker: Any = make_speaker(**config.speaker)
        self.generator: Any
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
        packaged = PACKAGED / str(name)
        if folder.name != str(name) or not (packaged / "config.json").is_file():
            known = ", ".join(sorted(path.parent.name for path in PACKAGED.glob("*/config.json"))) or "none"
            raise ModelError(f"no model '{name}': give a folder that holds config.json, or one of the packaged models ({known})")
        folder = packaged
    return folder


def load(name: str | Path = "default") -> Model:
    """Read a model folder. Raises ModelError, naming the file, if something is missing or does not fit."""
    folder = find(name)
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if values.get("format") != FORMAT:
            raise ModelError(f"{folder / 'config.json'}: model format {values.get('format')!r}; this version reads {FORMAT}")
        config = ModelConfig(**values)
        networks = Networks(config).float()  # whatever type the caller has made the default
        weights = safetensors.torch.load_file(folder / "model.safetensors")
        restore(networks, weights)
        entropy = EntropyModel.load(folder / "entropy.safetensors")
        made_for_these = entropy.spec.weights == digest(weights)
    except ModelError:
        raise
    except Exception as error:  # whatever the parts' constructors make of a configuration from anywhere
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{folder}: not a usable model: {reason}") from error
    if not made_for_these:
        raise ModelError(f"{folder}: entropy.safetensors was made for other weights than model.safetensors")
    if not isinstance(config.gain_db, (int, float)) or not abs(config.gain_db) <= 20:
        raise ModelError(f"{folder / 'config.json'}: gain_db is {config.gain_db!r}; it must be a number of at most 20 dB")
    if not isinstance(config.bitrate, (int, float)) or not 0 <= config.bitrate <= 1e6:
        raise ModelError(f"{folder / 'config.json'}: bitrate is {config.bitrate!r}; it must be a number of bit/s")
    if config.precision not in PRECISIONS:
        raise ModelError(f"{folder / 'config.json'}: unknown precision {config.precision!r}: one of {', '.join(PRECISIONS)}")
    steps = config.voice_search
    if isinstance(steps, bool) or not isinstance(steps, int) or not 0 <= steps <= SEARCH_STEPS:
        raise ModelError(f"{folder / 'config.json'}: voice_search is {steps!r}; it must be a whole number up to {SEARCH_STEPS}")
    if steps and not hasattr(networks, "decoder"):
        raise ModelError(
            f"{folder / 'config.json'}: voice_search is {steps}; it needs a mel decoder, which this model does not have"
        )
    if config.tracker not in TRACKERS:
        raise ModelError(f"{folder / 'config.json'}: unknown F0 tracker {config.tracker!r}: one of {', '.join(TRACKERS)}")
    if not _same_streams(networks, entropy):
        raise ModelError(f"{folder}: entropy.safetensors and config.json describe streams that do not fit each other")
    networks.eval().requires_grad_(False)
    return Model(config, networks, entropy)


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
    if isinstance(generator, CodeGenerator):
        return (
            generator.unit_sizes == content.vocabulary
            # One code says nothing: a generator may do without it.
            and (generator.f0_size or 1) == pitch.codes
            and generator.speaker_dim == speaker.channels
            and generator.hop == content.stride * HOP
            and generator.hop * generator.frames_per_f0 == STRIDE * HOP
        )
    decoder = networks.decoder
    return (
        (decoder.stem.in_channels, decoder.stride) == (content.channels, content.stride)
        and decoder.voice_fields == speaker.channels
        and hasattr(pitch, "decode")
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


def restore(networks: Networks, weights: dict[str, Tensor]) -> None:
    """Put weights as :func:`stored` gives them into ``networks``. Raises RuntimeError or KeyError where they do not fit."""
    state = {}
    for name, value in weights.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in weights:
            continue
        if value.dtype == torch.int8:
            value = from_int8(value, weights[name + SCALE])
        state[name] = value.float()
    missing, unexpected = networks.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith(TRAINING_ONLY)]
    if missing or unexpected:
        raise KeyError(f"weights missing: {missing[:3]}, not known: {unexpected[:3]}")


def digest(weights: dict[str, Tensor]) -> str:
    """SHA-256 (hex) over names, types, shapes and bytes of the weights: ties the entropy model, hence every stream, to them."""
    result = hashlib.sha256()
    for name in sorted(weights):
        result.update(f"{name}{weights[name].dtype}{tuple(weights[name].shape)}".encode())
        result.update(weights[name].numpy().tobytes())
    return result.hexdigest()


def save(folder: Path, config: ModelConfig, networks: Networks, entropy: EntropyModel) -> None:
    """Write a model folder (the card is a person's work)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(safetensors.torch.save(stored(networks, config.precision)))
    entropy.save(folder / "entropy.safetensors")
