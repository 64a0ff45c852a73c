"""Descript Audio Codec at 16 kHz (Kumar et al. 2023, arXiv 2306.06546): 50 frames a second, 10 bits a codebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.peers.neural import Neural
from benchmarks.peers.peer import Peer

if TYPE_CHECKING:
    from torch import Tensor


def _build() -> Any:
    from transformers import DacConfig, DacModel

    # descript/dac_16khz: the defaults are the 44.1 kHz model, which has other strides and fewer codebooks.
    return DacModel(DacConfig(downsampling_ratios=[2, 4, 5, 8], n_codebooks=12))


def _speak(model: Any, waveform: Tensor, codebooks: int) -> tuple[list[Tensor], Tensor]:
    codes = model.encode(waveform, n_quantizers=codebooks).audio_codes
    return [codes], model.decode(audio_codes=codes).audio_values


DAC_16KHZ = Neural("transformers", "DacModel", "descript/dac_16khz", 16000, 320, 10, _build, _speak)

PEERS: dict[str, Peer] = {
    "dac-0.5k": DAC_16KHZ.peer("DAC 0.5 kbit/s", 1),
    "dac-1k": DAC_16KHZ.peer("DAC 1 kbit/s", 2),
}
