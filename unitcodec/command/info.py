"""``unitcodec info``: what .uc files hold, without decoding them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from unitcodec.command.jobs import STANDARD, STREAM_SUFFIXES, Job, JobError, check_targets, inputs
from unitcodec.command.output import Output
from unitcodec.command.run import PATH, check_stdout, complain, expected, source_name, sum_up, words
from unitcodec.command.stream import read_stream


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=PATH)
@click.option("--json", "as_json", is_flag=True, help="A JSON list with one object a file.")
@click.option(
    "--plot",
    metavar="OUT",
    type=PATH,
    help="Draw bits over time, by stream, as OUT.png or another of matplotlib's kinds; one FILE.",
)
@click.option("--overwrite", is_flag=True, help="Replace what --plot draws if it exists.")
def info(files: tuple[str, ...], as_json: bool, plot: str | None, overwrite: bool) -> int:
    """Show what .uc files, and those in folders, hold, without decoding them. Exit status 1 when one is damaged or is none."""
    from unitcodec.command import report

    check_stdout([Job(STANDARD, STANDARD)], text=True)
    names = inputs(files, STREAM_SUFFIXES)
    if plot is not None:
        _plot(names, plot, overwrite)
    reports = []
    for name in names:
        try:
            reports.append(report.describe(name, read_stream(name)))
        except Exception as error:
            if not expected(error):
                raise
            reports.append(report.failed(name, words(error)))
            if not as_json:
                complain(error, source_name(name))
    bad = [source_name(str(one["file"])) for one in reports if one["error"]]
    tables = [report.as_table(one) for one in reports if one["size"] is not None]
    if as_json:
        click.echo(report.as_json(reports))
    else:
        click.echo("\n\n".join(tables), nl=bool(tables))
        sum_up(bad, len(names), "damaged or unreadable")
    return 1 if bad else 0


def _plot(files: Sequence[str], target: str, overwrite: bool) -> None:
    from bitstream import inspect
    from unitcodec.command.plot import draw

    if len(files) != 1:
        raise JobError("--plot draws one file")
    check_targets([Job(files[0], target)], overwrite)
    picture = draw(files[0], inspect(read_stream(files[0]), whole=True), os.path.splitext(target)[1])
    with Output(target, overwrite=overwrite) as output:
        output.write(picture)
