"""The recurrence that ``bitstream.entropy.recurrent`` runs in integers, in floating point and with its gradient.

Cho et al. 2014 (arXiv 1406.1078) with the reset gate after the product, as in ``torch.nn.GRU``; the sigmoid and the
hyperbolic tangent are pieces of parabolas, which integers can follow exactly.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def bend(x: Tensor) -> Tensor:
    """-1 .. 1: x * (1 - |x| / 4) between -2 and 2, level beyond; in place of tanh."""
    x = x.clamp(-2.0, 2.0)
    return torch.addcmul(x, x, x.abs(), value=-0.25)


def gate(x: Tensor) -> Tensor:
    """0 .. 1: in place of the logistic function, of the same slope at 0; level beyond -4 and 4."""
    x = x.clamp(-4.0, 4.0)
    return torch.addcmul(0.25 * x, x, x.abs(), value=-1 / 32) + 0.5


class Recurrence(torch.autograd.Function):
    """(given (T, n, 3 H), initial (n, H), weight (3 H, H), bias (H,)) -> states (T + 1, n, H), the initial one first.

    ``given`` is what each frame's symbols add to the reset gate, the update gate and the candidate. One product a frame, all
    else over all frames at once: three times as fast as autograd on the same lines.
    """

    @staticmethod
    def forward(ctx: Any, given: Tensor, initial: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        frames, lanes, hidden = len(given), *initial.shape
        states = given.new_empty(frames + 1, lanes, hidden)
        sums = torch.empty_like(given)
        products = given.new_empty(frames, lanes, hidden)
        states[0] = initial
        transposed = weight.t().contiguous()
        for t in range(frames):
            before = states[t]
            product = before @ transposed
            torch.add(given[t, :, : 2 * hidden], product[:, : 2 * hidden], out=sums[t, :, : 2 * hidden])
            gates = gate(sums[t, :, : 2 * hidden])
            torch.add(product[:, 2 * hidden :], bias, out=products[t])
            torch.addcmul(given[t, :, 2 * hidden :], gates[:, :hidden], products[t], out=sums[t, :, 2 * hidden :])
            torch.lerp(before, bend(sums[t, :, 2 * hidden :]), gates[:, hidden:], out=states[t + 1])
        ctx.save_for_backward(states, sums, products, weight)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        states, sums, products, weight = ctx.saved_tensors
        frames, hidden = len(sums), states.shape[2]
        gates, candidates = gate(sums[..., : 2 * hidden]), bend(sums[..., 2 * hidden :])
        reset, update = gates[..., :hidden], gates[..., hidden:]
        slopes = sums[..., : 2 * hidden].abs().mul_(-1 / 16).add_(0.25).relu_()
        # What a unit of gradient of the new state gives to the update gate's sum, to the candidate's and, through the
        # candidate, to the reset gate's.
        to_update = candidates.sub_(states[:-1]).mul_(slopes[..., hidden:])
        to_candidate = sums[..., 2 * hidden :].abs().mul_(-0.5).add_(1.0).relu_().mul_(update)
        to_reset = (to_candidate * products).mul_(slopes[..., :hidden])
        to_product = to_candidate * reset
        keep = 1.0 - update
        into = torch.empty_like(sums)  # gradient of the product of weights and state
        at = gradient[frames].clone()
        flows = gradient.new_empty(frames, *at.shape)
        for t in range(frames - 1, -1, -1):
            flows[t] = at
            torch.mul(at, to_reset[t], out=into[t, :, :hidden])
            torch.mul(at, to_update[t], out=into[t, :, hidden : 2 * hidden])
            torch.mul(at, to_product[t], out=into[t, :, 2 * hidden :])
            at = torch.addcmul(gradient[t], at, keep[t]).addmm_(into[t], weight)
        weight_gradient = into.flatten(0, 1).t() @ states[:-1].flatten(0, 1)
        bias_gradient = into[..., 2 * hidden :].sum((0, 1))
        torch.mul(flows, to_candidate, out=into[..., 2 * hidden :])
        return into, at, weight_gradient, bias_gradient
