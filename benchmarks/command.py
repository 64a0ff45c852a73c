"""``unitcodec bench``: bitrate, quality and speed beside the codecs that people would pick instead.

Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from benchmarks.corpus import Utterance
    from benchmarks.system import System

_Command = TypeVar("_Command", bound=Callable[..., Any])

_QUICK = 12
"""Utterances of a quick look."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def bench() -> None:
    """Measure bitrate, quality and speed beside other codecs.

    Needs the extra eval (pip install 'unitcodec[eval]'). A judge or codec that is not installed is named as a gap.
    """


def _options(*chosen: str) -> Callable[[_Command], _Command]:
    add: dict[str, Callable[[_Command], _Command]] = {
        "data": click.option(
            "--data", type=click.Path(path_type=Path, exists=True), required=True, metavar="MANIFEST",
            help="TSV with the columns path and transcript, and speaker if known; its folder; or a folder of recordings.",
        ),
        "speech": click.option(
            "--data", type=click.Path(path_type=Path, exists=True), metavar="MANIFEST",
            help="Time on this corpus's speech instead of synthetic; speed hardly depends on it.",
        ),
        "report": click.option(
            "--out", type=click.Path(path_type=Path, file_okay=False, exists=True), required=True, metavar="DIR",
            help="What a run wrote.",
        ),
        "out": click.option(
            "--out", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="DIR",
            help="Results, plots, page, decoded speech and what the judges remember.",
        ),
        "model": click.option("--model", metavar="NAME|DIR", default="default", show_default=True),
        "quick": click.option("--quick", is_flag=True, help=f"{_QUICK} short utterances, fewer peers and rounds, no long files."),
        "limit": click.option("--limit", type=click.IntRange(1), metavar="N", help="Only N short utterances, evenly spread."),
        "jobs": click.option(
            "--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="cores", help="Processes, a thread each."
        ),
        "systems": click.option("--systems", metavar="A,B,...", help="Only these of the systems known here; none for none."),
        "system": click.option(
            "--system", "commands", multiple=True, metavar="NAME=COMMAND", callback=_named,
            help="Another codec: a shell command with {wav} {bits} {out}. Repeatable.",
        ),
        "decoded": click.option(
            "--decoded", "folders", multiple=True, metavar="NAME=DIR", callback=_named,
            help="A folder of decoded STEM.wav, with STEM.uc beside them for the bits. Repeatable.",
        ),
        "judges": click.option("--judges", metavar="A,B,...", help="Put only these to work, as speaker,f0 for a quick look."),
        "asr": click.option("--asr", metavar="NAME|DIR", help="One more recogniser: a transformers checkpoint that is here."),
        "baseline": click.option(
            "--baseline", metavar="SYSTEM", default="codec2-700c", show_default=True, help="Test every system against this one."
        ),
        "readme": click.option(
            "--readme", type=click.Path(path_type=Path, dir_okay=False), help="Put table and plots between its bench marks."
        ),
        "save": click.option(
            "--save-baseline", type=click.Path(path_type=Path, dir_okay=False), help="Write what later runs are compared with."
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
        if not (name and equals and value) or "/" in name or name.startswith("."):
            raise click.BadParameter(f"{text!r}: NAME=VALUE is wanted, and a NAME that can be a folder's")
        pairs.append((name, value))
    return tuple(pairs)


_QUALITY = ("data", "out", "model", "quick", "limit", "jobs", "systems", "system", "decoded", "judges", "asr", "baseline")


@bench.command()
@_options(*_QUALITY)
def quality(**options: Any) -> None:
    """What it sounds like: words, voice, pitch, opinion. Writes OUT/results.json and OUT/report/index.html."""
    _quality(**options)
    _report(options["out"], options["baseline"])


@bench.command()
@_options("data", "out", "model", "quick", "limit", "jobs")
def bitrate(**options: Any) -> None:
    """What it takes: bits by stream and by duration. Writes OUT/bitrate.json."""
    from benchmarks.report import tables

    click.echo(tables.bitrate(_bitrate(**options)))


@bench.command()
@_options("speech", "out", "model", "quick")
def speed(**options: Any) -> None:
    """What it costs: times real time, seconds and memory against duration. Writes OUT/speed.json."""
    from benchmarks.report import tables

    click.echo(tables.speed(_speed(**options)))


@bench.command(name="all")
@_options(*_QUALITY, "readme", "save")
def everything(readme: Path | None, save_baseline: Path | None, **options: Any) -> None:
    """Bitrate, speed, quality, and the report of them all: OUT/report/index.html."""
    from benchmarks.report import readme as readme_file

    out = options["out"]
    # An hour later would be late to hear of a typing error.
    _chosen(**{name: options[name] for name in ("systems", "quick", "model", "commands", "folders", "judges", "baseline")})
    if readme is not None:
        readme_file.checked(readme)
    _bitrate(**{name: options[name] for name in ("data", "out", "model", "quick", "limit", "jobs")})
    _speed(options["data"], out, options["model"], options["quick"])
    _quality(**options)
    _report(out, options["baseline"], readme, save_baseline)


@bench.command()
@_options("report", "baseline", "readme", "save")
def report(out: Path, baseline: str, readme: Path | None, save_baseline: Path | None) -> None:
    """Draw again what DIR holds, without measuring: tables, plots and page."""
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
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write DIR/noise.json.")
@_options("model", "jobs")
def noise(clean: Path, noisy: Path, out: Path | None, model: str, jobs: int) -> None:
    """Count the units that change when noise is added to the speech. Prints a table."""
    from benchmarks import files
    from benchmarks import noise as measurement
    from benchmarks.provenance import provenance

    found = measurement.pairs(clean, noisy)
    measured = measurement.measure(found, model, min(jobs, len(found)))
    if out is not None:
        names = {"clean": _name(clean), "noisy": _name(noisy)}
        files.write_json(out / "noise.json", {"version": 1, "made": provenance(names["noisy"]), **names, **measured})
    click.echo(measurement.table(measured))


@bench.command()
@click.argument("before", metavar="A", type=click.Path(path_type=Path, exists=True))
@click.argument("after", metavar="B", type=click.Path(path_type=Path, exists=True))
@click.option("--check", is_flag=True, help="Exit status 1 when something got worse, with p < 0.005 where chance is in it.")
def compare(before: Path, after: Path, check: bool) -> int:
    """Print what moved from A to B by more than chance: folders of a run, or files such as benchmarks/baseline.json."""
    from benchmarks import compare as comparison

    runs = comparison.load(before), comparison.load(after)
    moves = comparison.moves(*runs)
    click.echo("\n\n".join([comparison.table(moves), *comparison.left_out(*runs)]))
    return 1 if check and any(move.worse and move.certain for move in moves) else 0


def _limit(quick: bool, limit: int | None) -> int | None:
    return limit if limit is not None or not quick else _QUICK


def _quality(
    data: Path,
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
    from benchmarks.quality import judge_corpus

    if (warning := judge.warning(asr)) is not None:
        click.echo(warning, err=True)
    chosen, names = _chosen(systems, quick, model, commands, folders, judges, baseline)
    utterances = corpus.load(data, _limit(quick, limit))
    judge_corpus(utterances, chosen, out, _name(data), min(jobs, len(utterances)), names, asr)


def _chosen(
    systems: str | None,
    quick: bool,
    model: str,
    commands: tuple[tuple[str, str], ...],
    folders: tuple[tuple[str, str], ...],
    judges: str | None,
    baseline: str,
) -> tuple[list[System], tuple[str, ...] | None]:
    """The systems and, if they are not all, the judges. Raises click.UsageError for a name that nothing has."""
    from benchmarks import judge
    from benchmarks.quality import DEFAULT_SYSTEMS

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


def _bitrate(data: Path, out: Path, model: str, quick: bool, limit: int | None, jobs: int) -> dict[str, Any]:
    from benchmarks import bitrate as measurement
    from benchmarks import corpus, files
    from benchmarks.provenance import provenance

    utterances: list[Utterance] = corpus.load(data, _limit(quick, limit))
    measured = measurement.measure([each.path for each in utterances], [each.name for each in utterances], model, jobs)
    measured = {"version": 1, "made": provenance(_name(data)), **measured}
    files.write_json(out / "bitrate.json", measured)
    return measured


def _speed(data: Path | None, out: Path, model: str, quick: bool) -> dict[str, Any]:
    from benchmarks import corpus, cost, files
    from benchmarks import speed as measurement
    from benchmarks.provenance import provenance

    paths = None if data is None else [each.path for each in corpus.load(data)]
    measured = measurement.measure(model, quick, speech=paths)
    name = "synthetic speech" if data is None else _name(data)
    measured = {"version": 1, "made": provenance(name), **measured, "cost": cost.measure(model, quick=quick)}
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
    """``dev`` for dev/ and for dev/manifest.tsv."""
    folder = data.resolve()
    return folder.name if folder.is_dir() else folder.parent.name if folder.stem == "manifest" else folder.stem
