"""``unitcodec corpus``: recordings by the thousand -> shards of streams, on this machine or on a cluster."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import TYPE_CHECKING

import click

import unitcodec
from unitcodec.command import bar
from unitcodec.command.jobs import JobError
from unitcodec.command.run import PATH, Work, effort_option, jobs_option, model_options, outcomes, quiet_option, say
from unitcodec.errors import UnitcodecError

if TYPE_CHECKING:
    from unitcodec.corpus.plan import Plan, Slice


@click.command()
@click.argument("inputs", metavar="IN...", nargs=-1, required=True, type=PATH)
@click.option("-o", "--output-dir", metavar="DIR|URL", required=True, type=PATH, help="Where the corpus goes.")
@click.option("--format", "kind", type=click.Choice(["parquet", "tar"]), default="parquet", show_default=True)
@click.option("--shard-size", type=click.IntRange(1), default=1000, show_default=True, help="Recordings in a shard.")
@click.option("--split", default="train", show_default=True, help="What shards are called.")
@click.option("-b", "--bitrate", type=float, metavar="BPS", help="See encode.")
@effort_option
@model_options
@jobs_option
@click.option("--ray", "on_ray", is_flag=True, help="On a Ray cluster, or on all processors of this machine without --jobs.")
@click.option("--ray-address", metavar="ADDRESS", help="Of the cluster; RAY_ADDRESS by default.")
@click.option("--retry-failed", is_flag=True, help="Code the shards again that lack recordings.")
@quiet_option
@click.pass_context
def corpus(
    context: click.Context,
    inputs: tuple[str, ...],
    output_dir: str,
    kind: str,
    shard_size: int,
    split: str,
    bitrate: float | None,
    effort: int,
    model: str,
    device: str,
    processes: int,
    on_ray: bool,
    ray_address: str | None,
    retry_failed: bool,
    quiet: bool,
) -> int:
    """Code recordings into shards: Parquet files, or tars in WebDataset's layout.

    IN are manifests (.tsv, .csv or .jsonl with a path, and perhaps id, speaker and transcript, a row), folders, or WebDataset
    tars, train-{000..127}.tar for instance; on disk or URLs that fsspec knows. Each tar becomes a shard.

    A shard is there as a whole or not at all. The same command goes on where a run ended. What cannot be coded is listed in
    failures.jsonl; index.jsonl tells where each recording is.
    """
    from unitcodec.corpus.encode import finished
    from unitcodec.corpus.plan import Plan, digest
    from unitcodec.corpus.shards import require
    from unitcodec.corpus.store import Store
    from unitcodec.corpus.summary import FAILURES, summarize

    if bitrate is not None and not 0 < bitrate < float("inf"):
        raise JobError(f"--bitrate {bitrate} is not a number above 0")
    if not re.fullmatch(r"\w+", split, re.ASCII):
        raise JobError(f"--split {split!r}: letters, digits and _ alone")
    if ray_address is not None and not on_ray:
        raise JobError("--ray-address is the cluster's of --ray")
    slices = _slices(inputs, shard_size)
    require(kind)
    coder = _model(model), _fingerprint(model)
    if effort:
        # Told here, once, and before the folder is begun with an effort that no shard can be made with.
        unitcodec.load(model, device="cpu").analysis(effort=effort)
    plan = Plan(Store(output_dir), len(slices), digest(slices), kind, split, *coder, device, bitrate, effort)
    plan.begin()
    for folder in ("data", ".reports"):
        plan.store.sweep(folder)
    pending = []
    for piece in slices:
        before = finished(plan, piece.number)
        if before is None or (retry_failed and before.failed):
            pending.append(piece)
    if len(pending) < len(slices) and not quiet:
        say(f"unitcodec: {len(slices) - len(pending)} of {len(slices)} shards skipped: they are there")
    workers = None if context.get_parameter_source("processes") is click.core.ParameterSource.DEFAULT else processes
    weights = {piece: float(max(1, len(piece.recordings))) for piece in pending}
    try:
        with bar.over(weights, f"of {len(pending)} shards", quiet) as run:
            if on_ray and pending:
                _on_ray(plan, pending, retry_failed, workers, ray_address, run)
            else:
                prepare = partial(_coder, plan, retry_failed)
                found = outcomes(pending, prepare, partial(_name, plan), max(1, min(processes, len(pending))))
                if sum(not outcome.done for _, outcome in bar.counted(run, pending, found)):
                    return 1  # each was told
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("the same command goes on from here") from error
    total = summarize(plan)
    if total.failed:
        where = f"{plan.store.root}/{FAILURES}"
        say(f"unitcodec: {total.failed} of {total.recordings + total.failed} recordings failed; {where} tells why")
    elif not quiet:
        rate = f", {8 * total.size / total.seconds:.1f} bit/s" if total.seconds else ""
        say(f"{total.recordings} recordings, {total.seconds / 3600:.2f} h, in {plan.shards} shards: {total.size} bytes{rate}")
    return 1 if total.failed else 0


def _slices(inputs: tuple[str, ...], size: int) -> tuple[Slice, ...]:
    from unitcodec.corpus.plan import slices_of, slices_of_tars
    from unitcodec.corpus.recordings import expanded, is_tar, read_folder, read_manifest

    tars = [tar for path in inputs if is_tar(path) for tar in expanded(path)]
    others = [path for path in inputs if not is_tar(path)]
    if tars and others:
        raise JobError(f"{others[0]}: code tars and other inputs one after the other, each to a folder of its own")
    if len(set(tars)) < len(tars):
        raise JobError("a tar is given twice; leave one away")
    if tars:
        return slices_of_tars([tar if "://" in tar else os.path.abspath(tar) for tar in tars])
    recordings = [each for path in others for each in (read_folder(path) if os.path.isdir(path) else read_manifest(path))]
    seen = set[str]()
    for each in recordings:
        if each.id in seen:
            raise UnitcodecError(f"two inputs have the id {each.id!r:.80}; make ids unique")
        seen.add(each.id)
    return slices_of(recordings, size)


def _model(name: str) -> str:
    """As every process finds it."""
    return os.path.abspath(name) if os.path.isdir(name) else name


def _fingerprint(model: str) -> str:
    from bitstream import BitstreamError, EntropyModel
    from unitcodec.errors import ModelError
    from unitcodec.model import find

    path = find(model) / "entropy.safetensors"
    try:
        return EntropyModel.load(path).fingerprint
    except (OSError, BitstreamError) as error:
        raise ModelError(f"{path}: {error}") from error


def _name(plan: Plan, piece: Slice) -> str:
    return piece.tar or plan.shard(piece.number)


def _coder(plan: Plan, again: bool) -> Work[Slice]:
    from unitcodec.corpus.encode import encode_slice

    return lambda piece: encode_slice(plan, piece, tell=bar.told(), again=again)


def _on_ray(plan: Plan, pending: list[Slice], again: bool, workers: int | None, address: str | None, run: bar.Run | None) -> None:
    from unitcodec.corpus.cluster import encode_on_ray

    if again:
        for piece in pending:
            plan.store.remove(plan.shard(piece.number))
    pieces = {piece.number: piece for piece in pending}
    for summary in encode_on_ray(plan, pending, workers, address):
        if run is not None:
            run.finish(pieces[summary.number])
