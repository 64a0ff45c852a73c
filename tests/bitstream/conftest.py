import sys
from pathlib import Path

import pytest

from bitstream import EntropyModel

# The modules beside the tests import by name under every import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent))

GOLDEN = Path(__file__).parents[1] / "golden" / "v1"


@pytest.fixture(scope="session")
def golden() -> Path:
    return GOLDEN


@pytest.fixture(scope="session")
def golden_model() -> EntropyModel:
    return EntropyModel.load(GOLDEN / "entropy.safetensors")
