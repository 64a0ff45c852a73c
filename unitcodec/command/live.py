"""Live streams for ``encode`` and ``decode``: packets as they come, each as soon as it can be."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from unitcodec.command.jobs import JobError
from unitcodec.command.opener import Opener
from unitcodec.command.run import CannotGoOn, say
from unitcodec.command.stream import Checked

if TYPE_CHECKING:
    from bitstream import OnError
    from unitcodec.audio import Samples
    from unitcodec.codec import Codec

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class LiveOptions:
    """Of ``encode --live``: seconds of a packet, bytes of each, whether pauses are left out, after how many copies come."""

    packet: float
    cbr: int | None
    dtx: bool
    fec: int

    def packets(self, codec: Codec, blocks: Iterable[Samples], bitrate: float | None) -> Iterator[bytes]:
        """Blocks of samples -> the bytes of a stream of live packets, in pieces as they are ready."""
        from bitstream import LiveWriter
        from unitcodec.base import taken

        try:
            encoder = codec.encoder(live=True, bitrate=bitrate, packet=self.packet, cbr=self.cbr, dtx=self.dtx, fec=self.fec)
        except ValueError as error:
            given = f"--packet {self.packet:g}" if bitrate is None else f"--bitrate {bitrate:g}"
            raise CannotGoOn(f"{given if self.cbr is None else f'--cbr {self.cbr}'}: {error}") from error
        stream = io.BytesIO()
        writer = LiveWriter(stream, encoder.coder)
        for block in blocks:
            for packet in encoder.push(block):
                writer.write(packet)
            yield taken(stream)
        for packet in encoder.flush():
            writer.write(packet)
        yield taken(stream)


PACKETS = ("0.16", "0.32", "0.64", "1.28", "2.56")
"""Seconds."""

COPIES = ("1", "4", "8")
"""Packets after which the copy of one is sent."""


def live_options(command: Command) -> Command:
    """The options ``--live``, ``--packet``, ``--cbr``, ``--dtx`` and ``--fec``."""
    for add in (
        click.option(
            "--fec", type=click.Choice(COPIES), metavar="N",
            help="Of --live: every packet carries a coarse copy of the one 1, 4 or 8 packets before.",
        ),
        click.option("--dtx", is_flag=True, help="Of --live: send next to nothing while nobody speaks."),
        click.option("--cbr", type=click.IntRange(8, 255), metavar="BYTES", help="Of --live: bytes of every packet, exactly."),
        click.option(
            "--packet", type=click.Choice(PACKETS), metavar="SECONDS",
            help="Of --live: speech in a packet: 0.16, 0.32, 0.64, 1.28 or 2.56.  [default: 0.32]",
        ),
        click.option("--live", is_flag=True, help="Packets that stand alone, each half a second after its first sample."),
    ):  # fmt: skip
        command = add(command)
    return command


def asked_for(
    live: bool, packet: str | None, cbr: int | None, dtx: bool, fec: str | None, bitrate: float | None
) -> LiveOptions | None:
    """Raises JobError for options that need ``--live``, and for two that contradict each other."""
    if not live:
        if (packet, cbr, dtx, fec) != (None, None, False, None):
            raise JobError("--packet, --cbr, --dtx and --fec are about --live packets")
        return None
    if cbr is not None and bitrate is not None:
        raise JobError("--cbr, the size of every packet, fixes the rate; leave --bitrate out")
    return LiveOptions(float(packet or PACKETS[1]), cbr, dtx, int(fec or 0))


class LiveSpeech:
    """Blocks of the samples that a stream of live packets decodes to.

    Attributes:
        num_samples: how many; None if only the end of a pipe will tell.
        size, spoken: bytes of the stream, and samples, so far.
    """

    def __init__(
        self, name: str, stream: Checked | BinaryIO, opener: Opener, on_error: OnError, max_seconds: float | None = None
    ) -> None:
        """``name`` is for messages, ``max_seconds`` as for PacketReader. Raises BitstreamError for the header."""
        from bitstream import LiveReader
        from bitstream.stream.reader import Limit

        self._name, self._salvage = name, on_error == "salvage"
        self._reader = LiveReader(io.BytesIO(stream.data) if isinstance(stream, Checked) else stream)
        self.codec = opener.codec(self._reader.model)
        packet = self._reader.frames * self.codec.model.entropy.spec.unit_hop / self.codec.sample_rate
        self._decoder = self.codec.decoder(packet, self._reader.fec)
        self._limit = Limit(self.codec.model.entropy.spec, max_seconds)
        self.num_samples = stream.num_samples if isinstance(stream, Checked) else None
        self.spoken = 0

    @property
    def size(self) -> int:
        return self._reader.size

    @property
    def duration(self) -> float | None:
        return None if self.num_samples is None else self.num_samples / self.codec.sample_rate

    def __iter__(self) -> Iterator[Samples]:
        from bitstream import Truncated

        with contextlib.suppress(Truncated):  # said below
            for packet in self._reader:
                yield self._counted(self._decoder.push(packet))
        complete = self._decoder.ended
        yield self._counted(self._decoder.flush())
        if self.num_samples is not None:
            return
        if self._decoder.lost:
            say(f"unitcodec: {self._name}: {self._decoder.lost} live packets are damaged or missing; concealed")
        if not complete and not self._salvage:
            raise Truncated("the end of the stream is missing; --salvage plays what is there")

    def _counted(self, samples: Samples) -> Samples:
        """Raises TooLong."""
        self.spoken += len(samples)
        self._limit.check(self.spoken)
        self._limit.refuse(self._decoder.lost * self._decoder.packet // self._limit.packet_samples, self._decoder.lost)
        return samples
