"""A model folder -> one that is coded with by ONNX Runtime, too: the same files, and graphs that read their weights from them."""

from __future__ import annotations

import hashlib
import io
import json
import math
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import onnx
import torch
from torch import Tensor, nn

from bitstream.tensors import TensorFile

from .. import model as models
from ..content.fsq import ContentEncoder
from ..content.whisper import WhisperContentEncoder
from ..errors import ModelError
from ..pitch.vqvae import PitchVQVAE
from ..speaker.encoder import SpeakerEncoder
from ..vocoder.spectral import SpectralGenerator
from ..weights import MAX_FILE
from . import graphs
from .contents import look_through
from .fold import Layout, with_weights_of, without_constants
from .folder import FORMAT, GRAPHS, INDEX, Index
from .weights import SCALE

OPSET = 17


@dataclass(frozen=True)
class _Graph:
    """What becomes a graph: a module, an example of what it is given, what its inputs and outputs are called."""

    module: nn.Module
    given: tuple[Tensor, ...]
    inputs: dict[str, int | None]
    """Name -> the axis along which a stream may be longer or shorter."""
    outputs: Sequence[str]


def export(name: str | Path, folder: Path) -> None:
    """Write into an empty folder what ``unitcodec.onnx`` reads, of a packaged model by name or a model folder by path.

    Raises ModelError for a model that cannot be read, or of a kind that has no graphs.
    """
    source = models.find(name)
    model = models.load(source)
    _check(model, source)
    with TensorFile(source / "model.safetensors", MAX_FILE) as file:
        layout = {k: (dtype, shape, start, math.prod(shape) * dtype.itemsize) for k, (dtype, shape, start) in file.places.items()}
    for each in sorted(source.iterdir()):
        if each.is_file() and each.suffix != ".onnx" and each.name != INDEX:
            shutil.copyfile(each, folder / each.name)
    for part, graph in _graphs(model.networks).items():
        (folder / f"{part}.onnx").write_bytes(_exported(graph, layout))
    swift_f0 = Path(str(find_spec("swift_f0").origin)).parent  # type: ignore[union-attr]
    shutil.copyfile(swift_f0 / "model.onnx", folder / "tracker.onnx")
    for written in folder.glob("*.onnx"):
        look_through(written.read_bytes())  # as it will be read
    files = {each.name: digest(each) for each in sorted(folder.iterdir()) if each.is_file()}
    index = Index(FORMAT, model.entropy.fingerprint, sizes_of(model), files)
    (folder / INDEX).write_text(json.dumps(vars(index), indent=2) + "\n", encoding="utf-8")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sizes_of(model: models.Model) -> dict[str, int]:
    """What the encoder and the decoder have to know of the networks beside their graphs."""
    networks = model.networks
    content: Any = networks.content
    generator: Any = networks.generator
    sizes = {
        "stride": content.stride,
        "context": content.context,
        "f0_context": networks.pitch.context,
        "f0_decoder_context": networks.f0_decoder.decoder_context,
        "decoder_context": networks.decoder.context,
        "generator_context": generator.context,
        "matching": generator.matching,
        "reach": 0,
        "near": 0,
    }
    if isinstance(content, WhisperContentEncoder):
        sizes |= {"reach": content.reach, "near": content.near}
    return sizes


def _check(model: models.Model, folder: Path) -> None:
    networks = model.networks
    wanted = {"content": ContentEncoder, "pitch": PitchVQVAE, "speaker": SpeakerEncoder, "generator": SpectralGenerator}
    for part, kind in wanted.items():
        found = type(getattr(networks, part))
        if not issubclass(found, kind):
            raise ModelError(f"{folder}: its {part} is a {found.__name__}; only {kind.__name__} has a graph")
    if model.config.precision != "int8":
        raise ModelError(f"{folder}: its weights are {model.config.precision}; graphs are made of those that are int8")


def _graphs(networks: models.Networks) -> dict[str, _Graph]:
    stride, content = networks.content.stride, networks.content
    units = torch.zeros(1, len(content.vocabulary), 128 // stride, dtype=torch.long)
    codes = torch.zeros(1, len(networks.speaker.alphabets), dtype=torch.long)
    edges = torch.tensor([0, 64 // stride])

    def some(*shape: int) -> Tensor:
        return torch.randn(1, *shape)

    def graph(module: nn.Module, inputs: dict[str, tuple[Tensor, int | None]], outputs: Sequence[str]) -> _Graph:
        given = tuple(example for example, _ in inputs.values())
        return _Graph(module, given, {name: axis for name, (_, axis) in inputs.items()}, outputs)

    heard = {"heard": (some(80, 128), 2), "mel": (some(80, 64), 2), "listened": (edges, None), "within": (edges, None)}
    windowed = isinstance(content, WhisperContentEncoder)
    seen = graphs.Windowed(networks) if windowed else graphs.Convolutional(networks)
    found = {
        "content": graph(seen, heard if windowed else {"mel": heard["mel"]}, ["bounded"]),
        "f0_decoder": graph(
            graphs.F0Decoder(networks),
            {
                "f0": (torch.zeros(1, 16, dtype=torch.long), 1),
                "mean": (some() + 5.0, None),
                "deviation": (some().abs() + 0.1, None),
            },
            ["features", "hz"],
        ),
        "mel": graph(graphs.Mel(networks), {"units": (units, 2), "features": (some(3, 128), 2), "codes": (codes, None)}, ["mel"]),
        "filters": graph(
            graphs.Filters(networks), {"mel": (some(80, 64), 2), "features": (some(3, 64), 2)}, ["harmonic", "noise", "angle"]
        ),
        "pulses": graph(
            graphs.Pulses(),
            {
                "hz": (some(64).abs() + 100.0, 1),
                "voicing": (some(64).sign(), 1),
                "start": (some().double(), None),
                "first": (torch.tensor(160), None),
            },
            ["pulses", "cycles"],
        ),
    }
    assert {*found, "tracker"} == set(GRAPHS)
    return found


def _exported(graph: _Graph, layout: Layout) -> bytes:
    stream = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            graph.module.eval(),
            graph.given,
            cast(Any, stream),
            dynamo=False,
            do_constant_folding=False,
            opset_version=OPSET,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_axes={name: {axis: name} for name, axis in graph.inputs.items() if axis is not None},
        )
    plain = without_constants(onnx.load_from_string(stream.getvalue()))
    made: Any = with_weights_of(plain, "model.safetensors", layout, SCALE)
    data: bytes = made.SerializeToString(deterministic=True)
    return data
