"""Mimi (Défossez et al. 2024, arXiv 2410.00037): 12.5 frames a second, 11 bits a codebook, 8 codebooks in its paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.peers.neural import Neural
from benchmarks.peers.peer import Peer

if TYPE_CHECKING:
    from torch import Tensor


def _build() -> Any:
    from transformers import MimiConfig, MimiModel

    # The defaults are kyutai/mimi; it holds 32 codebooks.
    return MimiModel(MimiConfig())


def _speak(model: Any, waveform: Tensor, codebooks: int) -> tuple[list[Tensor], Tensor]:
    codes = model.encode(waveform, num_quantizers=codebooks).audio_codes
    return [codes], model.decode(codes).audio_values


MIMI = Neural("transformers", "MimiModel", "kyutai/mimi", 24000, 1920, 11, _build, _speak)

PEERS: dict[str, Peer] = {
    "mimi-0.55k": MIMI.peer("Mimi 0.55 kbit/s", 4),
    "mimi-0.69k": MIMI.peer("Mimi 0.69 kbit/s", 5),
    "mimi-1.1k": MIMI.peer("Mimi 1.1 kbit/s", 8),
}
