"""Shards: what was coded of a slice, as the bytes of a Parquet file or of a tar in WebDataset's layout."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..errors import UnitcodecError
from .recordings import Recording

_BLOCK = 512  # bytes that a tar is made of


@dataclass(frozen=True)
class Coded:
    """A recording and its stream."""

    recording: Recording
    stream: bytes
    num_samples: int
    sample_rate: int = 16000

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.num_samples / self.sample_rate

    def facts(self, model: str) -> dict[str, Any]:
        """What is said of it in a shard, but for the stream itself."""
        metadata = dict(self.recording.metadata)
        return {
            "id": self.recording.id,
            "path": self.recording.path,
            "num_samples": self.num_samples,
            "duration": self.duration,
            "bits": 8 * len(self.stream),
            "model": model,
            "speaker": self.recording.speaker,
            "transcript": self.recording.transcript,
            "metadata": json.dumps(metadata, sort_keys=True, default=str) if metadata else None,
        }


def shard_bytes(format: str, coded: Sequence[Coded], model: str) -> tuple[bytes, list[dict[str, int]]]:
    """A shard, and where in it each recording is: ``row``, and in a tar ``offset`` and ``size`` of its stream in bytes.

    ``model``: fingerprint. Raises UnitcodecError where pyarrow is missing.
    """
    return (_parquet if format == "parquet" else _tar)(coded, model)


def require(format: str) -> None:
    """Raises UnitcodecError where what writes a format is missing."""
    if format == "parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise UnitcodecError("Parquet needs pyarrow: pip install 'unitcodec[corpus]'; --format tar needs nothing") from error


def _parquet(coded: Sequence[Coded], model: str) -> tuple[bytes, list[dict[str, int]]]:
    import pyarrow
    from pyarrow import parquet

    text = pyarrow.string()
    types = {
        "id": text, "path": text, "stream": pyarrow.binary(), "num_samples": pyarrow.int64(), "duration": pyarrow.float64(),
        "bits": pyarrow.int64(), "model": text, "speaker": text, "transcript": text, "metadata": text,
    }  # fmt: skip
    rows = [{**{name: _utf8(value) for name, value in each.facts(model).items()}, "stream": each.stream} for each in coded]
    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(list(types.items()))), sink)
    return sink.getvalue(), [{"row": row} for row in range(len(coded))]


def _utf8(value: Any) -> Any:
    """Names of files may hold bytes that are no text."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value


def _tar(coded: Sequence[Coded], model: str) -> tuple[bytes, list[dict[str, int]]]:
    sink, places = io.BytesIO(), []
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for row, each in enumerate(coded):
            key = member_key(each.recording.id)
            _add(tar, f"{key}.uc", each.stream)
            places.append({"row": row, "offset": tar.offset - -(-len(each.stream) // _BLOCK) * _BLOCK, "size": len(each.stream)})
            _add(tar, f"{key}.json", json.dumps(each.facts(model)).encode("ascii"))
    return sink.getvalue(), places


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def member_key(identity: str) -> str:
    """An id -> what its members are called: a relative path that leads nowhere else, and one key to WebDataset. No two are alike.

    >>> member_key("../p225/a.b")
    '%2E%2E/p225/a%2Eb'
    """
    parts = [quote(part, safe=" ", errors="surrogatepass").replace(".", "%2E") for part in identity.split("/")]
    return "/".join(part or "%" for part in parts)
