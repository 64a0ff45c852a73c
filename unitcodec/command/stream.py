"""The bytes of ``.uc`` streams, from files and pipes."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from unitcodec.command.jobs import STANDARD
from unitcodec.command.run import say, source_name, stdin, words

if TYPE_CHECKING:
    from bitstream import OnError, StreamInfo


class Checked(NamedTuple):
    """A stream's bytes; and its length in samples, if all of it was looked through and is sound."""

    data: bytes
    num_samples: int | None = None


def read_stream(source: str, any_bytes: bool = False) -> bytes:
    """The bytes of a stream; anything else, however long, is refused by its first bytes, unless ``any_bytes`` are wanted."""
    from bitstream import NotUnitcodec
    from bitstream.stream.header import MAGIC

    with contextlib.nullcontext(stdin()) if source == STANDARD else open(source, "rb") as stream:
        head = stream.read(len(MAGIC))
        if not head:
            raise NotUnitcodec("is empty")
        if head != MAGIC and not any_bytes:
            raise NotUnitcodec("not a unitcodec stream ('unitcodec encode' makes one of audio)")
        return head + stream.read()


class _Started(io.RawIOBase):
    """A pipe of which the first bytes were read: it gives them again."""

    def __init__(self, head: bytes, pipe: io.BufferedReader) -> None:
        self._head, self._pipe = head, pipe

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._pipe.fileno()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._head[: len(buffer)] or self._pipe.read1(len(buffer))
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        return len(data)


def started(pipe: BinaryIO, count: int) -> tuple[bytes, BinaryIO]:
    """The first so many bytes of a pipe, however slowly they come, and all of it. peek() gives what the first write brought."""
    head = b""
    while len(head) < count and (more := pipe.read1(count - len(head))):  # type: ignore[attr-defined]
        head += more
    return head, io.BufferedReader(_Started(head, pipe))  # type: ignore[arg-type]


def _outcome(facts: StreamInfo) -> str:
    """What becomes of a stream that is damaged and played all the same."""
    bad = any(not packet.ok for packet in facts.packets)
    if facts.complete:
        return "; concealed" if bad else "; left out"
    return f"{', and the end is missing' if bad else ''}; what is sound of it is played"


def read_checked(source: str, on_error: OnError, max_seconds: float | None = None) -> Checked:
    """A stream of which all is wanted: its checks are verified before the first sound is made, and damage is told.

    Raises Damaged for what ``on_error`` does not allow, and TooLong for what ``max_seconds``, as for PacketReader, does not.
    """
    from bitstream import BitstreamError, Damaged, TooLong, inspect
    from bitstream.live.stream import is_live
    from unitcodec.command.report import damage

    data = read_stream(source, any_bytes=on_error == "salvage")
    try:
        facts = inspect(data, max_seconds=max_seconds)
    except TooLong:
        raise
    except BitstreamError as error:
        if on_error != "salvage":
            raise
        say(f"unitcodec: {source_name(source)}: {words(error)}; its packets are looked for")
        return Checked(data)
    problem = damage(facts)
    live = is_live(data)
    if problem is None:
        return Checked(data, facts.num_samples if live or facts.bits is not None else None)  # no bits: its model was not at hand
    if on_error == "strict" or (on_error == "conceal" and not facts.complete):
        cure = "--conceal plays the rest" if facts.complete else "--salvage plays what is there"
        raise Damaged(f"{problem}; {cure}")
    say(f"unitcodec: {source_name(source)}: {problem}{_outcome(facts)}")
    return Checked(data, facts.num_samples if live else None)
