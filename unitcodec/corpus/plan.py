"""A corpus as it shall be: which recordings become which shard. The same inputs give the same plan, on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import UnitcodecError
from .recordings import Recording
from .store import Store

FORMATS = ("parquet", "tar")
PLAN = "corpus.json"


@dataclass(frozen=True, eq=False)
class Slice:
    """What becomes one shard: recordings, or all that a tar holds."""

    number: int
    recordings: tuple[Recording, ...] = ()
    tar: str | None = None

    def to_json(self) -> str:
        """As text, which :meth:`from_json` takes."""
        return json.dumps(asdict(self), default=str)

    @staticmethod
    def from_json(text: str) -> Slice:
        """Inverse of :meth:`to_json`."""
        found = json.loads(text)
        return Slice(found["number"], tuple(Recording(**each) for each in found["recordings"]), found["tar"])


@dataclass(frozen=True)
class Plan:
    """How a corpus is coded; all that a worker has to know besides its slice.

    Attributes:
        store: where it goes.
        shards: how many there will be.
        inputs: digest of the slices, see :func:`digest`.
        format: "parquet" or "tar".
        split: what shards are called, as on Hugging Face's hub: ``data/train-00000-of-00012.parquet``.
        model: packaged model or folder, as every worker finds it.
        fingerprint: of it.
        device: that it runs on.
        bitrate, effort: see ``Codec.encode``.
    """

    store: Store
    shards: int
    inputs: str
    format: str = "parquet"
    split: str = "train"
    model: str = "default"
    fingerprint: str = ""
    device: str = "auto"
    bitrate: float | None = None
    effort: int = 0

    def shard(self, number: int) -> str:
        """The name of a shard in the store."""
        return f"data/{self._stem(number)}.{self.format}"

    def report(self, number: int) -> str:
        """The name of what is told of a shard; it is written before the shard is."""
        return f".reports/{self._stem(number)}.json"

    def _stem(self, number: int) -> str:
        return f"{self.split}-{number:05d}-of-{self.shards:05d}"

    def begin(self) -> None:
        """Settle it in the store, or see that it is the one that was begun there.

        Raises UnitcodecError where another was, or where something else is; OSError.
        """
        names = ("format", "split", "shards", "inputs", "fingerprint", "bitrate", *(["effort"] if self.effort else []))
        settled = {"version": 1, **{name: getattr(self, name) for name in names}}
        if not self.store.exists(PLAN):
            if self.store.names():
                raise UnitcodecError(f"{self.store.root}: is not empty, and no corpus was begun in it; name another folder")
            self.store.write(PLAN, json.dumps(settled, indent=1).encode("ascii"))
            return
        try:
            before = json.loads(self.store.read(PLAN))
            other = [_WORDS.get(name, name) for name in {**settled, **before} if before.get(name) != settled.get(name)]
        except (ValueError, AttributeError, TypeError) as error:
            raise UnitcodecError(f"{self.store.root}: its {PLAN} cannot be read; name another folder") from error
        if other:
            raise UnitcodecError(f"{self.store.root}: was begun with other {', '.join(other)}; name another folder")


_WORDS = {"shards": "number of shards", "fingerprint": "model"}


def slices_of(recordings: Sequence[Recording], size: int) -> tuple[Slice, ...]:
    """So many recordings a slice."""
    starts = range(0, len(recordings), size)
    return tuple(Slice(number, tuple(recordings[start : start + size])) for number, start in enumerate(starts))


def slices_of_tars(tars: Sequence[str]) -> tuple[Slice, ...]:
    """A tar a slice."""
    return tuple(Slice(number, tar=tar) for number, tar in enumerate(tars))


def digest(slices: Sequence[Slice]) -> str:
    """Of all that is to be coded, and of how it is cut."""
    found = hashlib.sha256()
    for line in _lines(slices):
        found.update(json.dumps(line, sort_keys=True, default=str).encode("ascii") + b"\n")
    return found.hexdigest()[:16]


def _lines(slices: Sequence[Slice]) -> Iterator[Any]:
    for each in slices:
        yield each.tar or len(each.recordings)
        yield from map(asdict, each.recordings)
