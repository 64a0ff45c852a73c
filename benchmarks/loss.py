"""What lost packets do to words and sound: ``unitcodec bench loss``.

Packets of 0.32 s are lost as :func:`bitstream.datagram.channel.burst_losses` says, an utterance's the same in every system; a
peer loses the frames that begin in them. Speaker code and length always arrive. ``loss.json`` holds ``version``; ``made``, when,
where and with what; and what :func:`measure` returns.
"""

from __future__ import annotations

import io
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import judge, progress
from benchmarks.bitrate import encode_one, loaded, one_thread
from benchmarks.corpus import Utterance
from benchmarks.errors import BenchmarkError
from benchmarks.files import write_bytes
from benchmarks.metrics import bootstrap, text
from benchmarks.peers import codec2, opus
from benchmarks.waveform import SAMPLE_RATE, FloatArray, read

if TYPE_CHECKING:
    from bitstream import SpeechCodes

Mask = NDArray[np.bool_]

PACKET = 5120
"""Samples, 0.32 s."""

RAMP = 160
"""Samples, 10 ms, at both ends of what is muted."""

MUTED, REPEATED, CONCEALED = "unitcodec, muted", "unitcodec, repeated", "unitcodec, concealed"
COPIED = {"unitcodec, copies in the next packet": 1, "unitcodec, copies 4 packets later": 4}
CODEC2, OPUS = "Codec2 700C, repeated", "Opus 6k, concealed"
OWN = (MUTED, REPEATED, CONCEALED, *COPIED)
SYSTEMS = (*OWN, CODEC2, OPUS)
LIVE_MUTED, LIVE = "live, muted", "live, concealed"
LIVE_COPIED = {"live, --fec 1": 1, "live, --fec 4": 4, "live, --fec 8": 8}
LIVE_SYSTEMS = (LIVE_MUTED, LIVE, *LIVE_COPIED)
"""``muted``: silence with ramps of 10 ms. ``repeated``: the last frame, for however long. ``concealed``: as the decoder does it.
``copies``: a packet has a copy of one before it, with two values a channel and without F0; if both are lost: concealed. ``live``
are packets of :class:`unitcodec.encoder.live.LiveEncoder`, of which the last, which tells the end, always arrives.
"""

TAIL = max(LIVE_COPIED.values())
"""Packets of silence behind each utterance that is sent live: there are copies of its last packets, as in a longer talk."""

JUDGES = ("asr", "dnsmos")


@dataclass(frozen=True)
class Link:
    """The share of packets that are lost, and how many in a row on average."""

    loss: float
    burst: float = 1.0


def measure(
    utterances: Sequence[Utterance],
    links: Sequence[Link],
    out: Path,
    model: str = "default",
    jobs: int = 1,
    live: bool = False,
) -> dict[str, Any]:
    """Speak all utterances over all links, in ``jobs`` processes, and judge them: SYSTEMS, or LIVE_SYSTEMS.

    Codes are kept in ``out / "codes"`` and what judges said in ``out / "judged"``: another run goes on from there.

    Returns:
        ``links``: objects with ``loss``, ``burst``, ``lost``, the share of packets that were, and ``systems``: by name ``wer``
        and ``dnsmos``, each with its 95 % interval over utterances under the same key and ``_95``, and ``errors`` of ``words``.
        Without loss our own are one.

    Raises:
        BenchmarkError: a judge is not here, a recording cannot be read, or the model has no ladder of coarser codes.
    """
    if missing := {name: gap for name, gap in judge.gaps().items() if name in JUDGES}:
        raise BenchmarkError("; ".join(f"{name}: {gap}" for name, gap in missing.items()))
    tasks = [(link, index, utterance) for link in links for index, utterance in enumerate(utterances)]
    work = partial(_judged, model, out, live)
    rows = list(progress.track("loss", _each(work, tasks, jobs), len(tasks)))
    figures = []
    for number, link in enumerate(links):
        part = rows[number * len(utterances) : (number + 1) * len(utterances)]
        systems = {name: _figures([row["systems"][name] for row in part]) for name in part[0]["systems"]}
        lost, packets = (sum(row[key] for row in part) for key in ("lost", "packets"))
        figures.append({"loss": link.loss, "burst": link.burst, "lost": lost / packets, "systems": systems})
    return {"utterances": len(utterances), "links": figures}


