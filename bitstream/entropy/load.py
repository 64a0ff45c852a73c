"""A file of integers -> the entropy model that it holds, of whichever kind."""

from __future__ import annotations

import json
import math
from os import PathLike
from typing import Any

from bitstream.entropy.model import METADATA_KEY, EntropyModel
from bitstream.entropy.recurrent import RecurrentModel
from bitstream.entropy.spec import MAX_INTEGERS, EntropySpec
from bitstream.entropy.tables import TableModel
from bitstream.errors import BitstreamError, InvalidEntropyModel, shown
from bitstream.tensors import TensorFile

MAX_FILE = 4 * MAX_INTEGERS


def load(source: str | PathLike[str] | bytes) -> EntropyModel:
    """Read from a file's path or its bytes. Raises InvalidEntropyModel; OSError if the file cannot be read."""
    try:
        with TensorFile(source, MAX_FILE) as tensors:
            if (integers := sum(math.prod(shape) for _, shape in tensors.layout.values())) > MAX_INTEGERS:
                raise InvalidEntropyModel(f"holds {integers} integers; {MAX_INTEGERS} is the limit")
            description = read_description(tensors)
            spec = EntropySpec.from_json(json.dumps(description))
            kind: type[TableModel | RecurrentModel] = RecurrentModel if "recurrent" in description else TableModel
            model: EntropyModel = kind.from_file(spec, description, tensors)
        if description.get("fingerprint") != model.fingerprint:
            raise InvalidEntropyModel(f"names itself {shown(description.get('fingerprint'))} but is {model.fingerprint}")
    except BitstreamError as error:
        where = "the given bytes" if isinstance(source, bytes) else source
        raise InvalidEntropyModel(f"{where}: {error}") from error
    return model


def read_description(tensors: TensorFile) -> dict[str, Any]:
    """The JSON that a safetensors file carries for us. Raises InvalidEntropyModel."""
    try:
        description = json.loads(tensors.metadata[METADATA_KEY])
    except (KeyError, ValueError, RecursionError) as error:
        raise InvalidEntropyModel(f"has no {METADATA_KEY!r} description in its metadata") from error
    if not isinstance(description, dict):
        raise InvalidEntropyModel(f"has a {METADATA_KEY!r} description that is no JSON object")
    return description
