"""Several inputs at a time, each worker a process with a model of its own."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import NoReturn, TypeVar, cast

from unitcodec.command import bar
from unitcodec.command.run import CannotGoOn, Outcome, Work, attempt, complain, words
from unitcodec.errors import ModelError, UnitcodecError

Item = TypeVar("Item")

GRACE = 60.0
"""Seconds, on a busy machine, that a worker may take to remove what it has begun; a free one needs half of one."""


def in_processes(
    items: Iterable[Item], prepare: Callable[[], Work[Item]], name: Callable[[Item], str], count: int
) -> Iterator[tuple[Item, Outcome]]:
    """Do all ``items``, which may be as many as there are, in ``count`` processes; gives each when it is done, or could not be.

    Args:
        prepare: makes what does one item, in the process that does it. It, the items and what comes of them are pickled.
        name: what messages call an item.

    Raises:
        CannotGoOn: no further input can do better.
    """
    context = multiprocessing.get_context("spawn")  # a forked PyTorch hangs
    processes, waiting, idle, busy = {}, iter(items), list[Connection](), dict[Connection, Item]()
    try:
        while True:
            while len(busy) < count and (following := list(itertools.islice(waiting, 1))):
                if not idle:
                    ours, theirs = context.Pipe()
                    process = context.Process(target=_serve, args=(theirs, prepare, name, count, bar.shown()), daemon=True)
                    with _interrupts_held():
                        process.start()
                    theirs.close()
                    processes[ours] = process
                    idle.append(ours)
                pipe = idle.pop()
                (busy[pipe],) = following
                with contextlib.suppress(BrokenPipeError):  # it is gone, as will be found
                    pipe.send(busy[pipe])
            if not busy:
                return
            for pipe in cast(list[Connection], wait(list(busy))):
                item = busy[pipe]
                try:
                    outcome = pipe.recv()
                except (EOFError, ConnectionError):
                    # Out of memory, most likely. The others can still be done, by a process in its place.
                    process = processes.pop(pipe)
                    process.join()
                    complain(UnitcodecError(f"its process ended (status {process.exitcode})"), name(item))
                    outcome = Outcome(False)
                else:
                    if isinstance(outcome, float):
                        bar.moved(item, outcome)
                        continue
                    idle.append(pipe)
                del busy[pipe]
                if isinstance(outcome, str):
                    raise CannotGoOn(outcome)
                yield item, outcome
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.join(GRACE)
            process.kill()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C reaches every process of a terminal: one that starts must not hear it before it can say that it does not heed it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # else it starts within, and lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, prepare: Callable[[], Work[Item]], name: Callable[[Item], str], count: int, bars: bool) -> None:
    """What a worker does until its parent ends it, or ends: items come in, whether they were done goes out, and, with ``bars``,
    how much of one is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent, which gets it too, will say so
    signal.signal(signal.SIGTERM, _leave)
    # Before PyTorch starts its threads; together they shall have the machine's processors.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    work = prepare()
    if bars:
        bar.report_to(pipe.send)
    with contextlib.suppress(EOFError, ConnectionError):  # the parent is gone
        while True:
            item = pipe.recv()
            try:
                pipe.send(attempt(work, item, name(item)))
            except (CannotGoOn, ModelError) as error:
                pipe.send(words(error))


def _leave(number: int, frame: object) -> NoReturn:
    """As an exception, so that temporary files are removed; once, so that nothing interrupts that."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)
