"""An entropy model that remembers: a gated recurrent network in integers, whose state rides on the packet's past.

Cho et al. 2014 (arXiv 1406.1078), with the reset gate after the product as in cuDNN and torch.nn.GRU, and with piecewise
quadratic gates, which need no table and no rounding but a shift. Every number here is an integer, held in float32 arrays so
that the matrix products can be the fastest there are: a sum of products of integers whose absolute values sum to less than
2**24 is exact in float32 whatever the order of summation, so every BLAS, thread count and batch size gives the same bits.
The limits that make it so are checked when a model is made. docs/entropy-models.md, section 3, has the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy.batch import Batch
from bitstream.entropy.exponential import INTEGER_POWERS, LIMIT, POWERS
from bitstream.entropy.model import EntropyModel, check_speaker_frequencies
from bitstream.entropy.rangecoder import Distribution
from bitstream.entropy.spec import F0, EntropySpec, stream_title
from bitstream.errors import InvalidEntropyModel, shown

Array = NDArray[np.float32]

STATE_BITS = 14
"""Fraction bits of the state, which lies in -1 .. 1."""

INPUT_BITS = 9
"""Fraction bits of the state where it is multiplied by weights."""

SUM_BITS = 10
"""Fraction bits of what goes into a gate, and of a symbol's log2 odds."""

EXACT = 2**24
MAX_HIDDEN = 4096
SPEAKER = "speaker"
FEW = 32
MAX_SHIFT = 14


