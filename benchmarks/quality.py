"""Judge codecs on a corpus, side by side.

    python -m benchmarks.quality --data dev/manifest.tsv --out runs/quality --systems original,codec2-700c,opus-6k
    python -m benchmarks.quality --data dev --out runs/quality --decoded mine=runs/decoded
    python -m benchmarks.quality --data dev --out runs/quality --system 'mine=codec {wav} {bits} && codec -d {bits} {out}'

Prints a table and writes OUT/results.json (OUT/results-N.json under ``--limit N``). Systems judged before on the same
corpus stay in it, and what a judge has once said of a waveform is remembered in OUT/judged: a second run, or one that
was interrupted, judges only what is new. For a quick look leave the slow judges out and come back for them later:

    python -m benchmarks.quality --data dev --out runs/quality --decoded mine=runs/decoded --judges sim,f0,loudness

Seconds of one core for a second of speech: asr 0.33, dnsmos 0.2, f0 0.015, sim 0.013, loudness 0.001.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import judge, score
from benchmarks.corpus import Utterance, load
from benchmarks.peers import PEERS
from benchmarks.system import Gap, System
from benchmarks.waveform import SAMPLE_RATE, fit, read

DEFAULT_SYSTEMS = "original,codec2-700c,codec2-2400,opus-6k"


@dataclass(frozen=True)
class Task:
    """One utterance through one system, judged."""

    system: System
    utterance: Utterance
    out: Path
    judges: tuple[str, ...] | None = None

    def run(self) -> score.Row:
        samples = len(read(self.utterance.path))
        spoken = self.system.speak(self.utterance, self.out / "decoded" / self.system.name)
        # The judges hear the original's length; that a system gave another is a figure of its own.
        judged = judge.judge_pair(self.utterance.path, fit(spoken.waveform, samples), self.out / "judged", self.judges)
        return score.row(self.utterance, samples / SAMPLE_RATE, spoken.bits, len(spoken.waveform) - samples, judged)


def _run(task: Task) -> score.Row:
    return task.run()


def _one_thread() -> None:
    """Before any judge is loaded: one thread each, so that ``--jobs`` alone says how many cores are busy."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def judge_system(
    system: System, utterances: list[Utterance], out: Path, jobs: int = 1, judges: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """A system's figures and its utterances' rows, or a gap that says why there are none; ``judges`` None means all."""
    started = time.perf_counter()
    rows: list[score.Row] = []
    try:
        for row in _rows([Task(system, utterance, out, judges) for utterance in utterances], jobs):
            rows.append(row)
            print(f"\r{system.name}: {len(rows)}/{len(utterances)}", end="", file=sys.stderr, flush=True)
    except Gap as gap:
        print(file=sys.stderr)
        return {"gap": str(gap)}
    print(f", {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return {**score.figures(rows), "gaps": judge.gaps(), "rows": rows}


def _rows(tasks: list[Task], jobs: int) -> Iterator[score.Row]:
    if jobs == 1:
        yield from map(_run, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, _one_thread) as pool:
        yield from pool.imap(_run, tasks)


def _named(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value) or "/" in name or name in PEERS:
        raise argparse.ArgumentTypeError(f"{text!r}: NAME=VALUE is wanted, NAME without a slash and not a peer's")
    return name, value


def _peers(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(PEERS)}")
    return names


def _judges(text: str) -> tuple[str, ...]:
    names, known = tuple(text.split(",")), [one.name for one in judge.JUDGES]
    if not set(names) <= set(known):
        raise argparse.ArgumentTypeError(f"{text!r}: some of {', '.join(known)} are wanted, with commas between")
    return names


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description="Judge codecs on a corpus, side by side.")
    parser.add_argument("--data", type=Path, required=True, help="manifest with the columns path and transcript, or its folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for results, decoded speech and remembered judgements")
    parser.add_argument("--limit", type=int, help="judge only N utterances, evenly spaced")
    parser.add_argument("--systems", type=_peers, help=f"peers among {', '.join(PEERS)}; default, alone: {DEFAULT_SYSTEMS}")
    for flag, value, text in (
        ("--system", "COMMAND", "a command line with {wav} {bits} {out}; may be repeated"),
        ("--decoded", "FOLDER", "a folder of decoded STEM.wav, with STEM.uc beside them for the bits; may be repeated"),
    ):
        parser.add_argument(flag, type=_named, action="append", default=[], metavar=f"NAME={value}", help=text)
    parser.add_argument("--judges", type=_judges, help="put only these to work, as sim,f0 for a quick look; default: all")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    return parser


def _judged_before(results: Path, corpus: str) -> dict[str, Any]:
    """The systems in a results file if it is of the same corpus, else none."""
    before = json.loads(results.read_text()) if results.exists() else {}
    return dict(before["systems"]) if before.get("corpus") == corpus else {}


def main(argv: list[str] | None = None) -> int:
    """Run the command line; exits 0 also where a system is a gap."""
    options = arguments().parse_args(argv)
    _one_thread()
    utterances = load(options.data, options.limit)
    own = [System(name, "command", line) for name, line in options.system]
    own += [System(name, "folder", folder) for name, folder in options.decoded]
    chosen = options.systems if options.systems is not None else [] if own else _peers(DEFAULT_SYSTEMS)
    results = options.out / ("results.json" if options.limit is None else f"results-{options.limit}.json")
    corpus = hashlib.sha256("\n".join(f"{u.stem}\t{u.transcript}" for u in utterances).encode()).hexdigest()[:16]
    options.out.mkdir(parents=True, exist_ok=True)
    systems = _judged_before(results, corpus)
    for system in [System(name, "peer") for name in chosen] + own:
        figures = judge_system(system, utterances, options.out, options.jobs, options.judges)
        # Read again: another run may have added its systems meanwhile.
        systems = {**_judged_before(results, corpus), system.name: figures}
        part = results.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps({"corpus": corpus, "systems": systems}, indent=1))
        part.replace(results)
    for name, reason in judge.gaps().items():
        print(f"gap: {name}, {reason}")
    print(score.table(systems))
    return 0


if __name__ == "__main__":
    sys.exit(main())
