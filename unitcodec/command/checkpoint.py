"""``unitcodec import-checkpoint``: a published unit vocoder -> a model folder, or held against its expected output."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unitcodec.command.folder import OutputFolder
from unitcodec.command.run import output_options, printable, say
from unitcodec.errors import ModelError

if TYPE_CHECKING:
    from unitcodec.configuration import ModelConfig
    from unitcodec.model import Networks
    from unitcodec.published.checkpoint import Checkpoint
    from unitcodec.published.entropy import Rates

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("source", metavar="DIR", type=_FILE)
@click.argument("more", metavar="[FILE...]", nargs=-1, type=_FILE)
@click.option("--verify", metavar="EXPECTED.npz", type=_FILE, help="Compute what this file holds, and tell how far it is off.")
@click.option("-o", "--out", metavar="FOLDER", help="The model folder to write.")
@click.option("--units", metavar="FILE...", multiple=True, type=_FILE, help="Units to learn their frequencies from.")
@click.option("--test", metavar="FILE", multiple=True, type=_FILE, help="Units to tell the rate on, instead of --units.")
@click.option("--content", metavar="NAME|DIR:LAYER", help="Pretrained network whose units these are; else FOLDER only decodes.")
@click.option("--kmeans", metavar="FILE", type=_FILE, help="The codebook of these units, with --content.")
@click.option("--f0-quantizer", metavar="FILE", type=_FILE, help="The F0 quantizer, where DIR does not hold it.")
@click.option("--tracker", default="swift-f0", show_default=True, type=click.Choice(["swift-f0", "yaapt"]), help="Of F0.")
@click.option("--voice", default=0, show_default=True, help="Speaker that encoding sends, a row of the vocoder's table.")
@click.option("--entropy", default="tables", show_default=True, type=click.Choice(["tables", "recurrent"]), help="What learns.")
@click.option("--setting", metavar="NAME=VALUE", multiple=True, help="Of the recurrent network's training, if not its default.")
@click.option("--training", metavar="DIR", type=_FILE, help="Keep the recurrent network's training here, and go on from there.")
@output_options
def import_checkpoint(
    source: Path,
    more: tuple[Path, ...],
    verify: Path | None,
    out: str | None,
    units: tuple[Path, ...],
    test: tuple[Path, ...],
    content: str | None,
    kmeans: Path | None,
    f0_quantizer: Path | None,
    tracker: str,
    voice: int,
    entropy: str,
    setting: tuple[str, ...],
    training: Path | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Make a published unit vocoder a model folder.

    DIR holds config.json and g_NUMBER, as speech-resynthesis (Polyak et al. 2021) and the unit HiFi-GAN of fairseq's
    speech-to-speech translation publish them; the file of weights itself may be named instead. FILEs are unit files of any
    kind that 'unitcodec resynth' reads; of those that 'unitcodec units' writes the F0 codes count as well.

    With --verify, exit status 1 if an F0 code differs or a sample is off by more than 1e-5.
    """
    if verify is None and out is None:
        raise click.UsageError("give --verify EXPECTED.npz, or --out FOLDER with --units FILE...")
    if (out is None) != (not units) or (more and not units):
        raise click.UsageError("--out FOLDER and --units FILE... go together")
    if (content is None) != (kmeans is None):
        raise click.UsageError("--content NAME|DIR:LAYER and --kmeans FILE go together")
    target = None if out is None else OutputFolder(out, overwrite)
    from unitcodec.published.assembly import assemble
    from unitcodec.published.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(source, f0_quantizer, voice)
    name = Path(out or source).resolve().name
    config, networks = assemble(name, checkpoint, *_content(content, kmeans), tracker)
    if verify is not None:
        _verify(networks, verify)
    if target is not None:
        lists = list(units + more)
        _write(target, checkpoint, config, networks, lists, list(test), entropy, setting, training, quiet)


