"""What ``encode`` and ``decode`` have in common: many inputs, one output each."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import click

from unitcodec.command import bar
from unitcodec.command.jobs import STANDARD, Direction, Job, JobError, plan
from unitcodec.command.journal import journal_path, remove_journal
from unitcodec.command.output import OutputExists
from unitcodec.command.run import (
    PATH,
    Work,
    check_stdout,
    conclude,
    jobs_option,
    model_options,
    outcomes,
    output_options,
    recursive_option,
    say,
    source_name,
)
from unitcodec.command.temporary import clean


@dataclass(frozen=True)
class Coding:
    """The values of ``coding_options``."""

    paths: tuple[str, ...]
    output_dir: str | None
    keep_suffix: bool
    overwrite: bool
    skip_existing: bool
    processes: int
    model: str
    device: str
    quiet: bool

    def jobs(self, direction: Direction) -> list[Job]:
        """What is to be done. Raises JobError."""
        if self.overwrite and self.skip_existing:
            raise JobError("give either --overwrite or --skip-existing")
        kept = self.overwrite or self.skip_existing
        jobs = plan(self.paths, direction, self.output_dir, kept, self.keep_suffix)
        check_stdout(jobs)
        if not self.skip_existing:
            return jobs
        return unfinished(jobs, self.quiet)

    def run(self, jobs: list[Job], prepare: Callable[[], Work[Job]], goes_on: str = "--skip-existing") -> int:
        """Do them all, and return the exit status. ``prepare`` makes what does one; with several processes it is pickled.

        ``goes_on``: the option with which the same command goes on where a run on several files was interrupted.
        """
        if self.skip_existing:
            prepare = functools.partial(_missing_only, prepare)
        try:
            with bar.over(bar.weights(jobs, lambda job: job.source), f"of {len(jobs)} files", self.quiet) as run:
                found = outcomes(jobs, prepare, _name, min(self.processes, len(jobs)))
                return conclude(bar.counted(run, jobs, found), _name, self.quiet)
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt(*(error.args or ([RESUMES.format(goes_on)] if len(jobs) > 1 else []))) from error


RESUMES = "the same command with {} goes on from here"
"""Said of a run that is interrupted."""


def unfinished(jobs: list[Job], quiet: bool) -> list[Job]:
    """Those whose outputs do not exist; of the others it is said how many they are."""
    left = [job for job in jobs if job.target == STANDARD or not os.path.isfile(job.target)]
    for job in set(jobs).difference(left):
        remove_journal(journal_path(job.target))  # of a run that was killed between the two
    if not left:  # else the first that is written does so
        for folder in {os.path.dirname(job.target) for job in jobs}:
            clean(folder)
    if len(left) < len(jobs) and not quiet:
        say(f"unitcodec: {len(jobs) - len(left)} of {len(jobs)} skipped: their outputs exist")
    return left


def _missing_only(prepare: Callable[[], Work[Job]]) -> Work[Job]:
    """Does the jobs whose outputs another run on the same files has not written meanwhile."""
    work = prepare()

    def one(job: Job) -> None:
        if job.target != STANDARD and os.path.isfile(job.target):
            return
        with contextlib.suppress(OutputExists):
            work(job)

    return one


def skip_existing_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option ``--skip-existing``."""
    return click.option("--skip-existing", is_flag=True, help="Leave out inputs whose output exists: go on where a run ended.")(
        command
    )


def coding_options(command: Callable[..., int]) -> Callable[..., int]:
    """Options and arguments of a command, which gets them as its first argument, a :class:`Coding`."""

    @functools.wraps(command)
    def with_coding(**values: Any) -> int:
        coding = Coding(**{field.name: values.pop(field.name) for field in fields(Coding)})
        return command(coding, **values)

    wrapped: Callable[..., int] = model_options(output_options(with_coding))
    for add in (
        jobs_option,
        skip_existing_option,
        click.option(
            "--keep-suffix", is_flag=True, help="Keep the input's suffix in front of the output's: talk.flac.uc, not talk.uc."
        ),
        recursive_option,
        click.option(
            "-o",
            "--output-dir",
            metavar="DIR",
            type=PATH,
            help="Write below this folder. All arguments are inputs then; of a folder all files in and below it.",
        ),
        click.argument("paths", metavar="IN... [OUT]", nargs=-1, required=True, type=PATH),
    ):
        wrapped = add(wrapped)
    return wrapped


def _name(job: Job) -> str:
    return source_name(job.source)
