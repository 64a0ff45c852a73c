"""Kinds of arrays that the parts hand to each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

Samples = FloatArray
"""Of a waveform."""
