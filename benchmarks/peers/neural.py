"""Neural codecs as their authors published them, with weights from the local Hugging Face cache or random ones.

Nothing is ever downloaded. Bits are those of the codes at a fixed length, frames times codebooks times log2 of the codebook's
size, as the published rates are: no entropy coding, no container.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.errors import Gap
from benchmarks.peers.peer import Coded, Peer
from benchmarks.waveform import SAMPLE_RATE, FloatArray, fit

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Neural:
    """``model`` is a class of ``package``, its weights are published as ``repository``; ``build`` makes one with random weights.

    ``rate`` is in Hz; ``hop`` samples at that rate hold a whole number of frames, one of each codebook unless ``peer`` is told
    otherwise; a code takes ``code_bits``.
    ``speak(model, waveform, codebooks)``: ``(1, 1, T)`` -> the tensors of codes, and a waveform ``(..., about T)`` of them alone.
    """

    package: str
    model: str
    repository: str
    rate: int
    hop: int
    code_bits: int
    build: Callable[[], Any]
    speak: Callable[[Any, Tensor, int], tuple[list[Tensor], Tensor]]

    def peer(self, title: str, codebooks: int, codes: int | None = None) -> Peer:
        """This codec with its first ``codebooks`` codebooks, beside the others; a hop holds ``codes``, by default one of each."""
        trained, untrained = partial(self._trained, codebooks), partial(self._untrained, codebooks)
        return Peer(
            title,
            trained,
            self.gap,
            untrained,
            counted="codes of fixed length, without a container",
            left_out="container: header, exact length, checksum",
            bits=partial(self.bits, codebooks if codes is None else codes),
        )

    def bits(self, codes: int, samples: int) -> int:
        """Of ``samples`` at 16 kHz, where a hop holds ``codes``."""
        return -(-round(samples * self.rate / SAMPLE_RATE) // self.hop) * codes * self.code_bits

    def gap(self) -> str | None:
        """Why the trained codec cannot run here, or None."""
        try:
            self._folder()
        except Gap as gap:
            return str(gap)
        return None

    def code(self, model: Any, codebooks: int, waveform: FloatArray) -> Coded:
        """Through the model at its own rate and back; the input is extended with silence to whole frames."""
        import soxr
        import torch

        own = soxr.resample(waveform, SAMPLE_RATE, self.rate)
        whole = torch.from_numpy(fit(own, -(-len(own) // self.hop) * self.hop))
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            # SNAC's decoder draws noise: the same input gives the same output.
            torch.manual_seed(0)
            codes, decoded = self.speak(model, whole[None, None], codebooks)
        wide = soxr.resample(decoded.flatten().numpy(), self.rate, SAMPLE_RATE)
        return Coded(fit(wide.astype(np.float32), len(waveform)), self.code_bits * sum(each.numel() for each in codes))

    def _trained(self, codebooks: int, waveform: FloatArray) -> Coded:
        return self.code(_load(self, self._folder()), codebooks, waveform)

    def _untrained(self, codebooks: int) -> Callable[[FloatArray], Coded]:
        self._need_package()
        return partial(self.code, self.build().eval(), codebooks)

    def _folder(self) -> Path:
        """Where configuration and weights lie in the local cache."""
        self._need_package()
        from huggingface_hub import try_to_load_from_cache

        config = try_to_load_from_cache(self.repository, "config.json")
        folder = Path(config).parent if isinstance(config, str) else None
        if folder and any((folder / name).exists() for name in ("model.safetensors", "pytorch_model.bin")):
            return folder
        raise Gap(f"weights not found: {self.repository} is not in the local cache (hf download {self.repository})")

    def _need_package(self) -> None:
        if find_spec(self.package) is None:
            raise Gap(f"not installed: {self.package}")


@cache
def _load(codec: Neural, folder: Path) -> Any:
    return getattr(import_module(codec.package), codec.model).from_pretrained(str(folder)).eval()
