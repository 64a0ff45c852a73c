"""``unitcodec bench``: bitrate, quality and speed beside the codecs that people would pick instead.

Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from unitcodec.command.bench import ABOUT
from unitcodec.command.program import Group

if TYPE_CHECKING:
    from benchmarks.corpus import Utterance
    from benchmarks.system import System

_Command = TypeVar("_Command", bound=Callable[..., Any])

_QUICK = 12
"""Utterances of a quick look."""

_LONGEST_NAME = 64
"""Bytes of a system's name: it is a folder's, and stands in charts."""


@click.group(cls=Group, help=ABOUT, context_settings={"help_option_names": ["-h", "--help"]})
def bench() -> None:
    pass


def _options(*chosen: str) -> Callable[[_Command], _Command]:
    add: dict[str, Callable[[_Command], _Command]] = {
        "data": click.option(
            "--data", type=click.Path(path_type=Path, exists=True), required=True, metavar="MANIFEST",
            help="The speech to measure on: a TSV file with the columns path and transcript and, if known, speaker; "
            "the folder of such a manifest.tsv; or a folder of recordings.",
        ),
        "name": click.option("--name", metavar="NAME", help="What the report calls this speech. Default: the folder's name."),
        "speech": click.option(
            "--data", type=click.Path(path_type=Path, exists=True), metavar="MANIFEST",
            help="Time on this speech. Default: synthetic speech; the result is nearly the same.",
        ),
        "report": click.option(
            "-o", "--out", type=click.Path(path_type=Path, file_okay=False, exists=True), required=True, metavar="DIR",
            help="The folder that a run wrote its results to.",
        ),
        "out": click.option(
            "-o", "--out", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="DIR",
            help="Write everything to this folder. A later run with the same folder judges only what is new.",
        ),
        "model": click.option(
            "--model", metavar="NAME|DIR", default="default", show_default=True,
            help="The model of unitcodec: the name of a packaged one, or a folder.",
        ),
        "quick": click.option(
            "--quick", is_flag=True,
            help=f"Measure less: {_QUICK} short utterances, fewer codecs, fewer rounds, no file longer than a minute.",
        ),
        "limit": click.option(
            "--limit", type=click.IntRange(1), metavar="N", help="Use only N short utterances, spread evenly over the speech."
        ),
        "jobs": click.option(
            "-j", "--jobs", type=click.IntRange(1), metavar="N", default=os.cpu_count() or 1, show_default="the number of cores",
            help="How many processes work at once. Each uses one thread.",
        ),
        "systems": click.option(
            "--systems", metavar="A,B,...",
            help="Judge only these of the built-in systems, beside the original. '--systems none' judges none of them. "
            "The report names those that are left out.",
        ),
        "system": click.option(
            "--system", "commands", multiple=True, metavar="NAME=COMMAND", callback=_named,
            help="Judge another codec too: a shell command that reads {wav} and writes {bits} and {out}. Can be given again.",
        ),
        "decoded": click.option(
            "--decoded", "folders", multiple=True, metavar="NAME=DIR", callback=_named,
            help="Judge speech that is decoded already: a folder with a STEM.wav for each recording and, for the bit rate, "
            "a STEM.uc beside it. Can be given again.",
        ),
        "judges": click.option(
            "--judges", metavar="A,B,...", help="Use only these judges, such as speaker,f0. What others said before is kept."
        ),
        "asr": click.option(
            "--asr", metavar="NAME|DIR",
            help="Use one more speech recogniser: a transformers checkpoint, by its folder or its name in the local cache.",
        ),
        "baseline": click.option(
            "--baseline", metavar="SYSTEM", default="codec2-700c", show_default=True,
            help="Compare every system with this one, by a paired test.",
        ),
        "readme": click.option(
            "--readme", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
            help="Put the table and the plots into this Markdown file, between its two bench marks.",
        ),
        "save": click.option(
            "--save-baseline", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
            help="Write the figures of unitcodec to this file, for a later bench compare.",
        ),
    }  # fmt: skip

    def decorate(command: _Command) -> _Command:
        for name in reversed(chosen):
            command = add[name](command)
        return command

    return decorate


def _named(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for text in values:
        name, equals, value = text.partition("=")
        if not (name and equals and value) or "/" in name or name.startswith(".") or not name.isprintable():
            raise click.BadParameter(f"{text!r}: NAME=VALUE is wanted, and a NAME that can be a folder's")
        if len(name.encode()) > _LONGEST_NAME:
            raise click.BadParameter(f"{name[:20]}...: a NAME has at most {_LONGEST_NAME} bytes")
        if parameter.name == "commands" and "{out}" not in value:
            raise click.BadParameter(f"{name}: the COMMAND has no {{out}}, so that it cannot say where the decoded speech goes")
        pairs.append((name, value))
    return tuple(pairs)


def _links(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[float, float], ...]:
    from bitstream.datagram.channel import burst_losses

    links = []
    for value in values:
        try:
            loss, burst = map(float, value.split(","))
            burst_losses(0, loss, burst)
        except ValueError as error:
            raise click.BadParameter(f"'{value}' is no LOSS,BURST such as 0.1,3: {error}") from error
        links.append((loss, burst))
    return tuple(links)


_NAMING = ("systems", "quick", "model", "commands", "folders", "judges", "asr", "baseline")
"""Of the options those that name something that there must be."""

_QUALITY = ("data", "name", "out", "model", "quick", "limit", "jobs", "systems", "system", "decoded", "judges", "asr", "baseline")


@bench.command()
@_options(*_QUALITY)
def quality(**options: Any) -> None:
    """Judge the decoded speech: words, voice, pitch, sound.

    Writes DIR/results.json, tables and plots in DIR/report, and a page to listen to, DIR/report/index.html.
    """
    with _interruptible(_RESUMES):
        _quality(**options)
        _report(options["out"], options["baseline"])


@bench.command()
@_options("data", "name", "out", "model", "quick", "limit", "jobs")
def bitrate(**options: Any) -> None:
    """Count the bits: of each part of a stream, and of streams of several durations. Writes DIR/bitrate.json."""
    with _interruptible(_BEGINS_ANEW):
        from benchmarks.report import tables

        click.echo(tables.bitrate(_bitrate(**options)))


@bench.command()
@_options("speech", "name", "out", "model", "quick")
def speed(**options: Any) -> None:
    """Measure the time and the memory that encoding and decoding take. Writes DIR/speed.json."""
    with _interruptible(_BEGINS_ANEW):
        from benchmarks.report import tables

        click.echo(tables.speed(_speed(**options)))


@bench.command(name="all")
@_options(*_QUALITY, "readme", "save")
def everything(readme: Path | None, save_baseline: Path | None, **options: Any) -> None:
    """Run bitrate, speed and quality, and write one report of all: DIR/report/index.html."""
    out = options["out"]
    with _interruptible(_MOSTLY_RESUMES):
        from benchmarks.report import readme as readme_file

        # An hour later would be late to hear of a typing error.
        _chosen(**{name: options[name] for name in _NAMING})
        if readme is not None:
            readme_file.checked(readme)
        _bitrate(**{name: options[name] for name in ("data", "name", "out", "model", "quick", "limit", "jobs")})
        _speed(**{name: options[name] for name in ("data", "name", "out", "model", "quick")})
        _quality(**options)
        _report(out, options["baseline"], readme, save_baseline)


@bench.command()
@_options("report", "baseline", "readme", "save")
def report(out: Path, baseline: str, readme: Path | None, save_baseline: Path | None) -> None:
    """Write tables, plots and page again from the results in a folder. Nothing is measured."""
    _report(out, baseline, readme, save_baseline)


@bench.command()
@click.option(
    "--clean",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    metavar="DIR",
    help="The recordings without noise.",
)
@click.option(
    "--noisy",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    metavar="DIR",
    help="The same utterances with noise, under the same names.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write DIR/noise.json.")
@_options("model", "jobs")
def noise(clean: Path, noisy: Path, out: Path | None, model: str, jobs: int) -> None:
    """Count the units that change when noise is added to the speech. Prints a table."""
    from benchmarks import files
    from benchmarks import noise as measurement
    from benchmarks.progress import many, say
    from benchmarks.provenance import provenance

    say(f"noise: reading {clean} and {noisy}")
    found = measurement.pairs(clean, noisy)
    say(f"noise: {many(len(found), 'pair')}; loading the model {model}")
    with _interruptible(_BEGINS_ANEW):
        measured = measurement.measure(found, model, min(jobs, len(found)))
    if out is not None:
        names = {"clean": _name(clean), "noisy": _name(noisy)}
        files.write_json(out / "noise.json", {"version": 1, "made": provenance(names["noisy"]), **names, **measured})
    click.echo(measurement.table(measured))


@bench.command()
@_options("data", "out", "model", "limit", "jobs")
@click.option(
    "--link", "links", multiple=True, metavar="LOSS,BURST", callback=_links, default=["0,1", ".1,1", ".1,3"], show_default=True,
    help="A share of lost packets, and how many are lost in a row on average. Can be given again.",
)  # fmt: skip
@click.option("--live", is_flag=True, help="Judge live packets, with copies and without, in place of files and others.")
def loss(
    data: Path, out: Path, model: str, limit: int | None, jobs: int, links: tuple[tuple[float, float], ...], live: bool
) -> None:
    """Judge what is heard when packets of 0.32 s are lost, beside Codec2 and Opus. Prints a table, writes DIR/loss.json."""
    from benchmarks import corpus, files
    from benchmarks import loss as measurement
    from benchmarks.provenance import provenance

    utterances = corpus.load(data, limit)
    with _interruptible(_RESUMES):
        measured = measurement.measure(utterances, [measurement.Link(*link) for link in links], out, model, jobs, live)
    files.write_json(out / "loss.json", {"version": 1, "made": provenance(_name(data)), **measured})
    click.echo(measurement.table(measured))


@bench.command()
@click.argument("before", metavar="A", type=click.Path(path_type=Path, exists=True))
@click.argument("after", metavar="B", type=click.Path(path_type=Path, exists=True))
@click.option("--check", is_flag=True, help="Exit with status 1 if a figure got worse, p < 0.005, or if nothing can be compared.")
def compare(before: Path, after: Path, check: bool) -> int:
    """Print which figures differ between the runs A and B by more than chance.

    A and B are folders that runs wrote, or files such as benchmarks/baseline.json.
    """
    from benchmarks import compare as comparison

    runs = comparison.load(before), comparison.load(after)
    moves, common = comparison.moves(*runs), comparison.common(*runs)
    tables = [comparison.table(moves)] if common.figures else []
    click.echo("\n\n".join([*tables, common.told(), *comparison.left_out(*runs)]))
    return 1 if check and (not common.complete or any(move.worse and move.certain for move in moves)) else 0


_RESUMES = "the same command goes on from here; what was judged is kept"
_MOSTLY_RESUMES = "the same command measures bit rate and speed again and goes on with quality; what was judged is kept"
_BEGINS_ANEW = "the same command begins anew"


@contextmanager
def _interruptible(cure: str) -> Iterator[None]:
    """Say on stderr what became of the work when SIGINT or SIGTERM ends it; the exit status is unitcodec/command's."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(cure) from error  # which the command says
    except SystemExit:
        from benchmarks.progress import say

        say(f"unitcodec: interrupted; {cure}")
        raise


