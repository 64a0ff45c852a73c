"""EnCodec at 24 kHz (Défossez et al. 2022, arXiv 2210.13438): 75 frames a second, 10 bits a codebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.peers.neural import Neural
from benchmarks.peers.peer import Peer

if TYPE_CHECKING:
    from torch import Tensor


def _build() -> Any:
    from transformers import EncodecConfig, EncodecModel

    # The defaults are facebook/encodec_24khz.
    return EncodecModel(EncodecConfig())


def _speak(model: Any, waveform: Tensor, codebooks: int) -> tuple[list[Tensor], Tensor]:
    # A bandwidth is kbit/s; a codebook takes 0.75.
    coded = model.encode(waveform, bandwidth=0.75 * codebooks)
    return [coded.audio_codes], model.decode(coded.audio_codes, coded.audio_scales).audio_values


ENCODEC = Neural("transformers", "EncodecModel", "facebook/encodec_24khz", 24000, 320, 10, _build, _speak)

PEERS: dict[str, Peer] = {"encodec-1.5k": ENCODEC.peer("EnCodec 1.5 kbit/s", 2)}
