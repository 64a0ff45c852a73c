"""``unitcodec`` itself: which subcommand is in which module."""

from __future__ import annotations

from importlib import import_module

import click

import unitcodec
from unitcodec.command.program import Group

_MODULES = {
    "bench": "bench",
    "convert-kmeans": "kmeans",
    "corpus": "corpus",
    "cut": "edit",
    "decode": "decode",
    "encode": "encode",
    "export-onnx": "export",
    "import-checkpoint": "checkpoint",
    "info": "info",
    "join": "edit",
    "play": "play",
    "resynth": "resynth",
    "simulate": "simulate",
    "train": "train",
    "units": "units",
}
"""In the module a subcommand has its own name, with _ for -."""


class _Subcommands(Group):
    """Imports a subcommand when it is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _MODULES:
            return None
        command: click.Command = getattr(import_module(f"unitcodec.command.{_MODULES[name]}"), name.replace("-", "_"))
        return command


# The rate is told in one place: the package's first line.
_ABOUT = (unitcodec.__doc__ or "").partition("\n")[0].removesuffix(".")


@click.group(
    cls=_Subcommands,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=f"{_ABOUT}: encode, decode, look inside, train, measure.",
)
@click.version_option(unitcodec.__version__, message="%(prog)s %(version)s")
def root() -> None:
    pass