def _each(work: Any, tasks: Sequence[Any], jobs: int) -> Iterator[dict[str, Any]]:
    if jobs == 1:
        yield from map(work, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, one_thread) as pool:
        yield from pool.imap(work, tasks)


def _figures(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    errors, words, scores = ([row[key] for row in rows] for key in ("errors", "words", "dnsmos"))
    return {
        "wer": sum(errors) / sum(words),
        "wer_95": bootstrap.interval(errors, words),
        "dnsmos": sum(scores) / len(scores),
        "dnsmos_95": bootstrap.interval(scores),
        "errors": sum(errors),
        "words": sum(words),
    }


def _judged(model: str, out: Path, live: bool, task: tuple[Link, int, Utterance]) -> dict[str, Any]:
    """An utterance over a link in every system; ``index`` chooses what is lost."""
    from bitstream.datagram.channel import burst_losses

    link, index, utterance = task
    waveform = read(utterance.path)
    lost = burst_losses(-(-len(waveform) // PACKET) + TAIL * live, link.loss, link.burst, index)
    systems = {}
    for name, spoken in (speak_live if live else speak)(model, out, utterance, waveform, lost):
        said = judge.judge_pair(utterance.path, spoken, out / "judged", JUDGES)
        errors, words = text.word_errors(utterance.transcript, said["asr"])
        systems[name] = {"errors": errors, "words": words, "dnsmos": said["dnsmos"]}
    if link.loss and not lost.any() and not live:  # then all that is ours is one
        systems |= dict.fromkeys(OWN, systems[CONCEALED])
    return {"lost": int(lost.sum()), "packets": len(lost), "systems": systems}


def speak(model: str, out: Path, utterance: Utterance, waveform: FloatArray, lost: Mask) -> Iterator[tuple[str, FloatArray]]:
    """What is heard of ``waveform`` (T,) in each system where packets ``lost`` (n,) do not arrive."""
    from bitstream import pack, unpack

    codec = loaded(model)
    if not hasattr(getattr(codec.model.networks.content, "quantizer", None), "ladder"):
        raise BenchmarkError(f"the model {model} has no coarser codes to make copies of")
    kept = out / "codes" / f"{utterance.name}.uc"
    if not kept.exists():
        write_bytes(kept, pack(encode_one((utterance.path, model)), codec.model.entropy))
    codes = unpack(kept.read_bytes(), codec.model.entropy)
    yield from _own(codec, codes, lost) if lost.any() else [(CONCEALED, codec.decode(codes))]

    def gone(second: float) -> bool:
        return bool(lost[min(int(second * SAMPLE_RATE) // PACKET, len(lost) - 1)])

    yield CODEC2, codec2.MODES["700C"].code(waveform, gone).waveform
    yield OPUS, opus.lossy(6, waveform, gone)


def speak_live(model: str, out: Path, utterance: Utterance, waveform: FloatArray, lost: Mask) -> Iterator[tuple[str, FloatArray]]:
    """What is heard of ``waveform`` (T,) in live packets of 0.32 s where those ``lost`` (n + TAIL,) do not arrive."""
    from bitstream import LiveReader, LiveWriter

    codec = loaded(model)
    for name, fec in {LIVE: 0, **LIVE_COPIED}.items():
        kept = out / "codes" / f"{utterance.name}.live{fec}.uc"
        if not kept.exists():
            encoder, stream = codec.encoder(live=True, fec=fec), io.BytesIO()
            writer = LiveWriter(stream, encoder.coder)
            for packet in [*encoder.push(np.pad(waveform, (0, TAIL * PACKET))), *encoder.flush()]:
                writer.write(packet)
            write_bytes(kept, stream.getvalue())
        decoder, (*packets, last) = codec.decoder(fec=fec), LiveReader(io.BytesIO(kept.read_bytes()))
        came = [*(packet for packet, gone in zip(packets, lost[:-1], strict=True) if not gone), last]
        heard = np.concatenate([np.zeros(0, np.float32), *(decoder.push(packet) for packet in came)])
        # To a receiver that missed the first packets the stream begins later.
        heard = np.pad(heard, (len(waveform) + TAIL * PACKET - len(heard), 0))[: len(waveform)]
        yield name, heard
        if not fec:
            yield LIVE_MUTED, muted(heard, lost)


def muted(waveform: FloatArray, lost: Mask) -> FloatArray:
    """(T,), silent where packets ``lost`` (n,) lie."""
    kernel = np.hanning(2 * RAMP + 1)
    near = np.convolve(np.pad(np.repeat(lost, PACKET), RAMP, mode="edge"), kernel / kernel.sum(), "valid")
    return (waveform * np.clip(1.0 - 2.0 * near, 0.0, 1.0)[: len(waveform)]).astype(np.float32)


def _own(codec: Any, codes: SpeechCodes, lost: Mask) -> Iterator[tuple[str, FloatArray]]:
    from bitstream.codes import lost_ranges
    from unitcodec.decoder.concealment import filled

    spec = codec.model.entropy.spec
    gone, gone_f0 = (np.repeat(lost, PACKET // hop) for hop in (spec.unit_hop, spec.f0_hop))
    gone, gone_f0 = gone[: codes.units.shape[1]], gone_f0[: len(codes.f0)]
    concealed = codec.decode(replace(codes, lost=lost_ranges(gone)))
    yield CONCEALED, concealed
    yield MUTED, muted(concealed, lost)
    # What is lost of the beginning has nothing before it.
    first, first_f0 = gone.argmin(), gone_f0.argmin()
    units, f0 = filled(codes.units, gone, codes.units[:, first], 0), filled(codes.f0[None], gone_f0, codes.f0[[first_f0]], 0)[0]
    yield REPEATED, codec.decode(replace(codes, units=units, f0=f0))
    copies = coarsest(codes.units, codec.model.networks.content.quantizer.ladder.cpu().numpy())
    for name, later in COPIED.items():
        arrived = ~np.append(lost, np.ones(later, bool))[later:]
        copied = np.repeat(lost & arrived, PACKET // spec.unit_hop)[: len(gone)]
        heard = replace(codes, units=np.where(copied, copies, codes.units), f0=f0, lost=lost_ranges(gone & ~copied))
        yield name, codec.decode(heard)


def coarsest(units: NDArray[np.int32], ladder: NDArray[np.integer]) -> NDArray[np.int32]:
    """Units (1 + channels, n) of a :class:`.SteppedFSQ` -> those of the ladder's last rung that they lie in."""
    values = (2 * units[1:] + 1) * ladder[-1] // (2 * ladder[units[0]])
    return np.concatenate([np.full((1, units.shape[1]), len(ladder) - 1), values]).astype(np.int32)


def table(measured: dict[str, Any]) -> str:
    """WER and DNSMOS of each system over each link, in Markdown."""
    titles = [f"{link['loss']:.0%}" + (f", bursts of {link['burst']:g}" if link["loss"] else "") for link in measured["links"]]
    lines = []
    for key, title, digits in (("wer", "WER ↓", 3), ("dnsmos", "DNSMOS ↑", 2)):
        lines += [f"| {title} | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
        for name in (name for name in (*SYSTEMS, *LIVE_SYSTEMS) if any(name in link["systems"] for link in measured["links"])):
            cells = [f"{link['systems'][name][key]:.{digits}f}" if name in link["systems"] else "" for link in measured["links"]]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join([*lines, f"{progress.many(measured['utterances'], 'utterance')}. ↓ lower is better, ↑ higher."])
