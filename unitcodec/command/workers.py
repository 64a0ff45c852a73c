"""Several inputs at a time, each worker a process with a model of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import NoReturn, TypeVar, cast

from unitcodec.command.run import CannotGoOn, Work, attempt, complain, words
from unitcodec.errors import ModelError, UnitcodecError

Item = TypeVar("Item")


def in_processes(
    items: Iterable[Item], prepare: Callable[[], Work[Item]], name: Callable[[Item], str], count: int
) -> Iterator[tuple[Item, bool]]:
    """Do all ``items`` in ``count`` processes; gives each, when it is done, with whether it was.

    Args:
        prepare: makes what does one item, in the process that does it. It, and the items, are pickled.
        name: what messages call an item.

    Raises:
        CannotGoOn: no further input can do better.
    """
    context = multiprocessing.get_context("spawn")  # a forked PyTorch hangs
    processes, waiting, idle, busy = {}, deque(items), list[Connection](), dict[Connection, Item]()
    try:
        while waiting or busy:
            while waiting and len(busy) < count:
                if not idle:
                    ours, theirs = context.Pipe()
                    process = context.Process(target=_serve, args=(theirs, prepare, name, count), daemon=True)
                    process.start()
                    theirs.close()
                    processes[ours] = process
                    idle.append(ours)
                pipe = idle.pop()
                busy[pipe] = waiting.popleft()
                with contextlib.suppress(BrokenPipeError):  # it is gone, as will be found
                    pipe.send(busy[pipe])
            for pipe in cast(list[Connection], wait(list(busy))):
                item = busy.pop(pipe)
                try:
                    done = pipe.recv()
                except (EOFError, ConnectionError):
                    # Out of memory, most likely. The others can still be done, by a process in its place.
                    process = processes.pop(pipe)
                    process.join()
                    complain(UnitcodecError(f"its process ended (status {process.exitcode})"), name(item))
                    done = False
                else:
                    idle.append(pipe)
                if isinstance(done, str):
                    raise CannotGoOn(done)
                yield item, done
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.join()


def _serve(pipe: Connection, prepare: Callable[[], Work[Item]], name: Callable[[Item], str], count: int) -> None:
    """What a worker does until its parent ends it, or ends: items come in, whether they were done goes out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent, which gets it too, will say so
    signal.signal(signal.SIGTERM, _leave)
    # Before PyTorch starts its threads; together they shall have the machine's processors.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    work = prepare()
    with contextlib.suppress(EOFError, BrokenPipeError):  # the parent is gone
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
