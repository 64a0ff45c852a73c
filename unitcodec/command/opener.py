"""Which model decodes a stream: the one asked for, else the installed one that the stream names, else the default."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO

import click

from unitcodec.command.run import by_pytorch, loader
from unitcodec.errors import ModelError, UnitcodecError

if TYPE_CHECKING:
    from bitstream import OnError, PacketReader
    from unitcodec.codec import Codec


def model_was_asked_for() -> bool:
    """Whether the command that runs was given ``--model``."""
    return click.get_current_context().get_parameter_source("model") is not click.core.ParameterSource.DEFAULT


class Opener:
    """Holds the default model and one other at most."""

    def __init__(self, model: str, device: str, asked: bool) -> None:
        """``asked``: streams are decoded by ``model``, whatever they name."""
        self._asked = asked
        self._default = loader(model, device)
        self._other = lru_cache(maxsize=1)(lambda folder: by_pytorch(folder, device))

    def open(self, stream: bytes | BinaryIO, on_error: OnError, max_seconds: float | None = None) -> tuple[Codec, PacketReader]:
        """A stream's bytes, or the pipe that it comes from, and the codec that speaks it. ``max_seconds``: see PacketReader.

        Raises BitstreamError for the header, ModelError, and UnitcodecError if the model that the stream names is of no use.
        """
        from bitstream import PacketReader

        if self._asked or on_error == "salvage":
            # The header may be what is lost: only the model can tell where the speech begins.
            codec = self._default() if self._asked or not isinstance(stream, bytes) else self._named_or_default(stream)
            return codec, PacketReader(stream, codec.model.entropy, on_error, max_seconds)
        if not isinstance(stream, bytes):
            self._default()  # while the other end of the pipe is still at its first packet
        reader = PacketReader(stream, on_error=on_error, max_seconds=max_seconds)
        return self._codec(reader.header.model), reader

    def codec(self, fingerprint: str) -> Codec:
        """The codec that speaks the streams of an entropy model. Raises ModelError, and UnitcodecError if there is none."""
        return self._default() if self._asked else self._codec(fingerprint)

    def _named_or_default(self, data: bytes) -> Codec:
        from bitstream import BitstreamError
        from bitstream.stream.header import read_header
        from bitstream.stream.source import Source

        try:
            return self._codec(read_header(Source(data)).model)
        except BitstreamError:
            return self._default()

    def _codec(self, fingerprint: str) -> Codec:
        from bitstream.entropy.find import MODELS_VARIABLE, find_model_folders
        from unitcodec.model import find

        folders = [folder for folder in find_model_folders(fingerprint) if (folder / "config.json").is_file()]
        if find("default") in folders:
            return self._default()
        if not folders:
            raise UnitcodecError(
                f"of its model {fingerprint} only the entropy model is installed, not the networks; set {MODELS_VARIABLE} "
                "to a folder that holds that model's own"
            )
        try:
            return self._other(folders[0])
        except ModelError as error:  # which would end the run, but the next file may have another model
            raise UnitcodecError(str(error)) from error
