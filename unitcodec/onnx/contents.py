"""What the file of a graph holds, looked through before ONNX Runtime reads it: a graph from anywhere is a program.

Of the protobuf messages of onnx.proto only those fields are read that tell operators, graphs within graphs, and files beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from bitstream.errors import shown

from ..errors import ModelError

# fmt: off
OPERATORS = frozenset((
    "Abs", "Add", "And", "ArgMax", "ArgMin", "Cast", "Clip", "Concat", "ConstantOfShape", "Conv", "Cos", "CumSum",
    "DequantizeLinear", "Div", "Erf", "Exp", "Flatten", "Floor", "Gather", "GatherElements", "Gemm", "Greater",
    "GreaterOrEqual", "LayerNormalization", "Less", "LessOrEqual", "Log", "MatMul", "Max", "Min", "Mul", "Neg", "OneHot",
    "Pad", "Range", "Reciprocal", "ReduceMax", "ReduceMean", "ReduceSum", "Relu", "Reshape", "Round", "ScatterElements",
    "Shape", "Sigmoid", "Sign", "Sin", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "Tile", "Transpose",
    "Unsqueeze", "Where",
))
# fmt: on
"""That exported graphs are made of: none runs another graph, so no node is computed twice."""

WEIGHTS = b"model.safetensors"

MODEL_GRAPH, MODEL_FUNCTIONS = 7, 25
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE = 1, 5, 15
NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_TENSOR, ATTRIBUTE_PLAIN = 5, (1, 2, 3, 4, 7, 8, 9, 13, 20, 21)
TENSOR_EXTERNAL, ENTRY_KEY, ENTRY_VALUE = 13, 1, 2


def look_through(data: bytes) -> None:
    """Raises ModelError for a graph with other operators, graphs within it, or weights elsewhere than beside it."""
    try:
        for number, model in _fields(data):
            if number == MODEL_FUNCTIONS:
                raise ModelError("holds functions, which exported graphs do not")
            if number == MODEL_GRAPH:
                _graph(model)
    except ModelError:  # which is a ValueError
        raise
    except (IndexError, ValueError) as error:
        raise ModelError("damaged, or no graph") from error


def _graph(data: bytes) -> None:
    for number, value in _fields(data):
        if number == GRAPH_NODE:
            _node(value)
        elif number == GRAPH_INITIALIZER:
            _tensor(value)
        elif number == GRAPH_SPARSE:
            raise ModelError("holds sparse tensors, which exported graphs do not")


def _node(data: bytes) -> None:
    for number, value in _fields(data):
        if number == NODE_OPERATOR and value.decode() not in OPERATORS:
            raise ModelError(f"asks for {shown(value.decode())}, an operator that exported graphs do not have")
        if number == NODE_DOMAIN and value not in (b"", b"ai.onnx"):
            raise ModelError(f"asks for operators of {shown(value.decode())}")
        if number == NODE_ATTRIBUTE:
            for kind, attribute in _fields(value):
                if kind == ATTRIBUTE_TENSOR:
                    _tensor(attribute)
                elif kind not in ATTRIBUTE_PLAIN:
                    raise ModelError("holds a graph within its graph")


def _tensor(data: bytes) -> None:
    for number, value in _fields(data):
        if number == TENSOR_EXTERNAL:
            entry = dict(_fields(value))
            if entry.get(ENTRY_KEY) == b"location" and entry.get(ENTRY_VALUE) != WEIGHTS:
                raise ModelError(f"reads weights from {shown(entry.get(ENTRY_VALUE, b'').decode())}")


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a message: number, and the bytes of those that have a length. Raises ValueError or IndexError for none."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, kind = tag >> 3, tag & 7
        if kind == 2:
            size, place = _varint(data, place)
            if size > len(data) - place:
                raise ValueError("a length beyond the end")
            yield number, data[place : place + size]
            place += size
        else:
            if kind == 0:
                _, place = _varint(data, place)
            elif kind in (1, 5):
                place += 8 if kind == 1 else 4
            else:
                raise ValueError("a kind of field that there is not")
            yield number, b""


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise ValueError("a number without an end")
