"""Count symbols in their contexts, smooth, round to integers: an entropy model from training codes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitstream.codes import as_codes
from bitstream.entropy.batch import Batch, Codes, check_symbols, packet_of
from bitstream.entropy.spec import EntropySpec, stream_title
from bitstream.entropy.tables import TableModel

_TOGETHER = 1024


def fit_tables(sequences: Iterable[tuple[ArrayLike, ArrayLike]], spec: EntropySpec, escape: float = 1.0) -> TableModel:
    """Fit the tables of `spec` to codes, cut in packets as when coding.

    Args:
        sequences: (units (rows, frames), f0 (f0_frames,)) integer arrays, one pair an utterance.
        escape: weight of the lower order against the counts. Witten and Bell's rule ("The zero-frequency problem", 1991,
            method C) is 1: in a context seen n times with k different symbols, the lower order counts as k observations.

    A context of order k backs off to its first k - 1 references and in the end to the uniform distribution, so the reference
    that tells most belongs first. Raises InvalidCodes for codes outside the alphabets.
    """
    counts = {name: np.zeros(spec.table_shape(name), dtype=np.int64) for name in spec.names}
    waiting: list[Codes] = []
    for units, f0 in sequences:
        units, f0 = as_codes("units", units, 2), as_codes("f0", f0, 1)
        check_symbols(spec, units, f0)
        for index in range(-(-units.shape[1] // spec.packet_frames)):
            waiting.append(packet_of(spec, units, f0, index))
            spec.check_packet_shape(waiting[-1][0].shape[1], len(waiting[-1][1]))
        # Many packets are counted together, for speed.
        if len(waiting) >= _TOGETHER:
            _count(spec, waiting, counts)
            waiting = []
    _count(spec, waiting, counts)
    tables = {stream_title(name): round_frequencies(smooth(table, escape), spec.precision) for name, table in counts.items()}
    return TableModel(spec, tables)


def smooth(counts: NDArray[np.int64], escape: float) -> NDArray[np.float64]:
    """Counts (*context axes, alphabet) -> probabilities of the same shape, interpolated with those of lower order."""
    alphabet = counts.shape[-1]
    probabilities = np.full(alphabet, 1.0 / alphabet)
    for order in range(counts.ndim):
        # Sum over the references beyond the first `order`.
        seen = counts.sum(axis=tuple(range(order, counts.ndim - 1)))
        weight = escape * np.maximum((seen > 0).sum(axis=-1, keepdims=True), 1)
        lower = probabilities if order == 0 else probabilities[..., None, :]
        probabilities = (seen + weight * lower) / (seen.sum(axis=-1, keepdims=True) + weight)
    return probabilities


def round_frequencies(probabilities: NDArray[np.float64], precision: int) -> NDArray[np.uint32]:
    """Probabilities (..., alphabet) -> integers >= 1 that sum to 2**precision, by largest remainder, ties to the first."""
    alphabet = probabilities.shape[-1]
    free = 2**precision - alphabet
    # A hair less than the whole, so that rounding in the probabilities cannot make the floors sum to more than is free.
    shares = probabilities * (free * (1 - 1e-12))
    floors = np.floor(shares)
    short = free - floors.sum(axis=-1, keepdims=True)
    rank = np.argsort(np.argsort(floors - shares, axis=-1, kind="stable"), axis=-1, kind="stable")
    rounded: NDArray[np.uint32] = (1 + floors + (rank < short)).astype(np.uint32)
    return rounded


def _count(spec: EntropySpec, packets: list[Codes], counts: dict[int | str, NDArray[np.int64]]) -> None:
    if not packets:
        return
    batch = Batch.of_packets(spec, packets)
    for name, table in counts.items():
        symbols = batch.symbols(name)
        has = np.arange(len(symbols))[:, None] < batch.counts(name)
        own = batch.block(name, slice(0, len(symbols)), len(packets))
        np.add.at(table.reshape(-1, table.shape[-1]), (own[has], symbols[has]), 1)
