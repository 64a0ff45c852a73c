"""The recurrent entropy model in plain Python integers, written from docs/entropy-models.md, section 3: no NumPy, no floats."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, localcontext
from functools import cache
from typing import Any


@cache
def weight(below: int) -> int:
    """2**24 * 2**(-below / 1024) to the nearest integer, 0 from 24 octaves on."""
    if below >= 24 * 1024:
        return 0
    with localcontext() as context:
        context.prec = 60
        return int((Decimal(2) ** (24 - Decimal(below) / 1024) + Decimal("0.5")).to_integral_value("ROUND_FLOOR"))


def frequencies(odds: list[int], precision: int) -> list[int]:
    weights = [weight(max(odds) - each) for each in odds]
    free = 2**precision - len(odds)
    shares = [1 + each * free // sum(weights) for each in weights]
    shares[odds.index(max(odds))] += 2**precision - sum(shares)
    return shares


def product(rows: Any, state: list[int], shift: int) -> list[int]:
    rounded = [(value + 16) >> 5 for value in state]
    return [sum(int(w) * x for w, x in zip(row, rounded, strict=True)) >> shift for row in rows]


def bend(value: int, limit: int) -> int:
    value = max(-limit, min(limit, value))
    return value * (2 * limit - abs(value))


def step(state: list[int], given: list[int], parts: dict[str, Any], shift: int) -> list[int]:
    hidden = len(state)
    made = product(parts["recurrent.weight"].tolist(), state, shift)
    out = []
    for i in range(hidden):
        reset, update = (256 + (bend(given[k] + made[k], 4096) >> 16) for k in (i, hidden + i))
        inner = made[2 * hidden + i] + int(parts["recurrent.bias"][i])
        inner = max(-32767, min(32767, inner))
        candidate = bend((inner * reset >> 9) + given[2 * hidden + i], 2048) >> 8
        out.append(state[i] + ((candidate - state[i]) * update + 256 >> 9))
    return out


def predict(model: Any, units: list[list[int]], f0: list[int]) -> Iterator[tuple[int | str, int, list[int]]]:
    """(stream, symbol, frequencies) of a packet's symbols in coding order; streams of one symbol are left out."""
    spec, parts, shifts = model.spec, model.tensors(), model.shifts
    state = parts["recurrent.initial"].tolist()
    hidden = len(state)
    coded: dict[int | str, list[int]] = {name: [] for name in spec.names}

    def tell(name: int | str, title: str, symbol: int, t: int) -> tuple[int | str, int, list[int]]:
        stream = spec.stream(name)
        cell: Any = parts[f"table.{title}"]
        for other, lag in stream.context:
            past = coded[other]
            if other == "f0":
                at = len(past) - lag if name == "f0" else len(past) - 1 - lag
            else:
                at = t - lag
            cell = cell[past[at] if at >= 0 else spec.stream(other).alphabet]
        odds = product(parts[f"output.{title}"].tolist(), state, shifts[f"output.{title}"])
        return name, symbol, frequencies([a + int(b) for a, b in zip(odds, cell, strict=True)], spec.precision)

    for t in range(len(units[0])):
        while len(coded["f0"]) < len(f0) and len(coded["f0"]) * spec.f0_hop // spec.unit_hop <= t:
            symbol = f0[len(coded["f0"])]
            if spec.f0.alphabet > 1:
                yield tell("f0", "f0", symbol, t)
            coded["f0"].append(symbol)
        for row in range(len(units)):
            if spec.rows[row].alphabet > 1:
                yield tell(row, f"units.{row}", units[row][t], t)
            coded[row].append(units[row][t])
        given = [0] * (3 * hidden)
        for name in spec.names:
            if spec.stream(name).alphabet > 1:
                title = "f0" if name == "f0" else f"units.{name}"
                row_of = parts[f"input.{title}"][coded[name][-1]].tolist()
                given = [a + b for a, b in zip(given, row_of, strict=True)]
        state = step(state, given, parts, shifts["recurrent.weight"])
