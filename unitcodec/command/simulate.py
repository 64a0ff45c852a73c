"""``unitcodec simulate``: a .uc file sent over a link that loses and damages datagrams, and what is heard at its other end."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import click

from unitcodec.command.jobs import STANDARD, Job, check_targets
from unitcodec.command.opener import Opener, model_was_asked_for
from unitcodec.command.output import Output
from unitcodec.command.run import PATH, check_stdout, each, model_options, output_options, progress, say, source_name
from unitcodec.command.sound import kind_of, write_sound
from unitcodec.command.stream import read_stream

if TYPE_CHECKING:
    from bitstream import EntropyModel, SpeechCodes
    from bitstream.live.packet import LiveCoder

MTU = 20
"""Bytes: about 0.32 s of the default model's codes."""


@dataclass(frozen=True)
class Link:
    """Share of datagrams lost, how many in a row on average, rate of wrong bits, most bytes of a datagram, seed of the chance."""

    loss: float
    burst: float
    bit_errors: float
    mtu: int
    seed: int

    def check(self) -> None:
        """Raises ValueError for a link that there cannot be."""
        from bitstream.datagram.channel import bit_errors, burst_losses

        burst_losses(0, self.loss, self.burst)
        bit_errors([], self.bit_errors)


class Heard(NamedTuple):
    """What arrived; and of the datagrams with codes how many were sent, lost and damaged."""

    codes: SpeechCodes
    sent: int
    lost: int
    damaged: int


@click.command()
@click.option("--loss", type=float, default=0.1, show_default=True, metavar="SHARE", help="How many of the datagrams are lost.")
@click.option(
    "--burst", type=float, default=1.0, show_default=True, metavar="N", help="How many are lost one after another, on average."
)
@click.option(
    "--bit-errors", type=float, default=0.0, show_default=True, metavar="RATE",
    help="How many of the bits that arrive are wrong, such as 1e-4; a datagram with a wrong bit is dropped.",
)  # fmt: skip
@click.option(
    "--mtu", type=click.IntRange(1, 65507), default=MTU, show_default=True, metavar="BYTES",
    help="Bytes that a datagram has at most. With the default model the default makes about 0.32 s.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Another number, other losses.")
@model_options
@output_options
@click.argument("source", metavar="IN", type=PATH)
@click.argument("target", metavar="OUT", type=PATH)
def simulate(
    source: str,
    target: str,
    loss: float,
    burst: float,
    bit_errors: float,
    mtu: int,
    seed: int,
    model: str,
    device: str,
    overwrite: bool,
    quiet: bool,
) -> int:
    """Send a .uc file as datagrams over a bad link, and write what is heard: OUT is sound, or a .uc file.

    The speaker code and the length, which a sender can repeat, always arrive. What is lost is concealed: the last sound is held
    and fades. A .uc file has the same codes in its place, which do not fade.

    Of a live stream its own packets are sent, but for the last, which tells the end; OUT.uc holds those that arrive.
    """
    link = Link(loss, burst, bit_errors, mtu, seed)
    try:
        link.check()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    job = Job(source, target)
    check_targets([job], overwrite)
    check_stdout([job])
    kind = None if os.path.splitext(target)[1].lower() == ".uc" else kind_of(target)
    work = partial(_simulate, link, Opener(model, device, model_was_asked_for()), kind, overwrite, quiet)
    return each([job], work, lambda job: source_name(job.source))


def _simulate(link: Link, opener: Opener, kind: str | None, overwrite: bool, quiet: bool, job: Job) -> None:
    import bitstream
    from bitstream.entropy.spec import SAMPLE_RATE
    from bitstream.live.stream import is_live
    from unitcodec.decoder.packets import without_holes

    data = read_stream(job.source)
    if is_live(data):
        _simulate_live(link, data, opener, kind, overwrite, quiet, job)
        return
    codec, reader = opener.open(data, "strict")
    heard = send(bitstream.unpack(data, reader.entropy), reader.entropy, link)
    codes = heard.codes
    seconds = codes.num_samples / SAMPLE_RATE
    with Output(job.target, overwrite=overwrite) as output:
        if kind is None:
            output.write(bitstream.pack(without_holes(codes, reader.entropy.spec), reader.entropy))
        else:
            write_sound(output, progress(codec.decode_blocks(codes), seconds, job.source, quiet), codes.num_samples, kind)
    if not quiet:
        concealed = sum(stop - start for start, stop in codes.lost) * reader.entropy.spec.unit_hop / SAMPLE_RATE
        target = "standard output" if job.target == STANDARD else job.target
        say(
            f"{source_name(job.source)} -> {target}: {heard.lost} of {heard.sent} datagrams lost, {heard.damaged} damaged; "
            f"{concealed:.2f} of {seconds:.2f} s concealed"
        )


