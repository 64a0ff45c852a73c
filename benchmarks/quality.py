"""Judge codecs on a corpus, side by side: ``unitcodec bench quality``.

Writes OUT/results.json and leaves the decoded speech in OUT/decoded/SYSTEM/UTTERANCE.wav. What a judge has once said of a
waveform is remembered in OUT/judged: a second run, or one that was interrupted, judges only what is new. Systems judged
before on the same corpus stay in the results.

results.json holds ``version``; ``made``, when, where and with what; ``corpus``, the fingerprint of the choice of utterances;
``utterances``, their ``name``, ``speaker``, ``seconds``, ``transcript`` and the ``target`` of voice conversion; and
``systems``, one object a system: ``title``, ``made``, ``counted`` (what its bits are), ``model`` where it is this codec, the
figures of :data:`benchmarks.score.METRICS`, each with its 95 % interval
under the same key and ``_95``, and ``rows``, one object an utterance. A system that could not run has a ``gap``, which says
why, instead of figures.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import document as documents
from benchmarks import files, headline, judge, score
from benchmarks.corpus import Utterance, fingerprint
from benchmarks.document import VERSION
from benchmarks.errors import Gap
from benchmarks.peers import PEERS
from benchmarks.progress import Stage, many, say
from benchmarks.provenance import provenance
from benchmarks.system import CONVERSION, OWN, System
from benchmarks.waveform import SAMPLE_RATE, duration, fit, read

RESULTS = "results.json"
ORIGINAL = "original"

DEFAULT_SYSTEMS = (ORIGINAL, OWN, CONVERSION, *(name for name in PEERS if name != ORIGINAL))
"""Everything there is; what is not installed becomes a named gap."""

QUICK_SYSTEMS = tuple(
    name
    for name in DEFAULT_SYSTEMS
    if name not in {"codec2-450", "codec2-1300", "codec2-3200", "opus-12k", "gsm", "lyra-6k", "lyra-9.2k"}
)
"""Without those that a neighbour in rate stands for."""


def left_out(names: Iterable[str]) -> list[str]:
    """The built-in systems that are not among ``names``: nobody asked for them, so that they are no gap.

    The original is judged in any case.
    """
    present = {*names, ORIGINAL}
    return [name for name in DEFAULT_SYSTEMS if name not in present]


@dataclass(frozen=True)
class Task:
    """One utterance through one system, judged."""

    system: System
    utterance: Utterance
    out: Path
    judges: tuple[str, ...] | None = None
    recogniser: str | None = None

    def run(self) -> score.Row:
        reference = read(self.utterance.path)
        spoken = self.system.speak(self.utterance, self.out / "decoded" / self.system.name)
        memory, extra = self.out / "judged", judge.extra(self.recogniser)
        # The judges hear the original's length; that a system gave another is a figure of its own.
        decoded = fit(spoken.waveform, len(reference))
        heard = judge.judge_pair(self.utterance.path, decoded, memory, self.judges, extra)
        original = judge.judge_pair(self.utterance.path, reference, memory, self.judges, extra)
        difference = len(spoken.waveform) - len(reference)
        row = score.row(self.utterance, len(reference) / SAMPLE_RATE, spoken.bits, difference, heard, original)
        target = self.utterance.target if self.system.kind == "conversion" else None
        if target is not None:
            # What compares with the source's own sound says nothing of a conversion.
            row |= {"target": target.stem, **dict.fromkeys(("estoi", "pesq", "mel_db", "loudness_lu"))}
        return row


class Workers:
    """Processes, one thread each, that live through all systems, so that judges are loaded once; ``jobs`` 1 means none."""

    def __init__(self, pool: ProcessPoolExecutor | None):
        self._pool = pool

    def rows(self, tasks: Sequence[Task]) -> Iterator[score.Row]:
        """What the tasks give, in no order. Raises Gap as soon as one does; the rest is not begun then."""
        if self._pool is None:
            yield from map(Task.run, tasks)
            return
        # Longest first: no process is left with a long one at the end.
        pending: list[Future[score.Row]] = [
            self._pool.submit(Task.run, task) for task in sorted(tasks, key=lambda task: -task.utterance.path.stat().st_size)
        ]
        try:
            for future in as_completed(pending):
                yield future.result()
        finally:
            for future in pending:
                future.cancel()


@contextmanager
def workers(jobs: int) -> Iterator[Workers]:
    """Start ``jobs`` processes, or none for 1."""
    _one_thread()
    if jobs == 1:
        yield Workers(None)
        return
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_one_thread)
    try:
        yield Workers(pool)
    except BaseException:
        # Whoever ends the run does not want to wait for the utterances at hand.
        for process in multiprocessing.active_children():
            if process not in others:
                process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _one_thread() -> None:
    """Before any judge is loaded: one thread each, so that ``--jobs`` alone says how many cores are busy."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def judge_corpus(
    utterances: Sequence[Utterance],
    systems: Sequence[System],
    out: Path,
    data: str,
    jobs: int = 1,
    judges: tuple[str, ...] | None = None,
    recogniser: str | None = None,
) -> dict[str, Any]:
    """Judge every system, the original first, and return what results.json holds; it is written after each system.

    Args:
        data: the corpus's name, for the reader.
        judges: names of the only ones to put to work; None means all. What the others said before still counts.
        recogniser: a transformers checkpoint that hears everything too.
    """
    results = out / RESULTS
    out.mkdir(parents=True, exist_ok=True)
    speakers = {each.name: each.speaker for each in utterances}
    references: dict[str, list[float]] = {}
    document: dict[str, Any] = {}
    made = provenance(data)
    original = next((each for each in systems if each.name == ORIGINAL), System(ORIGINAL, "peer"))
    queue = (original, *(each for each in systems if each.name != ORIGINAL))
    counts = f"{many(len(utterances), 'utterance')} of {data}, {many(len(queue), 'system')}"
    say(f"quality: {counts}; looking for the judges")
    with workers(jobs) as pool:
        gaps = judge.gaps(judge.extra(recogniser))
        heard_by = _at_work(gaps, judges, recogniser)
        for name, reason in gaps.items():
            if judges is None or name in judges:
                say(f"quality: no judge {name}: {reason}")
        say(f"quality: the judges are loaded with the first utterance, in {jobs} process{'es' * (jobs > 1)}")
        for system in queue:
            rows: dict[str, score.Row] = {}
            figures: dict[str, Any]
            say(f"{system.name}: loading")
            with Stage(system.name, len(utterances)) as stage:
                try:
                    if (gap := system.gap()) is not None:
                        raise Gap(gap)
                    stage.say(f"{system.name}: {many(len(utterances), 'utterance')}, judges: {heard_by}")
                    for row in pool.rows([Task(system, each, out, judges, recogniser) for each in utterances]):
                        rows[row["utterance"]] = row
                        stage.advance()
                    ordered = [rows[each.name] for each in utterances]
                    if system.name == ORIGINAL:
                        references = {row["utterance"]: row["embedding"] for row in ordered if row.get("embedding")}
                    figures = {**score.figures(ordered, speakers, references), "gaps": gaps}
                    figures["rows"] = [score.public(row) for row in ordered]
                except Gap as gap:
                    figures = {"gap": str(gap)}
            outcome = f"gap: {figures['gap']}" if "gap" in figures else headline.told(figures)
            say(f"{system.name}: {'not judged' if 'gap' in figures else 'done'} in {stage.elapsed}; {outcome}")
            document = _document(results, utterances, made)
            document["systems"][system.name] = {"title": system.title, "made": made, **system.facts(), **figures}
            files.write_json(results, document)
    return document


def _at_work(gaps: dict[str, str], judges: tuple[str, ...] | None, recogniser: str | None) -> str:
    """The names of the judges that will be put to work."""
    chosen = [each.name for each in judge.JUDGES if judges is None or each.name in judges]
    return ", ".join(name for name in [*chosen, *(each.name for each in judge.extra(recogniser))] if name not in gaps) or "none"


def _document(results: Path, utterances: Sequence[Utterance], made: dict[str, str | None]) -> dict[str, Any]:
    """The results so far, read again for each system because another run may have added its own; empty for a new corpus."""
    before = documents.read(results, *documents.NEEDED[RESULTS]) if results.exists() else {}
    corpus = fingerprint(utterances)
    if before.get("corpus") == corpus:
        return {**before, "made": made}
    if before:
        say(f"{results}: was of another choice of utterances and is begun anew")
    listed = [
        {
            "name": each.name,
            "speaker": each.speaker,
            "seconds": duration(each.path),
            "transcript": each.transcript,
            "target": None if each.target is None else each.target.stem,
        }
        for each in utterances
    ]
    return {"version": VERSION, "made": made, "corpus": corpus, "utterances": listed, "systems": {}}