def _content(content: str | None, kmeans: Path | None) -> tuple[dict[str, Any] | None, Any]:
    """Options of the content encoder, and its centroids."""
    if content is None or kmeans is None:
        return None, None
    from unitcodec.formats.centroids import read_centroids

    name, _, layer = content.rpartition(":")
    if not name or not layer.isdecimal():
        raise click.UsageError("--content NAME|DIR:LAYER: name the layer, as in facebook/hubert-base-ls960:6")
    try:
        centroids = read_centroids(kmeans)
    except ValueError as error:
        raise ModelError(f"{kmeans}: {error}") from error
    # A folder is to be found from wherever the model is used.
    name = str(Path(name).resolve()) if Path(name).is_dir() else name
    codes, dimensions = centroids.shape
    sizes = {"codes": codes, "dimensions": dimensions, "embedding": 1}
    return {"kind": "pretrained", "checkpoint": name, "layer": int(layer), **sizes}, centroids


def _verify(networks: Networks, path: Path) -> None:
    from unitcodec.published.expected import TOLERANCE, compare

    found = compare(networks, path)
    if found.f0_total:
        click.echo(f"F0 codes: {found.f0_codes} of {found.f0_total} differ")
    if found.durations_total:
        click.echo(f"durations: {found.durations} of {found.durations_total} differ")
    click.echo(f"wave: largest error {found.wave:.2g}")
    if not found.passes:
        raise ModelError(f"{path}: not what is computed here: no code may differ, and no sample by more than {TOLERANCE:g}")


def _write(
    target: OutputFolder,
    checkpoint: Checkpoint,
    config: ModelConfig,
    networks: Networks,
    lists: list[Path],
    test: list[Path],
    kind: str,
    setting: tuple[str, ...],
    training: Path | None,
    quiet: bool,
) -> None:
    import torch

    from unitcodec import model as models
    from unitcodec.fields import Fields
    from unitcodec.formats.unit_lists import read_list
    from unitcodec.frames import LEVEL_CODES
    from unitcodec.pitch.track import DEVIATION_CODES, MEAN_CODES
    from unitcodec.published import entropy
    from unitcodec.published.assembly import measure_gain
    from unitcodec.published.card import write_card
    from unitcodec.training.recurrent_training import Settings

    read = {path: read_list(path) for path in lists + test}
    f0_known = networks.pitch.codes > 1 and all(entry.f0 is not None for path in lists for entry in read[path])
    weights = models.digest(models.stored(networks, config.precision))
    spec = entropy.describe(networks, weights, f0_known, 2 if kind == "tables" else 1)
    flat = entropy.flat_code(networks)
    learn = [each for path in lists for each in entropy.utterances(read[path], spec, path, flat)]
    coded = {path: entropy.utterances(read[path], spec, path, flat) for path in test or lists}
    config = replace(config, gain_db=measure_gain(networks, learn))
    if kind == "tables":
        fitted = entropy.fit(spec, learn, None if f0_known else flat)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            settings = Settings.of(setting)
            folder = training or Path(scratch)
            fitted = entropy.fit_recurrent(spec, learn, None if f0_known else flat, folder, settings)
    voice = networks.speaker.encode(torch.zeros(1, 80, 2))[0].tolist()
    speaker = Fields(MEAN_CODES // 2, DEVIATION_CODES // 2, LEVEL_CODES - 1, tuple(voice)).codes()
    rates = {path.name: entropy.measure(fitted, each, speaker) for path, each in coded.items()}
    with target as part:
        models.save(Path(part), config, networks, fitted)
        card = write_card(config, networks, fitted, checkpoint, lists, f0_known, rates)
        Path(part, "MODEL_CARD.md").write_text(card, encoding="utf-8")
        models.load(part)
    for path, rate in zip(coded, rates.values(), strict=True):
        click.echo(printable(_line(path, rate, "" if test else ", learned from")))
    if not quiet:
        say(f"{target.name}: model {fitted.fingerprint}; see its MODEL_CARD.md")


def _line(path: Path, rate: Rates, note: str) -> str:
    return (
        f"{path}: units {rate.units:.1f} bit/s, F0 {rate.f0:.1f} bit/s; as files {rate.files:.1f} bit/s "
        f"({rate.utterances} utterances, {rate.seconds:.0f} s{note})"
    )
