"""What can go wrong outside the bitstream, one class a cause, each with a one-line message fit for a user.

What is wrong with a stream or with codes is a ``bitstream.BitstreamError``. That package knows nothing of this one, so the two
have no class in common: ``except (unitcodec.UnitcodecError, bitstream.BitstreamError)`` catches whatever input brings about.
"""

from __future__ import annotations

import os
import re
import sys
import warnings

_HERE = os.path.join(os.path.dirname(__file__), "")


class UnitcodecError(Exception):
    """Base of every error of this package; ``bitstream.BitstreamError``, of streams and codes, stands beside it."""


class AudioError(UnitcodecError):
    """The audio cannot be read, or cannot be coded: wrong kind of file, damaged, too low a rate, NaN."""


class UnitcodecWarning(UserWarning):
    """All was done, but not quite as asked for; the command says it in one line."""


class AudioWarning(UnitcodecWarning):
    """The audio was coded, but some of it could not be read or had to be changed first."""


class ModelError(UnitcodecError, ValueError):
    """The model cannot be loaded, or is not the one that the stream was made with."""


_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+):/{1,3}[^/]", re.IGNORECASE)


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a URL, for there is no folder here that it could lead into."""
    text = os.fsdecode(path)
    return _URL.match(text) is not None and not os.path.lexists(text.partition("/")[0])


def reason(error: OSError, path: str | os.PathLike[str]) -> str:
    """Why a path cannot be read, in the system's words; of a URL what to do in its place."""
    if not isinstance(error, FileNotFoundError) or not is_url(path):
        return error.strerror or str(error)
    if os.fsdecode(path).lower().startswith("file:"):
        return "a URL; give the path alone, which begins at its last slash of three"
    return "URLs are not fetched; download it first, or pipe it: curl -L URL | unitcodec encode - OUT.uc"


def warn(text: str, category: type[UnitcodecWarning]) -> None:
    """Warn, at the line that called this package, however many calls within it lie between."""
    # As skip_file_prefixes of warnings.warn does, from Python 3.12 on.
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)