def _limit(quick: bool, limit: int | None) -> int | None:
    return limit if limit is not None or not quick else _QUICK


def _quality(
    data: Path,
    name: str | None,
    out: Path,
    model: str,
    quick: bool,
    limit: int | None,
    jobs: int,
    systems: str | None,
    commands: tuple[tuple[str, str], ...],
    folders: tuple[tuple[str, str], ...],
    judges: str | None,
    asr: str | None,
    baseline: str,
) -> None:
    from benchmarks import corpus, judge
    from benchmarks.progress import say
    from benchmarks.quality import judge_corpus, left_out

    chosen, names = _chosen(systems, quick, model, commands, folders, judges, asr, baseline)
    if (warning := judge.warning(asr)) is not None:
        say(warning)
    say(f"quality: reading {data}")
    if absent := left_out([each.name for each in chosen]):
        say(f"quality: not in this run: {', '.join(absent)}")
    utterances = corpus.load(data, _limit(quick, limit))
    judge_corpus(utterances, chosen, out, name or _name(data), min(jobs, len(utterances)), names, asr)


def _chosen(
    systems: str | None,
    quick: bool,
    model: str,
    commands: tuple[tuple[str, str], ...],
    folders: tuple[tuple[str, str], ...],
    judges: str | None,
    asr: str | None,
    baseline: str,
) -> tuple[list[System], tuple[str, ...] | None]:
    """The systems and, if they are not all, the judges. Raises click.UsageError for a name that nothing has."""
    from benchmarks import judge
    from benchmarks.quality import DEFAULT_SYSTEMS

    if (absent := judge.absent(asr)) is not None:
        raise click.UsageError(f"--asr: {absent}")

    chosen = _systems(systems, quick, model, commands, folders)
    _listed(baseline, (*DEFAULT_SYSTEMS, *(each.name for each in chosen)), "--baseline")
    return chosen, _listed(judges, tuple(each.name for each in judge.JUDGES), "--judges") if judges else None


