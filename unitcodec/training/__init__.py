"""Training, stage by stage: ``unitcodec train STAGE --data MANIFEST --out DIR``.

``pitch`` needs only the audio, ``content`` and ``vocoder`` also ``pitch``, ``joint`` all three. ``encoder`` needs what speaks; a
recipe asks for it by its steps. ``entropy`` codes the corpus and learns its codes, ``export`` turns what is there into a model
folder ``DIR/model``; ``all`` does them in order. Every stage keeps its state in ``DIR/STAGE`` and goes on from there when called
again. Under ``torchrun`` several processes train as one.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from ..errors import UnitcodecError

STAGES = ("pitch", "content", "vocoder", "joint", "encoder", "entropy", "export")

LEARNED_WITH_DECODER = ("fsq", "whisper", "vqvae")
"""Families of content encoders; the others are trained before, and are finished then."""


def run(
    stage: str,
    data: str | Path,
    out: str | Path,
    config: str | Path | None = None,
    resume: bool = True,
    seed: int = 0,
    device: str = "auto",
    validation: str | Path | None = None,
    family: str | None = None,
    warm_start: str | Path | None = None,
) -> None:
    """Run one stage, or all.

    Args:
        stage: one of STAGES, or "all".
        data: TSV with a header line and the columns path (relative to it), speaker and, optionally, transcript.
        out: folder of the run; ``out/corpus`` caches audio and F0.
        config: JSON file, stage -> settings that differ from those of :mod:`.settings`.
        resume: go on from ``out/STAGE``; False starts the stage anew.
        seed: of initial weights and of the batches.
        device: "cpu", "cuda", or "auto": CUDA where there is one.
        validation: TSV on which ``export`` reports the rate.
        family: of the content encoder, "fsq", "whisper", "vqvae", "hubert", "cpc" or "pretrained"; None: as the settings say.
        warm_start: a model, by name or folder, whose weights the stages begin with; see :mod:`.warm_start`.

    Raises:
        UnitcodecError: an unknown stage, a setting that a stage does not have, an earlier stage that is missing, or an
            ``warm_start`` model that is not what the settings describe.
    """
    if stage not in (*STAGES, "all"):
        raise UnitcodecError(f"unknown stage '{stage}': one of {', '.join(STAGES)} or all")
    import torch

    from . import parallel
    from .autoencoder import SCALAR
    from .corpus import prepare
    from .settings import read_settings
    from .stages import TABLE, Folder
    from .teacher import read_teachers, read_whisper
    from .warm_start import begin
    from .words import read_decoder

    settings = read_settings(config)
    if family is not None:
        settings = replace(settings, content=replace(settings.content, family=family))
    if settings.content.family not in LEARNED_WITH_DECODER:
        # Other microphones and vocal tracts teach an encoder. A decoder of finished units needs these as they will be.
        settings = replace(
            settings,
            content=replace(settings.content, equalizer=0.0, vtlp=0.0),
            joint=replace(settings.joint, equalizer=0.0, vtlp=0.0),
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    parallel.keep_memory()
    parallel.start(device)
    if stage == "encoder" and not settings.encoder.steps:
        raise UnitcodecError("encoder.steps is 0, which leaves the content encoder as it is: set it in a recipe (--config)")
    # What is missing is told before hours of the other stages.
    if stage in ("all", "encoder") and settings.encoder.steps and settings.content.family not in SCALAR:
        raise UnitcodecError(f"encoder.steps: only for scalar codes (the families {' and '.join(SCALAR)})")
    if stage in ("all", "content") and settings.content.family == "whisper":
        read_whisper(settings.whisper.checkpoint)
    hears = {"content": settings.content.feature_loss, "joint": settings.joint.feature_loss, "encoder": settings.encoder.steps}
    if any(asked and stage in ("all", name) for name, asked in hears.items()):
        read_teachers(settings.whisper)
    words = {"content": settings.content.word_loss, "joint": settings.joint.word_loss}
    if any(asked and stage in ("all", name) for name, asked in words.items()):
        read_decoder(settings.whisper.decoder)
    stages, first = STAGES if stage == "all" else (stage,), parallel.rank() == 0
    if first and not resume:
        for name in stages:
            shutil.rmtree(Path(out) / name, ignore_errors=True)
    if first and warm_start is not None:
        torch.manual_seed(seed)  # of what the model lacks: the same whichever stages are run
        begin(warm_start, Path(out), settings)
    for name in stages:
        if first:
            prepare(Path(data), Path(out) / "corpus", settings.corpus.tracker)
        parallel.wait()
        corpus = prepare(Path(data), Path(out) / "corpus", settings.corpus.tracker)
        run_folder = Folder(corpus, Path(out), settings, seed, device, validation)
        if name not in ("entropy", "export"):
            TABLE[name](run_folder)
        elif first:
            # What codes the corpus and writes the model is done once; its sums have an order.
            with parallel.alone():
                TABLE[name](run_folder)
        parallel.wait()
