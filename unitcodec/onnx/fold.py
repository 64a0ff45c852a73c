"""An exported graph with less in it: what is constant is computed, what is a weight is read from the model's own file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

SMALL = 4096
"""Entries of a constant that is kept in the graph."""

Layout = Mapping[str, tuple[np.dtype[Any], tuple[int, ...], int, int]]
"""Tensors of a file by name: type, shape, where they begin and how many bytes they are."""


def without_constants(model: Any) -> Any:
    """The same graph; nodes that only constants go into, and sizes that are known, become constants."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    shaped = [each for each in (*graph.value_info, *graph.input) if each.type.tensor_type.HasField("shape")]
    sizes = {value.name: _sizes(value) for value in shaped}
    known = {each.name: numpy_helper.to_array(each) for each in graph.initializer if np.prod(each.dims) <= SMALL}
    weights = {each.name: each for each in graph.initializer if each.name not in known}
    renamed: dict[str, str] = {}
    shapes: dict[str, str] = {}  # what a node gives -> what it is the shape of
    nodes = []
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
        if node.op_type == "Constant":
            known[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "Identity":
            renamed[node.output[0]] = node.input[0]
        elif all(name in known for name in node.input if name) and node.input:
            known[node.output[0]] = _computed(node, known, model.opset_import)
        else:
            if node.op_type == "Shape":
                shapes[node.output[0]] = node.input[0]
            size = _size(node, shapes, sizes, known)
            if size is not None:
                known[node.output[0]] = size
            else:
                nodes.append(node)
    nodes = _needed(nodes, [each.name for each in graph.output])
    used = {name for node in nodes for name in node.input}
    constants = [numpy_helper.from_array(value, name) for name, value in known.items() if name in used]
    made = helper.make_graph(
        nodes, "unitcodec", graph.input, graph.output, [*(weights[k] for k in weights if k in used), *constants]
    )
    return helper.make_model(made, opset_imports=model.opset_import, ir_version=model.ir_version)


def _sizes(value: Any) -> list[int | None]:
    return [each.dim_value if each.HasField("dim_value") else None for each in value.type.tensor_type.shape.dim]


def _size(node: Any, shapes: Mapping[str, str], sizes: Mapping[str, list[int | None]], known: Mapping[str, Any]) -> Any:
    """The number that a node picks from a shape, where it is the same for all inputs."""
    if node.op_type != "Gather" or node.input[0] not in shapes or node.input[1] not in known:
        return None
    of, index = sizes.get(shapes[node.input[0]]), known[node.input[1]]
    if of is None or index.ndim or of[int(index)] is None:
        return None
    return np.array(of[int(index)], np.int64)


def _needed(nodes: list[Any], outputs: list[str]) -> list[Any]:
    """Those of the nodes that something comes of."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    return kept[::-1]


def _computed(node: Any, known: Mapping[str, NDArray[Any]], opsets: Any) -> NDArray[Any]:
    given = {name: known[name] for name in node.input if name}
    types = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in given.items()]
    graph = helper.make_graph([node], "constant", types, [onnx.ValueInfoProto(name=node.output[0])])
    (value,) = ReferenceEvaluator(helper.make_model(graph, opset_imports=opsets)).run(None, given)
    return np.asarray(value)


def with_weights_of(model: Any, file: str, layout: Layout, scale: str) -> Any:
    """The same graph, its weights by name those of a ``file`` beside it.

    Args:
        layout: of the file.
        scale: what the name of an int8 tensor's scale ends in.

    Raises KeyError for a weight that the file does not have.
    """
    graph = model.graph
    small = [each for each in graph.initializer if np.prod(each.dims) <= SMALL]
    replaced = [each for each in graph.initializer if np.prod(each.dims) > SMALL]
    tensors, nodes = [], []
    for each in replaced:
        stored, value = f"{each.name}.stored", each.name
        tensors.append(_tensor(stored, file, layout[each.name]))
        if tensors[-1].data_type == TensorProto.INT8:
            factor = f"{each.name}{scale}"
            tensors.append(_tensor(f"{factor}.stored", file, layout[factor]))
            nodes.append(helper.make_node("Cast", [f"{factor}.stored"], [factor], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("DequantizeLinear", [stored, factor], [value], axis=0))
        else:
            nodes.append(helper.make_node("Cast", [stored], [value], to=TensorProto.FLOAT))
    made = helper.make_graph([*nodes, *graph.node], graph.name, graph.input, graph.output, [*small, *tensors])
    return helper.make_model(made, opset_imports=model.opset_import, ir_version=model.ir_version)


def _tensor(name: str, file: str, place: tuple[np.dtype[Any], tuple[int, ...], int, int]) -> Any:
    dtype, shape, offset, length = place
    tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(dtype), dims=shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", file), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor
