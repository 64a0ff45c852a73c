"""Write the references of both packages from their docstrings, docs/*-api.md: python docs/reference.py."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

MADE = "Made from the docstrings by `python docs/reference.py`."
PAGES = {
    "bitstream-api.md": ("bitstream", "The format: [bitstream.md](bitstream.md).", ()),
    "unitcodec-api.md": (
        "unitcodec",
        "Examples: [quickstart.md](quickstart.md). Streams without PyTorch: [bitstream-api.md](bitstream-api.md).",
        ("base.FileEncoder", "encoder.live.LiveEncoder", "decoder.live.LiveDecoder", "audio.open_reader", "errors.AudioWarning"),
    ),
}
"""File -> package, what else to read, and names beside the package's own ``__all__``."""


def page(name: str) -> str:
    """The text of a file of PAGES."""
    package, more, others = PAGES[name]
    things = [(each, getattr(import_module(package), each)) for each in import_module(package).__all__]
    for each in others:
        module, _, attribute = each.rpartition(".")
        things.append((f"{package}.{each}", getattr(import_module(f"{package}.{module}"), attribute)))
    return "\n".join([f"# The package `{package}`\n\n{MADE} {more}\n", *(entry(each, thing) for each, thing in things)])


def entry(name: str, thing: Any) -> str:
    """A name, its signature, its docstring, and those of its public methods and properties."""
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        return f"## `{name}`\n\n`{thing}`\n".replace("typing.", "")
    lines = [f"## `{name}{_signature(thing)}`", "", _doc(thing)]
    if inspect.isclass(thing) and not issubclass(thing, Exception):
        for method, member in _members(thing).items():
            call = inspect.unwrap(getattr(member, "__func__", member))
            is_property = isinstance(member, property)
            if not method.startswith("_") and (is_property or inspect.isfunction(call)) and call.__doc__:
                lines += ["", f"### `{name}.{method}{'' if is_property else _signature(call)}`", "", _doc(call)]
    return "\n".join(lines) + "\n"


def _members(thing: type) -> dict[str, Any]:
    """What a class has, that of a base of all codecs included."""
    bases = [each for each in reversed(thing.__mro__) if each is thing or each.__name__ == "AnyCodec"]
    return {name: member for each in bases for name, member in vars(each).items()}


def _signature(thing: Any) -> str:
    if inspect.isclass(thing) and issubclass(thing, Exception) and "__init__" not in vars(thing):
        return ""  # which some versions of Python take from its base
    return str(inspect.signature(thing)).replace("'", "")


def _doc(thing: Any) -> str:
    return "```text\n" + (inspect.getdoc(thing) or "") + "\n```"


if __name__ == "__main__":
    for file in PAGES:
        Path(__file__).with_name(file).write_text(page(file), encoding="utf-8")
