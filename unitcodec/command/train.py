"""``unitcodec train``: a corpus -> a model folder, stage by stage."""

from __future__ import annotations

import click

from unitcodec.command.run import PATH
from unitcodec.training import STAGES


def _renamed(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.UsageError("--initial is called --warm-start now")


@click.command()
@click.argument("stage", metavar="STAGE", type=click.Choice([*STAGES, "all"]))
@click.option("--data", metavar="MANIFEST", required=True, type=PATH, help="What to train on.")
@click.option("-o", "--out", metavar="DIR", required=True, type=PATH, help="Checkpoints, logs and samples.")
@click.option("--config", metavar="FILE", type=PATH, help="Settings that differ from the stage's own.")
@click.option("--resume/--restart", default=True, show_default=True, help="Go on from the last checkpoint in DIR, or anew.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--validation", metavar="MANIFEST", type=PATH, help="What export reports the rate on.")
@click.option(
    "--family", type=click.Choice(["fsq", "whisper", "vqvae", "hubert", "cpc", "pretrained"]), help="Of the content encoder."
)
@click.option("--warm-start", metavar="NAME|DIR", help="Begin with the weights of a model, by name or folder.")
@click.option("--initial", hidden=True, expose_value=False, callback=_renamed)
def train(
    stage: str,
    data: str,
    out: str,
    config: str | None,
    resume: bool,
    seed: int,
    device: str,
    validation: str | None,
    family: str | None,
    warm_start: str | None,
) -> None:
    """Train one stage of a model, or all in order.

    STAGE is pitch, content, vocoder, joint, encoder, entropy, export or all.

    MANIFEST is a TSV file with the columns path (relative to it), speaker and, optionally, transcript.
    """
    from unitcodec.training import run

    run(stage, data, out, config, resume, seed, device, validation, family, warm_start)
