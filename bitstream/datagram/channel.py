"""What a link does to datagrams, to try out what a receiver makes of it: losses that come in bursts, and wrong bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def burst_losses(count: int, loss: float, burst: float = 1.0, seed: int = 0) -> NDArray[np.bool_]:
    """Which of so many datagrams are lost, (count,).

    The channel of Gilbert (1960) and Elliott (1963) whose good state loses nothing and whose bad one all. The state may change
    with every datagram; ``loss`` is the share of time in the bad one, ``burst`` how many datagrams that lasts on average. With a
    burst of 1 no two neighbours are lost; losses independent of each other have ``1 / (1 - loss)``.

    Raises ValueError unless ``0 <= loss < 1``, ``burst >= 1`` and such losses can come in such bursts: at least one datagram
    between two, ``loss <= burst / (burst + 1)``.
    """
    if not 0.0 <= loss < 1.0:
        raise ValueError(f"a loss of {loss:g}; it is a share, 0 or more and less than 1")
    if not 1.0 <= burst < float("inf"):
        raise ValueError(f"bursts of {burst:g}; a burst has at least one datagram")
    if loss * (burst + 1.0) > burst:
        raise ValueError(f"a loss of {loss:g} in bursts of {burst:g}; at most {burst / (burst + 1.0):.3g} can be lost in such")
    leave, enter = 1.0 / burst, loss / (burst * (1.0 - loss))
    lost = np.zeros(count, bool)
    state = loss  # how probable the bad state is for the next one
    for index, luck in enumerate(np.random.default_rng(seed).random(count).tolist()):
        lost[index] = luck < state
        state = 1.0 - leave if lost[index] else enter
    return lost


def bit_errors(datagrams: Sequence[bytes], rate: float, seed: int = 0) -> list[bytes]:
    """The same datagrams with each bit turned over at ``rate``, independently. Raises ValueError unless ``0 <= rate <= 0.5``."""
    if not 0.0 <= rate <= 0.5:
        raise ValueError(f"a rate of bit errors of {rate:g}; it lies in 0 .. 0.5")
    rng = np.random.default_rng(seed)
    wrong = (np.packbits(rng.random(8 * len(datagram)) < rate).tobytes() for datagram in datagrams)
    return [bytes(a ^ b for a, b in zip(*pair, strict=True)) for pair in zip(datagrams, wrong, strict=True)]
