"""Train the network of ``bitstream.RecurrentModel`` in floating point, and round it to integers."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from bitstream import EntropySpec, RecurrentModel
from bitstream.entropy.batch import Batch, covering
from bitstream.entropy.recurrent import EXACT, INPUT_BITS, MAX_SHIFT, SPEAKER, STATE_BITS, SUM_BITS
from bitstream.entropy.spec import F0, stream_title

from ..errors import UnitcodecError
from .loop import Run, cosine, set_rate
from .recurrence import Recurrence, bend

Packet = tuple[NDArray[np.int32], NDArray[np.int32]]


@dataclass(frozen=True)
class Settings:
    """What training goes by.

    ``drop`` of the states that speak, ``drop_input`` of what symbols say to the network, ``drop_weight`` of recurrent weights
    (Merity et al. 2017, arXiv 1708.02182, section 2); ``average`` is the decay of the average of weights that is kept.
    """

    hidden: int = 256
    embedding: int = 64
    epochs: int = 16
    lanes: int = 32
    rate: float = 3e-3
    decay: float = 1e-2
    drop: float = 0.15
    drop_input: float = 0.05
    drop_weight: float = 0.0
    average: float = 0.999
    seed: int = 0

    @staticmethod
    def of(given: Sequence[str]) -> Settings:
        """The defaults but for what is given as NAME=VALUE. Raises UnitcodecError for what is no setting."""
        defaults, values = vars(Settings()), {}
        for each in given:
            name, _, value = each.partition("=")
            if name not in defaults:
                raise UnitcodecError(f"--setting {each}: no such setting; there are {', '.join(defaults)}")
            try:
                values[name] = type(defaults[name])(value)
            except ValueError as error:
                raise UnitcodecError(f"--setting {each}: {error}") from error
        return Settings(**values)


class RecurrentNet(nn.Module):
    """The floating-point twin of :class:`bitstream.RecurrentModel`."""

    def __init__(self, spec: EntropySpec, settings: Settings):
        super().__init__()
        self.spec, self.settings = spec, settings
        self.spoken = [name for name in spec.names if spec.stream(name).alphabet > 1]
        hidden, width = settings.hidden, settings.embedding
        alphabets = {name: spec.stream(name).alphabet for name in self.spoken}
        self.symbols = nn.ModuleDict({_key(name): nn.Embedding(size, width) for name, size in alphabets.items()})
        self.read = nn.ModuleDict({_key(name): nn.Linear(width, 3 * hidden, bias=False) for name in alphabets})
        self.given = nn.Parameter(torch.zeros(3 * hidden))
        self.weight = nn.Parameter(torch.cat([nn.init.orthogonal_(torch.empty(hidden, hidden)) for _ in range(3)]))
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.initial = nn.Parameter(torch.zeros(hidden))
        self.speak = nn.ModuleDict({_key(name): nn.Linear(hidden, size, bias=False) for name, size in alphabets.items()})
        self.tables = nn.ParameterDict(
            {_key(name): nn.Parameter(torch.zeros(math.prod(spec.table_shape(name)[:-1]), alphabets[name])) for name in alphabets}
        )

    def forward(self, batch: Batch) -> dict[int | str, Tensor]:
        """Nats by stream, summed over the packets."""
        settings, training = self.settings, self.training
        lanes, frames = len(batch.order), int(batch.frames[0])
        total = self.given.expand(frames - 1, lanes, -1)
        for name in self.spoken:
            symbols = torch.from_numpy(self._heard(name, batch)).long()
            table = self.read[_key(name)](F.dropout(self._embedding(name), settings.drop_input, training))
            total = total + F.embedding(symbols, table)
        weight = F.dropout(self.weight, settings.drop_weight, training)
        states: Tensor = Recurrence.apply(total, bend(self.initial).expand(lanes, -1).contiguous(), weight, self.bias)  # type: ignore[no-untyped-call]
        # The same part of a packet's state is dropped throughout (Gal and Ghahramani 2016, arXiv 1512.05287).
        states = states * F.dropout(states.new_ones(lanes, settings.hidden), settings.drop, training)
        nats: dict[int | str, Tensor] = {}
        for name in self.spoken:
            symbols = torch.from_numpy(batch.symbols(name)).long()
            own = batch.block(name, slice(0, len(symbols)), lanes)
            spoken = states if name != F0 else states[torch.from_numpy(batch.plan.frame[F0][: len(symbols)])]
            odds = self.speak[_key(name)](spoken) + self.tables[_key(name)][torch.from_numpy(own)]
            target = torch.where(torch.arange(len(symbols))[:, None] < torch.from_numpy(batch.counts(name)), symbols, -100)
            nats[name] = F.cross_entropy(odds.flatten(0, 1), target.flatten(), reduction="sum")
        return nats

    def _embedding(self, name: int | str) -> Tensor:
        table = self.symbols[_key(name)]
        assert isinstance(table, nn.Embedding)
        return table.weight

    def _heard(self, name: int | str, batch: Batch) -> NDArray[np.int32]:
        """(frames - 1, n) symbols of a stream that each frame tells the next."""
        symbols, frames = batch.symbols(name), int(batch.frames[0]) - 1
        return symbols[np.minimum(covering(self.spec, np.arange(frames)), len(symbols) - 1)] if name == F0 else symbols[:frames]

    def quantize(self, speaker: NDArray[np.uint32] | None = None) -> RecurrentModel:
        """The integers nearest to the weights; ``speaker``: frequencies of the speaker fields' values, if they are known."""
        spec = self.spec
        state = {name: value.detach().double() for name, value in self.state_dict().items()}
        shifts: dict[str, int] = {}
        parts: dict[str, NDArray[Any]] = {} if speaker is None else {SPEAKER: speaker}
        parts["recurrent.initial"] = _integers(bend(state["initial"]), STATE_BITS)
        parts["recurrent.bias"] = _integers(state["bias"], SUM_BITS)
        shifts["recurrent.weight"], parts["recurrent.weight"] = _weights(state["weight"])
        for name in self.spoken:
            key, title = _key(name), stream_title(name)
            given = state[f"symbols.{key}.weight"] @ state[f"read.{key}.weight"].t()
            parts[f"input.{title}"] = _integers(given + (state["given"] if name == self.spoken[0] else 0), SUM_BITS)
            shifts[f"output.{title}"], parts[f"output.{title}"] = _weights(state[f"speak.{key}.weight"] / math.log(2))
            table = _integers(state[f"tables.{key}"] / math.log(2), SUM_BITS)
            parts[f"table.{title}"] = table.reshape(spec.table_shape(name))
        return RecurrentModel(spec, shifts, parts)