def _systems(
    systems: str | None, quick: bool, model: str, commands: tuple[tuple[str, str], ...], folders: tuple[tuple[str, str], ...]
) -> list[System]:
    from benchmarks.quality import DEFAULT_SYSTEMS, QUICK_SYSTEMS
    from benchmarks.system import CONVERSION, OWN, System

    own: dict[str, System] = {OWN: System(OWN, "codec", model), CONVERSION: System(CONVERSION, "conversion", model)}
    names = _listed(systems, DEFAULT_SYSTEMS, "--systems") if systems is not None else QUICK_SYSTEMS if quick else DEFAULT_SYSTEMS
    chosen = [own.get(name) or System(name, "peer") for name in names]
    more = [System(name, "command", line) for name, line in commands] + [System(name, "folder", path) for name, path in folders]
    known = [*DEFAULT_SYSTEMS, *(each.name for each in more)]
    for system in more:
        if known.count(system.name) > 1:
            raise click.UsageError(f"the name {system.name} is taken; give your codec another")
    return chosen + more


def _listed(text: str, known: tuple[str, ...], option: str) -> tuple[str, ...]:
    names = tuple(name for name in text.split(",") if name and name != "none")
    for name in names:
        if name not in known:
            raise click.UsageError(f"{option}: {name!r} is none of {', '.join(known)}")
    return names


