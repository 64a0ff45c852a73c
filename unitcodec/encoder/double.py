"""A model's networks in float64, each part of them when it is first asked for: many a recording needs only the small ones."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from ..model import Networks


class DoubleNetworks(Networks):
    """The networks of an encoder in float64. There is no generator, which no encoder needs.

    Args:
        networks: of the model, in float32.
        device: where they go.
    """

    def __init__(self, networks: Networks, device: torch.device):
        # As Networks, but with nothing made by a configuration.
        nn.Module.__init__(self)
        self._sources = {name: (part,) for name, part in networks.named_children() if name != "generator"}
        self._device = device
        self.pitch, self.speaker = self._made("pitch"), self._made("speaker")
        self.eval()

    def __getattr__(self, name: str) -> Any:
        # PyTorch's modules come here for their parts.
        if name in self.__dict__.get("_sources", {}) and name not in self._modules:
            setattr(self, name, self._made(name))
        return super().__getattr__(name)

    def _made(self, name: str) -> Any:
        (part,) = self._sources[name]
        # Inference tensors, which a caller's inference mode makes, could not take part in the search for a voice.
        with torch.inference_mode(False):
            # A copy that shares nothing, and never has the weights in float32: these would be the peak of the memory.
            given = [*part.parameters(), *part.buffers()]
            return copy.deepcopy(part, {id(tensor): self._doubled(tensor) for tensor in given})

    def _doubled(self, tensor: torch.Tensor) -> torch.Tensor:
        moved = tensor.detach().to(self._device, torch.float64 if tensor.is_floating_point() else tensor.dtype, copy=True)
        return nn.Parameter(moved, requires_grad=False) if isinstance(tensor, nn.Parameter) else moved
