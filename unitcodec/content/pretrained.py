"""HuBERT, wav2vec 2.0 and WavLM as they were published: the nearest k-means centroids of a hidden layer (Polyak et al. 2021,
section 3.1; Lakhotia et al. 2021, arXiv 2102.01192).

The checkpoint is not part of a model folder, which holds the centroids alone: whoever encodes needs it and the extra ``ssl``,
whoever decodes needs neither.

These models attend to all they are given, and what they are given differs with every cut of a file. So units are *defined* by
the window they are computed in: that of a packet of 2.56 s with ``context`` on either side, as far as there is sound
(:mod:`unitcodec.encoder`). Windows lie on a grid of absolute positions, so how a stream is cut does not show; and memory does
not grow with duration, though most of the work is done up to three times. Near the borders of windows units differ a little
from those of a file heard as a whole.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ModelError
from .codebook import Codebook, CodebookEncoder

MODELS = ("hubert", "wav2vec2", "wavlm")
HOP = 320
"""Samples at 16 kHz from one frame of these models to the next (50 Hz)."""


class PretrainedEncoder(CodebookEncoder):
    """Waveform (B, 160 n), n even -> units (B, 1, n / 2) at 50 Hz, one codebook.

    Args:
        checkpoint: a folder, or a name on the Hugging Face hub; its weights must be safetensors.
        layer: the hidden layer that the centroids belong to, 1 the first; 0 is what goes into the first. The layer's own
            output: a norm that follows the last one is left out, as in fairseq.
        codes, dimensions: of the codebook.
        embedding: channels of what a unit stands for.
        context: frames of 10 ms that are heard before and after a packet, as far as there is sound.
        revision: of the checkpoint on the hub.
        normalize: whether a window is brought to zero mean and unit variance; as the checkpoint says by default.
    """

    hears = "waveform"
    windowed = True

    def __init__(
        self,
        checkpoint: str,
        layer: int,
        codes: int = 100,
        dimensions: int = 768,
        embedding: int = 64,
        context: int = 256,
        revision: str | None = None,
        normalize: bool | None = None,
    ):
        super().__init__()
        if context < 0:
            raise ValueError(f"a context of {context} frames")
        self.codebook = Codebook(codes, dimensions, embedding)
        self.backbone = Backbone(checkpoint, layer, dimensions, revision, normalize)
        self.context = context
        """Log-mel frames (100 Hz) around a packet that its units depend on."""

    def latent(self, waveform: Tensor) -> Tensor:
        """What the codebook is over: (B, dimensions, n / 2). Raises ModelError where the checkpoint cannot be had."""
        return self.backbone(waveform)


class Backbone:
    """A checkpoint up to a hidden layer: waveform (B, 320 m) -> (B, dimensions, m), without gradients.

    Read at its first use, and no ``torch.nn.Module``: its weights stay out of the model's. It computes in float64 where it is
    given that, else in float32, on the device of what it is given.
    """

    def __init__(self, checkpoint: str, layer: int, dimensions: int, revision: str | None, normalize: bool | None):
        if not isinstance(checkpoint, str) or layer < 0:
            raise ValueError(f"layer {layer} of the checkpoint {checkpoint!r}")
        self.checkpoint, self.layer, self.dimensions, self.revision = checkpoint, layer, dimensions, revision
        self.normalize = normalize
        self.reach = 0
        self._model: Any = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Backbone:
        """Another that has read nothing yet: a codec copies its networks to one more type, and seldom uses both."""
        return Backbone(self.checkpoint, self.layer, self.dimensions, self.revision, self.normalize)

    @torch.no_grad()
    def __call__(self, waveform: Tensor) -> Tensor:
        if self._model is None:
            self._load()
        x = waveform.to(torch.float64 if waveform.dtype == torch.float64 else torch.float32)
        self._model.to(device=x.device, dtype=x.dtype)
        if self.normalize:
            variance, mean = torch.var_mean(x, 1, correction=0, keepdim=True)
            x = (x - mean) / torch.sqrt(variance + 1e-7)
        # A frame hears 400 samples, 80 more than there are to the next: as many follow the end, so that none is missing.
        x = F.pad(x, (0, max(0, self.reach - HOP)))
        with torch.autocast(x.device.type, enabled=False):
            features: Tensor = self._model(x).last_hidden_state
        return features.transpose(1, 2)

    def _load(self) -> None:
        try:
            transformers = importlib.import_module("transformers")
        except ImportError as error:
            raise self._error("needs transformers: pip install 'unitcodec[ssl]'") from error
        options = {"revision": self.revision or "main", "trust_remote_code": False}
        with _quietly(transformers):
            config = self._read(transformers.AutoConfig, **options)
            self._check(config)
            if self.normalize is None:
                self.normalize = self._says_normalize(self._read(transformers.AutoFeatureExtractor, **options))
            # Layers that nobody asks for are not even read.
            config.num_hidden_layers = self.layer
            model, found = self._read(
                transformers.AutoModel,
                config=config,
                use_safetensors=True,
                dtype=torch.float32,
                attn_implementation="eager",
                output_loading_info=True,
                **options,
            )
        # transformers fills in for weights that are missing with random ones.
        missing = sorted(name for name in found["missing_keys"] if not name.startswith(("masked_spec_embed", "adapter.")))
        if missing:
            raise self._error(f"lacks weights: {', '.join(missing[:3])}")
        if config.do_stable_layer_norm:
            model.encoder.layer_norm = nn.Identity()  # follows the last layer, whichever that is
        model.adapter = None  # would come after the last layer
        self._model = model.eval().requires_grad_(False)

    def _check(self, config: Any) -> None:
        """That the checkpoint is one of those that this is for, with the layer and dimensions of the codebook."""
        if config.model_type not in MODELS:
            raise self._error(f"is of the kind {config.model_type}; {', '.join(MODELS)} can be used")
        if math.prod(config.conv_stride) != HOP:
            raise self._error(f"has a frame every {math.prod(config.conv_stride)} samples, not every {HOP}")
        if self.layer > config.num_hidden_layers:
            raise self._error(f"has {config.num_hidden_layers} layers, not {self.layer}")
        if config.hidden_size != self.dimensions:
            raise self._error(f"has features of {config.hidden_size} dimensions, the codebook {self.dimensions}")
        steps = [math.prod(config.conv_stride[:i]) for i in range(len(config.conv_stride))]
        self.reach = 1 + sum((kernel - 1) * step for kernel, step in zip(config.conv_kernel, steps, strict=True))

    def _says_normalize(self, extractor: Any) -> bool:
        if extractor.sampling_rate != 16000:
            raise self._error(f"hears {extractor.sampling_rate} Hz; 16000 Hz is what it would be given")
        return bool(extractor.do_normalize)

    def _read(self, kind: Any, **options: Any) -> Any:
        try:
            # Else what is read during inference could never be used outside it.
            with torch.inference_mode(False):
                return kind.from_pretrained(self.checkpoint, **options)
        except Exception as error:  # whatever transformers makes of a name, a network and files from anywhere
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise self._error(f"cannot be loaded from {self._places()}: {reason}") from error

    def _places(self) -> str:
        if Path(self.checkpoint).is_dir():
            return "the folder of this name"
        hub = importlib.import_module("huggingface_hub.constants")
        return f"a folder of this name (there is none), the Hugging Face hub or its cache {hub.HF_HUB_CACHE}"

    def _error(self, what: str) -> ModelError:
        return ModelError(f"checkpoint '{self.checkpoint}' {what}")


@contextlib.contextmanager
def _quietly(transformers: Any) -> Iterator[None]:
    """No progress bars and warnings: what is wrong is raised."""
    log = transformers.utils.logging
    verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()
