"""``unitcodec export-onnx``: a model -> a folder that codes and speaks without PyTorch."""

from __future__ import annotations

from pathlib import Path

import click

from unitcodec.command.folder import OutputFolder
from unitcodec.command.run import PATH, output_options, say
from unitcodec.errors import UnitcodecError


@click.command()
@click.argument("model", metavar="MODEL", type=PATH)
@click.argument("out", metavar="DIR", type=PATH)
@output_options
def export_onnx(model: str, out: str, overwrite: bool, quiet: bool) -> None:
    """Write a model as graphs that ONNX Runtime runs.

    MODEL is a packaged model or a folder. DIR gets its files, the graphs beside them, and onnx.json, which tells the SHA-256 of
    each. 'unitcodec encode --model DIR' and 'decode --model DIR' use them without PyTorch, and so does unitcodec.onnx.OnnxCodec.
    """
    target = OutputFolder(out, overwrite)
    try:
        from unitcodec.onnx.export import export
    except ImportError as error:
        raise UnitcodecError(f"{error}: exporting needs what the extra onnx has: pip install 'unitcodec[onnx]'") from error
    with target as folder:
        export(model, Path(folder))
        size = sum(each.stat().st_size for each in Path(folder).glob("*.onnx"))
    if not quiet:
        say(f"{model} -> {out}: graphs of {size / 1e6:.1f} MB beside the model's own files")
