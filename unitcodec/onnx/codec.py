"""The codec, by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn, Self

from bitstream.arrays import IntArray

from ..base import AnyCodec, FileEncoder
from ..decoder.stream import StreamDecoder
from ..encoder.effort import checked_effort
from ..encoder.rate import above_zero
from ..encoder.stream import Checkpoint, StreamEncoder
from ..errors import ModelError
from ..fields import Fields
from .analyser import GraphAnalyser
from .folder import INDEX, Folder
from .session import Graphs
from .tracker import make_tracker
from .voice import make_voice


def is_folder_of_graphs(name: str | Path) -> bool:
    """Whether a model's name is that of a folder that ``unitcodec export-onnx`` wrote."""
    return (Path(name) / INDEX).is_file()


class OnnxCodec(AnyCodec):
    """A speech codec with one folder of graphs; the same codes and, to 1e-3, the same samples as by PyTorch.

    Live packets it does not have.
    """

    def __init__(self, folder: Folder, threads: int = 1) -> None:
        """``threads``: that a graph computes with."""
        self.model, self._threads = folder, threads
        self._graphs = Graphs(folder, threads)

    @classmethod
    def from_pretrained(cls, name: str | Path, threads: int = 1) -> Self:
        """The path of a folder that ``unitcodec export-onnx`` wrote. Raises ModelError."""
        if not is_folder_of_graphs(name):
            raise ModelError(f"no graphs in '{name}': unitcodec export-onnx MODEL DIR makes a folder that holds {INDEX}")
        return cls(Folder(Path(name)), threads)

    @property
    def described(self) -> Folder:
        return self.model

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.model.config.name!r}>"

    def __reduce__(self) -> tuple[Any, tuple[Path, int]]:
        return type(self).from_pretrained, (self.model.path, self._threads)

    def analysis(self, bitrate: float | None = None, effort: int = 0) -> StreamEncoder:
        """A fresh encoder state, for audio that arrives in pieces; ``bitrate`` as for :meth:`encode`. Raises ModelError for an
        effort: a search for units needs gradients."""
        if checked_effort(effort):
            raise ModelError(f"{self.model.path}: effort, a search for units, needs the model itself, by PyTorch")
        return StreamEncoder(self.model, GraphAnalyser(self._graphs), bitrate, make_tracker(self._graphs))

    def encoder(
        self,
        *,
        live: bool = False,
        bitrate: float | None = None,
        resume: Checkpoint | None = None,
        effort: int = 0,
        **about_live: Any,
    ) -> FileEncoder:
        """See :meth:`.Codec.encoder`. Raises ModelError for live packets."""
        if live or about_live:
            self.decoder()
        if bitrate is not None:
            above_zero(bitrate)
        return FileEncoder(self, bitrate, resume, effort)

    def decoder(self, *about_live: Any) -> NoReturn:
        """Raises ModelError: this codec has no live packets."""
        raise ModelError(f"{self.model.path}: live packets need the model itself, by PyTorch")

    def _decoder(self, speaker: IntArray) -> StreamDecoder:
        fields = Fields.from_codes(speaker)
        return StreamDecoder(self.model, make_voice(self._graphs, fields), fields)
