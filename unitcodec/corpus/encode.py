"""A slice -> its shard, wherever there is a codec. Doing it twice, or at two places at once, leaves one shard."""

from __future__ import annotations

import json
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import ModelError, UnitcodecError, is_url, reason
from .plan import Plan, Slice
from .recordings import Recording, read_tar
from .shards import Coded, shard_bytes
from .store import open_path

if TYPE_CHECKING:
    from ..audio import Reader
    from ..codec import Codec

    Compress = Callable[[Reader], Iterator[bytes]]


@dataclass(frozen=True)
class Summary:
    """What became of a slice: recordings that were coded, their seconds and bytes, and how many could not be."""

    number: int
    recordings: int
    seconds: float
    size: int
    failed: int


@lru_cache(maxsize=1)
def loaded(model: str, device: str) -> Codec:
    """The codec of this process. Raises ModelError."""
    import unitcodec

    return unitcodec.load(model, device=device)


def finished(plan: Plan, number: int) -> Summary | None:
    """What became of a slice; None if its shard is not there."""
    if not plan.store.exists(plan.shard(number)):
        return None
    try:
        return Summary(**json.loads(plan.store.read(plan.report(number)))["summary"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # then both are made again


def encode_slice(
    plan: Plan, piece: Slice, codec: Codec | None = None, tell: Callable[[float], None] | None = None, again: bool = False
) -> Summary:
    """Code what a slice holds, if its shard is not there yet.

    Args:
        plan: how.
        piece: what.
        codec: the plan's; loaded when it is needed, once in a process, by default.
        tell: is called with the share that is done, 0 to 1.
        again: code it even if its shard is there.

    A recording that cannot be coded is told in the report of the shard, and the others are coded.

    Raises:
        ModelError: of ``plan.model``, or it is not that of the plan.
        OSError: the shard cannot be written.
    """
    if not again and (before := finished(plan, piece.number)) is not None:
        return before
    codec = loaded(plan.model, plan.device) if codec is None else codec
    if codec.model.entropy.fingerprint != plan.fingerprint:
        raise ModelError(f"model {codec.model.entropy.fingerprint} is found here; the corpus is coded by {plan.fingerprint}")
    coded, failed = list[Coded](), list[dict[str, Any]]()
    compress = partial(codec.compress_blocks, bitrate=plan.bitrate, effort=plan.effort)
    for number, (recording, outcome) in enumerate(_outcomes(piece, compress), 1):
        if isinstance(outcome, Coded):
            coded.append(outcome)
        else:
            failed.append({"id": recording.id, "path": recording.path, "error": outcome})
        if tell is not None and piece.recordings:
            tell(number / len(piece.recordings))
    data, places = shard_bytes(plan.format, coded, plan.fingerprint)
    summary = Summary(
        piece.number, len(coded), sum(each.duration for each in coded), sum(len(each.stream) for each in coded), len(failed)
    )
    rows = [
        {"id": each.recording.id, "shard": plan.shard(piece.number), **place, "num_samples": each.num_samples}
        for each, place in zip(coded, places, strict=True)
    ]
    report = {"summary": asdict(summary), "rows": rows, "failed": failed}
    if again:  # the report would be of another shard if this run ended between the two
        plan.store.remove(plan.shard(piece.number))
    plan.store.write(plan.report(piece.number), json.dumps(report).encode("ascii"))
    plan.store.write(plan.shard(piece.number), data)
    return summary


def _outcomes(piece: Slice, compress: Compress) -> Iterator[tuple[Recording, Coded | str]]:
    """Each recording, coded or with what is wrong with it."""
    if piece.tar is None:
        for recording in piece.recordings:
            yield recording, _attempt(recording, None, compress)
        return
    try:
        for recording, path in read_tar(piece.tar):
            yield recording, _attempt(recording, path, compress) if isinstance(path, str) else str(path)
    except ModelError:
        raise
    except Exception as error:  # whatever a URL's file system and, for a hostile tar, tarfile raise
        yield Recording(piece.tar, piece.tar), _words(error)


def _attempt(recording: Recording, path: str | None, compress: Compress) -> Coded | str:
    """A recording, of which ``path`` may be a copy."""
    try:
        if path is None and not is_url(recording.path) and not stat.S_ISREG(os.stat(recording.path).st_mode):
            return "is no regular file"  # a pipe would be waited for, and a device has no end
        if path is not None or not is_url(recording.path):
            return _read(recording, path or recording.path, compress)
        with open_path(recording.path) as stream:
            return _read(recording, stream, compress)
    except ModelError:
        raise
    except Exception as error:  # whatever a URL's file system raises; of one recording in a million the report has it
        return _words(error)


def _read(recording: Recording, source: str | BinaryIO, compress: Compress) -> Coded:
    from ..audio import open_reader

    with open_reader(source, recording.path) as reader:
        stream = b"".join(compress(reader))
        return Coded(recording, stream, reader.num_samples)


def _words(error: Exception) -> str:
    """What is wrong, in a line."""
    text = reason(error, error.filename or "") if isinstance(error, OSError) else str(error)
    text = " ".join(text.split())[:1000]
    known = isinstance(error, (UnitcodecError, OSError, tarfile.TarError))
    return text if known and text else f"{type(error).__name__}: {text}"