def _bitrate(data: Path, name: str | None, out: Path, model: str, quick: bool, limit: int | None, jobs: int) -> dict[str, Any]:
    from benchmarks import bitrate as measurement
    from benchmarks import corpus, files
    from benchmarks.progress import many, say
    from benchmarks.provenance import provenance

    say(f"bitrate: reading {data}")
    utterances: list[Utterance] = corpus.load(data, _limit(quick, limit))
    say(f"bitrate: {many(len(utterances), 'utterance')}; loading the model {model}")
    measured = measurement.measure([each.path for each in utterances], [each.name for each in utterances], model, jobs)
    say(f"bitrate: done; {measured['bps']['pooled']:.1f} bit/s over all utterances")
    measured = {"version": 1, "made": provenance(name or _name(data)), **measured}
    files.write_json(out / "bitrate.json", measured)
    return measured


def _speed(data: Path | None, name: str | None, out: Path, model: str, quick: bool) -> dict[str, Any]:
    from benchmarks import corpus, cost, files
    from benchmarks import speed as measurement
    from benchmarks.progress import say
    from benchmarks.provenance import provenance

    say(f"speed: loading the model {model} and the other codecs; a line for each case that is timed")
    paths = None if data is None else [each.path for each in corpus.load(data)]
    measured = measurement.measure(model, quick, speech=paths)
    spoken = "synthetic speech" if data is None else name or _name(data)
    measured = {"version": 1, "made": provenance(spoken), **measured, "cost": cost.measure(model, quick=quick)}
    files.write_json(out / "speed.json", measured)
    return measured


def _report(out: Path, baseline: str, readme: Path | None = None, save_baseline: Path | None = None) -> None:
    from benchmarks import compare as comparison
    from benchmarks.report import assemble
    from benchmarks.report import readme as readme_file

    click.echo(assemble.report(out, baseline))
    if save_baseline is not None:
        comparison.save(out, save_baseline)
    if readme is not None:
        readme_file.update(readme, out)


def _name(data: Path) -> str:
    """The folder's name, ``talks`` for talks/ and for talks/manifest.tsv; of another manifest its own name."""
    folder = data.resolve()
    return folder.name if folder.is_dir() else folder.parent.name if folder.stem == "manifest" else folder.stem
