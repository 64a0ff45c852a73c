"""Write docs/bitstream-api.md, the reference of the package bitstream, from its docstrings: python docs/bitstream_api.py."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import bitstream


def entry(name: str, thing: Any) -> str:
    """A name, its signature, its docstring, and those of its public methods."""
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        return f"## `{name}`\n\n`{thing}`\n".replace("typing.", "")
    lines = [f"## `{name}{_signature(thing)}`", "", _doc(thing)]
    if inspect.isclass(thing) and not issubclass(thing, Exception):
        for method, member in vars(thing).items():
            call = inspect.unwrap(getattr(member, "__func__", member))
            if not method.startswith("_") and inspect.isfunction(call) and call.__doc__:
                lines += ["", f"### `{name}.{method}{_signature(call)}`", "", _doc(call)]
    return "\n".join(lines) + "\n"


def _signature(thing: Any) -> str:
    try:
        return str(inspect.signature(thing)).replace("'", "")
    except ValueError:
        return ""


def _doc(thing: Any) -> str:
    return "```text\n" + (inspect.getdoc(thing) or "") + "\n```"


def main() -> None:
    """Write the file."""
    made = "Made from the docstrings by `python docs/bitstream_api.py`. The format: [bitstream.md](bitstream.md)."
    head = f"# The package `bitstream`\n\n{made}\n"
    parts = [entry(name, getattr(bitstream, name)) for name in bitstream.__all__]
    Path(__file__).with_name("bitstream-api.md").write_text("\n".join([head, *parts]), encoding="utf-8")


if __name__ == "__main__":
    main()
