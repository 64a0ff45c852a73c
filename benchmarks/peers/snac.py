"""SNAC at 24 kHz (Siuzdak et al. 2024, arXiv 2410.14411): three codebooks of 12 bits, at 11.7, 23.4 and 46.9 Hz."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.peers.neural import Neural
from benchmarks.peers.peer import Peer

if TYPE_CHECKING:
    from torch import Tensor


def _build() -> Any:
    from snac import SNAC

    # hubertsiuzdak/snac_24khz; the defaults that are left (codebooks of 4096 x 8, depthwise, noise) are its own too.
    rates = [2, 4, 8, 8]
    return SNAC(
        sampling_rate=24000,
        encoder_dim=48,
        encoder_rates=rates,
        decoder_dim=1024,
        decoder_rates=rates[::-1],
        attn_window_size=None,
        vq_strides=[4, 2, 1],
    )


def _speak(model: Any, waveform: Tensor, codebooks: int) -> tuple[list[Tensor], Tensor]:
    codes: list[Tensor] = model.encode(waveform)
    return codes, model.decode(codes)


# 2048 samples: one frame of the slowest codebook.
SNAC_24KHZ = Neural("snac", "SNAC", "hubertsiuzdak/snac_24khz", 24000, 2048, 12, _build, _speak)

PEERS: dict[str, Peer] = {"snac-0.98k": SNAC_24KHZ.peer("SNAC 0.98 kbit/s", 3, codes=1 + 2 + 4)}