def train(
    spec: EntropySpec,
    sequences: Sequence[Packet],
    folder: Path,
    settings: Settings,
    held_out: Sequence[Packet] = (),
) -> RecurrentNet:
    """Fit a network to utterances, units (rows, frames) and f0 (f0_frames,); the run's state and log are kept in ``folder``.

    Returns:
        The average of the weights on the way, whose bits a unit frame on ``held_out`` the log tells.
    """
    torch.manual_seed(settings.seed)
    net = RecurrentNet(spec, settings)
    optimizer = torch.optim.AdamW(net.parameters(), settings.rate, (0.9, 0.99), weight_decay=settings.decay)
    average = copy.deepcopy(net).eval().requires_grad_(False)
    size = len(packets_of(spec, sequences))
    groups = -(-size // settings.lanes)
    steps = settings.epochs * groups
    run = Run(folder, {"model": net, "average": average, "optimizer": optimizer}, steps, every=min(groups, 100))
    aside = packets_of(spec, held_out)

    def validate() -> dict[str, float]:
        return {f"bits_{name}": bits for name, bits in _per_frame(cross_entropy(average, aside), aside).items()} if aside else {}

    epoch = -1
    for step in run.steps(validate, groups):
        if step // groups != epoch:
            # The same order and the same cuts whether the run went through or was resumed.
            epoch = step // groups
            rng = np.random.default_rng((settings.seed, epoch))
            packets = packets_of(spec, sequences, rng)
            order = _groups(packets, groups, rng)
        set_rate(optimizer, cosine(step, steps, settings.rate, warmup=100, floor=0.0))
        batch = Batch.of_packets(spec, [packets[index] for index in order[step % groups]])
        nats = torch.stack(list(net(batch).values())).sum() / int(batch.frames.sum())
        optimizer.zero_grad()
        nats.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        decay = min(settings.average, (step + 1) / (step + 10))
        with torch.no_grad():
            for mean, value in zip(average.parameters(), net.parameters(), strict=True):
                mean.lerp_(value, 1.0 - decay)
        run.log(bits=nats / math.log(2))
    return average


def packets_of(spec: EntropySpec, sequences: Sequence[Packet], rng: np.random.Generator | None = None) -> list[Packet]:
    """Utterances cut into packets, as when coding; with ``rng`` the cuts fall anywhere in those longer than a packet."""
    packets = []
    whole = spec.packet_frames, spec.packet_f0_frames
    # The least that holds a whole number of both kinds of frames.
    grain = math.gcd(*whole)
    for units, f0 in sequences:
        first = 0
        if rng is not None and units.shape[1] > spec.packet_frames:
            first = int(rng.integers(grain))
        cuts = [0, *(first * whole[0] // grain + k * whole[0] for k in range(-(-units.shape[1] // whole[0])))]
        for start, stop in zip(cuts, [*cuts[1:], units.shape[1]], strict=True):
            if start < min(stop, units.shape[1]):
                f0_start, f0_stop = (at * whole[1] // whole[0] for at in (start, stop))
                end = f0_stop if stop < units.shape[1] else None
                packets.append((units[:, start:stop], f0[f0_start:end]))
    return packets


@torch.no_grad()
def cross_entropy(net: RecurrentNet, packets: Sequence[Packet]) -> dict[int | str, float]:
    """Bits by stream that the network needs for the packets, without rounding anything."""
    bits = dict.fromkeys(net.spoken, 0.0)
    order = sorted(range(len(packets)), key=lambda index: packets[index][0].shape[1])
    for start in range(0, len(order), 64):
        for name, nats in net(Batch.of_packets(net.spec, [packets[index] for index in order[start : start + 64]])).items():
            bits[name] += float(nats) / math.log(2)
    return bits


def _groups(packets: Sequence[Packet], count: int, rng: np.random.Generator) -> list[list[int]]:
    """Packets of like length together, ``count`` groups in random order."""
    lengths = np.array([units.shape[1] for units, _ in packets])
    order = np.argsort(lengths * rng.uniform(0.95, 1.05, len(lengths)))
    groups = [group.tolist() for group in np.array_split(order, count)]
    return [groups[index] for index in rng.permutation(count)]


def _per_frame(bits: Mapping[int | str, float], packets: Sequence[Packet]) -> dict[int | str, float]:
    frames = sum(units.shape[1] for units, _ in packets)
    return {name: value / frames for name, value in bits.items()}


def _key(name: int | str) -> str:
    return str(name)


def _integers(values: Tensor, bits: int) -> NDArray[np.int32]:
    array: NDArray[np.int32] = np.rint(values.numpy() * 2.0**bits).astype(np.int32)
    return array


def _weights(values: Tensor) -> tuple[int, NDArray[np.int32]]:
    """(shift, integers): as many fraction bits as a row's sum allows."""
    largest = float(values.abs().sum(1).max())
    # Half a unit a weight is what rounding may add.
    limit = (EXACT >> INPUT_BITS) - 1 - values.shape[1] / 2
    bits = min(math.floor(math.log2(limit / max(largest, 1e-9))), MAX_SHIFT + 1)
    return bits - 1, _integers(values, bits)