def _simulate_live(link: Link, data: bytes, opener: Opener, kind: str | None, overwrite: bool, quiet: bool, job: Job) -> None:
    from bitstream import LiveReader, LiveWriter
    from bitstream.datagram.channel import bit_errors, burst_losses

    reader = LiveReader(io.BytesIO(data))
    codec = opener.codec(reader.model)
    decoder = codec.decoder(reader.frames * codec.model.entropy.spec.unit_hop / codec.sample_rate, reader.fec)
    packets = list(reader)
    lost = burst_losses(max(0, len(packets) - 1), link.loss, link.burst, link.seed).tolist()
    came = [None if gone else packet for packet, gone in zip(packets, [*lost, False], strict=False)]
    wrong = iter(bit_errors([packet for packet in came[:-1] if packet is not None], link.bit_errors, link.seed))
    arrived = [*(None if packet is None else next(wrong) for packet in came[:-1]), *came[-1:]]
    heard, damaged = _in_time(packets, arrived, decoder.coder)
    sound = [packet for packet in heard if packet is not None]
    with Output(job.target, overwrite=overwrite) as output:
        if kind is None:
            stream = io.BytesIO()
            writer = LiveWriter(stream, decoder.coder)
            for packet in sound:
                writer.write(packet)
            output.write(stream.getvalue())
        else:
            blocks = [*(decoder.push(packet) for packet in heard), decoder.flush()]
            write_sound(output, blocks, sum(map(len, blocks)), kind)
    if not quiet:
        target = "standard output" if job.target == STANDARD else job.target
        copies = f", {decoder.copied} known from copies" if reader.fec and kind else ""
        say(f"{source_name(job.source)} -> {target}: {sum(lost)} of {len(packets)} live packets lost, {damaged} damaged{copies}")


def _in_time(sent: list[bytes], arrived: list[bytes | None], coder: LiveCoder) -> tuple[list[bytes | None], int]:
    """What a receiver with a clock hears of live packets: each in its time, None in the time of those that did not arrive.

    Numbers alone do not tell of a stream's first packets, nor of 56 and more in a row.

    Args:
        sent: all packets of a stream.
        arrived: the same as they came; None for those that did not.

    Returns:
        The packets, and how many of those that arrived are damaged.
    """
    from bitstream import Damaged
    from bitstream.live.packet import LATE, NUMBERS

    heard: list[bytes | None] = []
    damaged, due = 0, None
    for packet, came in zip(sent, arrived, strict=True):
        try:
            number = coder.head(packet)[1]
        except Damaged:  # before it was sent; the number of the next one tells
            damaged += came is not None
            continue
        gap = 0 if due is None else (number - due) % NUMBERS
        if gap < LATE:  # a second copy takes no time of its own
            heard += [None] * gap
            due = (number + 1) % NUMBERS
        try:
            read = None if came is None else coder.read(came)
        except Damaged:
            read, damaged = None, damaged + 1
        if read is not None or gap < LATE:
            heard.append(None if read is None else came)
    return heard, damaged


def send(codes: SpeechCodes, entropy: EntropyModel, link: Link) -> Heard:
    """Codes over a link. Raises bitstream.InvalidCodes if the model does not fit the MTU."""
    from bitstream import DatagramReceiver, DatagramSender, Packet
    from bitstream.datagram.channel import bit_errors, burst_losses

    sender, receiver = DatagramSender(entropy, codes.speaker, link.mtu), DatagramReceiver(entropy, "conceal")
    *sent, end = [*sender.push(codes.units, codes.f0), *sender.flush(codes.num_samples)]
    lost = burst_losses(len(sent), link.loss, link.burst, link.seed)
    arrived = bit_errors([each for each, gone in zip(sent, lost, strict=True) if not gone], link.bit_errors, link.seed)
    for part in sender.announce():
        receiver.receive(part)
    packets = [found for each in arrived if isinstance(found := receiver.receive(each), Packet)]
    receiver.receive(end)
    return Heard(receiver.gather(packets), len(sent), int(lost.sum()), len(arrived) - len(packets))
