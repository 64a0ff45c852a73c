"""The entropy model that a stream names, among the model folders of this computer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

from bitstream.entropy.model import MAX_FILE, EntropyModel, read_description
from bitstream.errors import BitstreamError, UnknownModel
from bitstream.tensors import TensorFile

ENTROPY_FILE = "entropy.safetensors"
ENTROPY_FILES = "entropy*.safetensors"
"""A model folder may keep earlier entropy models beside its own, so that what was coded with them can still be read."""

MODELS_VARIABLE = "UNITCODEC_MODELS"
Stamp = tuple[int, int, int]
"""What tells that a file is another: inode, time and size; the clock alone may have been set back."""

_PROVIDERS = ("unitcodec",)
"""Python packages that bring models, in a folder `models`. They are looked up as for an import, but not imported."""


@cache
def packaged_folders() -> list[Path]:
    """The folders of models that come with Python packages."""
    found = [find_spec(name) for name in _PROVIDERS]
    return [Path(place) / "models" for each in found if each is not None for place in each.submodule_search_locations or ()]


def find_entropy_model(fingerprint: str) -> EntropyModel:
    """The installed entropy model of this fingerprint (8 hex digits).

    Looks for `*/entropy*.safetensors` in the folders named by the environment variable UNITCODEC_MODELS and in the folder of
    packaged models; models once loaded are kept. Raises UnknownModel, or InvalidEntropyModel if the file is unsound.
    """
    for path, stamp in _found(fingerprint):
        model = _load(path, stamp)
        if model.fingerprint == fingerprint:  # else another file of that size was written over it, at the same time by its clock
            return model
    raise _unknown(fingerprint)


def find_model_folders(fingerprint: str) -> list[Path]:
    """The folders that hold the entropy model of this fingerprint, in the order of `find_entropy_model`. Raises UnknownModel."""
    folders = list(dict.fromkeys(path.parent for path, _ in _found(fingerprint)))
    if not folders:
        raise _unknown(fingerprint)
    return folders


def _found(fingerprint: str) -> Iterator[tuple[Path, Stamp]]:
    for path in _candidates():
        stamp = _stamp(path)
        if stamp is not None and _fingerprint(path, stamp) == fingerprint:
            yield path, stamp


def _unknown(fingerprint: str) -> UnknownModel:
    return UnknownModel(
        f"no installed model has the fingerprint {fingerprint}; set {MODELS_VARIABLE} to a folder that holds "
        f"<name>/{ENTROPY_FILE} of that model"
    )


def find_sibling(entropy: EntropyModel, fingerprint: str) -> EntropyModel:
    """`entropy`, or the installed model of that fingerprint if its codes mean the same: one fitted earlier to the same weights.

    Raises UnknownModel if there is none.
    """
    if entropy.fingerprint == fingerprint:
        return entropy
    if entropy.spec.weights:
        with suppress(UnknownModel):
            other = find_entropy_model(fingerprint)
            if other.spec.weights == entropy.spec.weights:
                return other
    raise UnknownModel(f"the stream was made with model {fingerprint}; the entropy model given is {entropy.fingerprint}")


def _candidates() -> list[Path]:
    named = [Path(folder) for folder in os.environ.get(MODELS_VARIABLE, "").split(os.pathsep) if folder]
    # A hidden one may be half written.
    return [path for folder in (*named, *packaged_folders()) for path in sorted(folder.glob(f"[!.]*/{ENTROPY_FILES}"))]


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


@lru_cache(maxsize=1024)
def _fingerprint(path: Path, stamp: Stamp) -> str | None:
    """The fingerprint in a file's metadata, None for what is no such file; the tables are not read.

    `stamp` renews the answer when the file changes.
    """
    try:
        with TensorFile(path, MAX_FILE) as tensors:
            found = read_description(tensors).get("fingerprint")
    except (OSError, BitstreamError):
        return None
    return found if isinstance(found, str) else None


@lru_cache(maxsize=16)
def _load(path: Path, stamp: Stamp) -> EntropyModel:
    return EntropyModel.load(path)
