"""Tiny checkpoints of random weights in the published layouts."""

from __future__ import annotations

import copy
import shutil
import sys
from pathlib import Path

import pytest

# The module beside the tests imports by name under every import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent))

from published_reference import Vocoder, fairseq, polyak

from unitcodec.model import Networks
from unitcodec.published.assembly import assemble
from unitcodec.published.checkpoint import read_checkpoint


@pytest.fixture(scope="session")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Vocoder:
    """Units, F0 and speakers; not to be changed."""
    return polyak(tmp_path_factory.mktemp("checkpoints") / "full")


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Vocoder:
    """Units alone, with a duration predictor; not to be changed."""
    return fairseq(tmp_path_factory.mktemp("checkpoints") / "plain", durations=True)


@pytest.fixture
def full(intact: Vocoder, tmp_path: Path) -> Vocoder:
    """A copy of the first, to be damaged."""
    folder = Path(shutil.copytree(intact.folder, tmp_path / "full"))
    return Vocoder(folder, copy.deepcopy(intact.config), {name: value.clone() for name, value in intact.state.items()})


@pytest.fixture(scope="session")
def networks(intact: Vocoder) -> Networks:
    """What the first makes."""
    return assemble("test", read_checkpoint(intact.folder))[1]


@pytest.fixture(scope="session")
def plain_networks(plain: Vocoder) -> Networks:
    """What the second makes."""
    return assemble("test", read_checkpoint(plain.folder))[1]
