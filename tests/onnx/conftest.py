"""Folders of graphs, each exported once."""

from __future__ import annotations

from pathlib import Path

import pytest


def _exported(folder: Path, name: str | Path) -> Path:
    # Not "onnx": that is this folder, too, where there is no such package.
    pytest.importorskip("onnx.helper", reason="exporting needs the extra onnx")
    from unitcodec.onnx.export import export

    folder.mkdir()
    export(name, folder)
    return folder


@pytest.fixture(scope="session")
def narrow_graphs(narrow_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the narrow random model."""
    return _exported(tmp_path_factory.mktemp("graphs") / "narrow", narrow_folder)


@pytest.fixture(scope="session")
def default_graphs(default_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the packaged model."""
    return _exported(tmp_path_factory.mktemp("graphs") / "default", default_model)
