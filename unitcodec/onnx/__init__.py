"""The codec without PyTorch: ONNX Runtime, NumPy and constriction.

``unitcodec export-onnx MODEL DIR`` writes a folder of graphs, once, with PyTorch. Whoever codes with it needs none:

>>> from unitcodec.onnx import OnnxCodec
>>> codec = OnnxCodec.from_pretrained("graphs")  # doctest: +SKIP
>>> data = codec.compress(waveform, 16000)  # doctest: +SKIP
"""

from __future__ import annotations

from .codec import OnnxCodec

__all__ = ["OnnxCodec"]