class RecurrentModel(EntropyModel, key="recurrent"):
    """Frequencies of a symbol given all that its packet has coded before.

    A state h (hidden,) goes from unit frame to unit frame. The log2 odds of a stream's symbols are a product of weights and
    the state, plus a row of a table that the stream's context (spec.Stream) picks.

    Args:
        spec: as for every entropy model; a stream's table may have any integers.
        weight_shift: of the recurrent weights, and `output_shift` of each stream's: fraction bits less one.
        parts: integer arrays by name:
            "recurrent.initial" (hidden,), the state before a packet, 14 fraction bits;
            "recurrent.weight" (3 * hidden, hidden), for the reset gate, the update gate and the candidate;
            "recurrent.bias" (hidden,), of the candidate's product, 10 fraction bits;
            "input.TITLE" (alphabet, 3 * hidden), what a symbol of a frame adds to the three, 10 fraction bits;
            "output.TITLE" (alphabet, hidden), weights of its log2 odds; "table.TITLE" (*context axes, alphabet), 10 bits;
            none of the last three where the alphabet is 1;
            "speaker" (sum of the speaker alphabets,), if it is there, each field's frequencies in turn.

    Raises InvalidEntropyModel if the parts do not fit, or if a sum could pass what float32 holds exactly.
    """

    few = 5

    def __init__(self, spec: EntropySpec, shifts: Mapping[str, int], parts: Mapping[str, NDArray[Any]]) -> None:
        self.spec = spec
        self.shifts = dict(sorted(shifts.items()))
        self._spoken = {name: stream_title(name) for name in spec.names if spec.stream(name).alphabet > 1}
        hidden = _hidden(parts)
        shapes: dict[str, tuple[int, ...]] = {
            "recurrent.bias": (hidden,),
            "recurrent.initial": (hidden,),
            "recurrent.weight": (3 * hidden, hidden),
        }
        for name, title in self._spoken.items():
            alphabet = spec.stream(name).alphabet
            shapes[f"input.{title}"] = alphabet, 3 * hidden
            shapes[f"output.{title}"] = alphabet, hidden
            shapes[f"table.{title}"] = spec.table_shape(name)
        if SPEAKER in parts:
            self.speaker_frequencies = check_speaker_frequencies(spec, parts[SPEAKER])
            shapes[SPEAKER] = (sum(spec.speaker),)
        _check_names("tensors", parts, shapes)
        _check_names("shifts", shifts, ["recurrent.weight", *(f"output.{title}" for title in self._spoken.values())])
        self._parts = {name: _checked(name, parts[name], shapes[name]) for name in sorted(shapes)}
        self._check_limits(hidden)
        self.hidden = hidden

    @staticmethod
    def from_file(spec: EntropySpec, description: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> RecurrentModel:
        """The model of a file's parts."""
        shifts = description["recurrent"]
        if not isinstance(shifts, dict):
            raise InvalidEntropyModel("'recurrent' must be an object of shifts")
        prefixes = ("recurrent.", "input.", "output.", "table.")
        known = {name: tensor for name, tensor in tensors.items() if name.startswith(prefixes) or name == SPEAKER}
        return RecurrentModel(spec, shifts, known)

    def description(self) -> dict[str, Any]:
        return {**self.spec.to_json(), "recurrent": self.shifts}

    def tensors(self) -> dict[str, NDArray[Any]]:
        return self._parts

    def lanes(self, batch: Batch) -> _RecurrentLanes:
        return _RecurrentLanes(self, batch)

    def _check_limits(self, hidden: int) -> None:
        _check_bound("recurrent.initial", self._parts["recurrent.initial"], 2**STATE_BITS)
        # What is added to a gate's sum, and to the odds, has to leave them exact as well.
        _check_bound("recurrent.bias", self._parts["recurrent.bias"], 2**20)
        for name, shift in self.shifts.items():
            if isinstance(shift, bool) or not isinstance(shift, int) or not 0 <= shift <= MAX_SHIFT:
                raise InvalidEntropyModel(f"the shift of {name} is {shown(shift)}; it must be an integer in 0 .. {MAX_SHIFT}")
            part, rows = self._parts[name], 2**20 // hidden
            # Part by part, as what is made on the way can take more memory than the model.
            blocks = (part[start : start + rows] for start in range(0, len(part), rows))
            largest = max(int(np.abs(block).sum(axis=1, dtype=np.int64).max()) for block in blocks)
            if largest << INPUT_BITS >= EXACT:
                raise InvalidEntropyModel(f"a row of {name} sums to {largest}; {(EXACT >> INPUT_BITS) - 1} is the limit")
        for title in self._spoken.values():
            _check_bound(f"input.{title}", self._parts[f"input.{title}"], 2**15)
            _check_bound(f"table.{title}", self._parts[f"table.{title}"], 2**20)

    @cached_property
    def floats(self) -> dict[str, Array]:
        """The parts as float32 arrays, ready for products: weights transposed and contiguous, all outputs side by side.

        Each weight is shifted already: a power of two takes nothing from any product or sum.
        """
        made = {name: part.astype(np.float32) for name, part in self._parts.items()}
        for name, shift in self.shifts.items():
            made[name] *= np.float32(2.0**-shift)
        made["recurrent.weight"] = np.ascontiguousarray(made["recurrent.weight"].T)
        outputs = [made.pop(f"output.{title}") for title in self._spoken.values()] or [np.zeros((0, self.hidden), np.float32)]
        made["output"] = np.ascontiguousarray(np.concatenate(outputs).T)
        for title in self._spoken.values():
            table = made[f"table.{title}"]
            made[f"table.{title}"] = table.reshape(-1, table.shape[-1])
        return made

    @cached_property
    def columns(self) -> dict[int | str, slice]:
        """Where each stream's outputs stand among all."""
        out, start = {}, 0
        for name in self._spoken:
            out[name] = slice(start, start + self.spec.stream(name).alphabet)
            start = out[name].stop
        return out


class _RecurrentLanes:
    """The network's state for packets side by side."""

    def __init__(self, model: RecurrentModel, batch: Batch) -> None:
        self._model, self._batch, self._columns = model, batch, model.columns
        self._parts = model.floats
        self._tables = {name: self._parts[f"table.{title}"] for name, title in model._spoken.items()}
        self._inputs = [(name, self._parts[f"input.{title}"]) for name, title in model._spoken.items()]
        self._frame = 0
        self._state = np.tile(self._parts["recurrent.initial"], (len(batch.order), 1))
        self._odds: Array | None = None

    def frequencies(self, name: int | str, position: int, count: int) -> NDArray[np.int64]:
        return frequencies(self.odds(name, position, count), self._model.spec.precision)

    def few(self, name: int | str, position: int, count: int) -> list[Distribution]:
        odds, precision = self.odds(name, position, count), self._model.spec.precision
        if odds.shape[1] > FEW:
            return [Distribution(mine) for mine in frequencies(odds, precision).tolist()]
        return [Distribution(few_frequencies(mine, precision)) for mine in odds.tolist()]

    def odds(self, name: int | str, position: int, count: int) -> Array:
        """(count, alphabet) log2 odds, 10 fraction bits."""
        frame = self._batch.plan.frame[name][position]
        if self._frame < frame or self._odds is None:
            while self._frame < frame:
                self._advance()
            self._odds = self._outputs(self._state)
        return self._odds[:count, self._columns[name]] + self._tables[name][self._batch.cells(name, position, count)]

    def block(self, frames: range, count: int) -> Iterator[tuple[int | str, slice, NDArray[np.int64]]]:
        states = np.zeros((len(frames), count, self._model.hidden), np.float32)
        for number, frame in enumerate(frames):
            if frame > self._frame:
                self._advance()
            states[number, : len(self._state)] = self._state
        outputs = self._outputs(states)
        for name, table in self._tables.items():
            positions = self._batch.positions(name, frames)
            if positions.start < positions.stop:
                odds = outputs[self._batch.plan.frame[name][positions] - frames.start][..., self._columns[name]]
                odds = odds + table[self._batch.block(name, positions, count)]
                yield name, positions, frequencies(odds, self._model.spec.precision)

    def _advance(self) -> None:
        """On by one frame, with the packets that have it."""
        batch, count = self._batch, self._batch.lanes(self._frame + 1)
        given = np.zeros((count, 3 * self._model.hidden), np.float32)
        for name, table in self._inputs:
            given += table[batch.covering(self._frame, count) if name == F0 else batch.read(name, self._frame, count)]
        self._state = step(self._state[:count], given, self._parts)
        self._frame += 1

    def _outputs(self, states: Array) -> Array:
        odds = product(_rounded(states), self._parts["output"])
        return np.floor(odds, out=odds)


def product(values: Array, weights: Array) -> Array:
    """(..., hidden) @ (hidden, m): the one place where the order of summation is not ours."""
    made: Array = values @ weights
    return made


def step(state: Array, given: Array, parts: Mapping[str, Array]) -> Array:
    """The state (n, hidden) after a frame whose symbols gave (n, 3 * hidden); `given` is used up. All values are integers."""
    hidden = state.shape[1]
    made = product(_rounded(state), parts["recurrent.weight"])
    np.floor(made, out=made)
    # Reset and update gate, 9 fraction bits: 0 .. 512.
    gates = given[:, : 2 * hidden]
    gates += made[:, : 2 * hidden]
    _bend(gates, 4 << SUM_BITS)
    gates *= np.float32(2.0**-16)
    np.floor(gates, out=gates)
    gates += np.float32(256)
    reset, update = gates[:, :hidden], gates[:, hidden:]
    # The candidate, 14 fraction bits.
    candidate = made[:, 2 * hidden :]
    candidate += parts["recurrent.bias"]
    _clip(candidate, 2**15 - 1)
    candidate *= reset
    candidate *= np.float32(2.0**-9)
    np.floor(candidate, out=candidate)
    candidate += given[:, 2 * hidden :]
    _bend(candidate, 2 << SUM_BITS)
    candidate *= np.float32(2.0**-8)
    np.floor(candidate, out=candidate)
    # The state moves toward it by the update gate's share, rounded to the nearest.
    candidate -= state
    candidate *= update
    candidate += np.float32(256)
    candidate *= np.float32(2.0**-9)
    np.floor(candidate, out=candidate)
    candidate += state
    return candidate


def frequencies(odds: Array, precision: int) -> NDArray[np.int64]:
    """Log2 odds (..., alphabet), 10 fraction bits -> frequencies of the same shape, each >= 1, that sum to 2**precision."""
    below = odds.max(axis=-1, keepdims=True) - odds
    weights = POWERS.take(below.astype(np.intp), mode="clip")
    free = 2**precision - odds.shape[-1]
    # Both factors and their product are integers below 2**53, and a quotient of such that is no integer is too far from one
    # to be rounded to it.
    shares = np.floor(weights * free / weights.sum(axis=-1, keepdims=True)).astype(np.int64) + 1
    best = below.argmin(axis=-1)[..., None]
    rest = 2**precision - shares.sum(axis=-1, keepdims=True)
    np.put_along_axis(shares, best, np.take_along_axis(shares, best, axis=-1) + rest, axis=-1)
    return shares


def few_frequencies(odds: list[float], precision: int) -> list[int]:
    """The same of one symbol of a small alphabet, (alphabet,), where calls of NumPy would take longer than the work."""
    best = max(odds)
    weights = [INTEGER_POWERS[min(int(best - each), LIMIT)] for each in odds]
    total, free = sum(weights), 2**precision - len(odds)
    shares = [1 + weight * free // total for weight in weights]
    shares[odds.index(best)] += 2**precision - sum(shares)
    return shares


def _rounded(state: Array) -> Array:
    """The state with 9 fraction bits, to the nearest."""
    out = state + np.float32(1 << STATE_BITS - INPUT_BITS - 1)
    out *= np.float32(2.0 ** (INPUT_BITS - STATE_BITS))
    return np.floor(out, out=out)


def _bend(values: Array, limit: int) -> None:
    """x -> x * (2 * limit - |x|) with x cut to -limit .. limit, in place: rises from slope to level as a sigmoid does."""
    _clip(values, limit)
    slope = np.abs(values)
    np.subtract(np.float32(2 * limit), slope, out=slope)
    values *= slope


def _clip(values: Array, limit: int) -> None:
    # A fraction of what a minimum and a maximum take, which mind NaN.
    np.clip(values, np.float32(-limit), np.float32(limit), out=values)


def _hidden(parts: Mapping[str, NDArray[Any]]) -> int:
    initial = parts.get("recurrent.initial")
    if initial is None or initial.ndim != 1 or not 1 <= len(initial) <= MAX_HIDDEN:
        raise InvalidEntropyModel(f"recurrent.initial must be one row of 1 .. {MAX_HIDDEN} integers")
    return len(initial)


def _check_names(title: str, given: Mapping[str, Any], wanted: Any) -> None:
    if sorted(given) != sorted(wanted):
        raise InvalidEntropyModel(f"{title} {shown(sorted(given))} given, {shown(sorted(wanted))} needed")


def _checked(name: str, part: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.int32]:
    if part.dtype.kind not in "iu":
        raise InvalidEntropyModel(f"{name} must hold integers, not {part.dtype}")
    if part.shape != shape:
        raise InvalidEntropyModel(f"{name} has shape {part.shape}, not {shape}")
    _check_bound(name, part, 2**31 - 1)
    copy = np.array(part, dtype=np.int32, order="C")
    copy.flags.writeable = False
    return copy


def _check_bound(name: str, part: NDArray[Any], limit: int) -> None:
    if part.size and (int(part.min()) < -limit or int(part.max()) > limit):
        raise InvalidEntropyModel(f"{name} holds a value outside -{limit} .. {limit}")
