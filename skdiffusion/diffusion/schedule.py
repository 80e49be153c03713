"""Noise schedules: how a diffusion process spends its time on noise levels.

A process ``z = alpha(t) * x0 + sigma(t) * eps`` is, after division by ``alpha``, the
variance-exploding one of the package at the level ``sigma / alpha``.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

# the rate of DDPM at times 0 and 1: its 1e-4 and 0.02 of 1,000 steps in continuous time
BETA_MIN, BETA_MAX = 0.1, 20.0
# by the offset 0.008 of the cosine schedule
FIRST_ANGLE = 0.5 * math.pi * 0.008 / 1.008


class Schedule(NamedTuple):
    """The noise level that a process has at a time, and the time at which it has a level."""

    level: Callable[[Tensor], Tensor]
    time: Callable[[Tensor], Tensor]


def _decay(t: Tensor) -> Tensor:
    """Return the integral of the rate up to a time."""
    return t * (BETA_MIN + 0.5 * t * (BETA_MAX - BETA_MIN))


def _decay_time(decay: Tensor) -> Tensor:
    # the root of the quadratic in the form that does not cancel at 0
    root = torch.sqrt(BETA_MIN**2 + 2.0 * (BETA_MAX - BETA_MIN) * decay)
    return 2.0 * decay / (BETA_MIN + root)


def _cosine_level(t: Tensor) -> Tensor:
    angle = FIRST_ANGLE + t * (0.5 * math.pi - FIRST_ANGLE)
    # 1 - alpha^2 as a product: the difference would lose all digits near time 0
    squared = torch.sin(angle - FIRST_ANGLE) * torch.sin(angle + FIRST_ANGLE)
    return torch.sqrt(squared) / torch.cos(angle)


def _cosine_time(level: Tensor) -> Tensor:
    tangent = torch.sqrt(level**2 + math.sin(FIRST_ANGLE) ** 2) / math.cos(FIRST_ANGLE)
    return (torch.atan(tangent) - FIRST_ANGLE) / (0.5 * math.pi - FIRST_ANGLE)


SCHEDULES = {
    # variance exploding, geometric levels: NCSN; arXiv:2011.13456, equation 31. Where its times
    # begin and end is a matter of the range of levels
    "ve": Schedule(torch.exp, torch.log),
    # variance preserving, the rate linear in time: DDPM; arXiv:2011.13456, equation 33
    "vp": Schedule(
        lambda t: torch.sqrt(torch.expm1(_decay(t))),
        lambda level: _decay_time(torch.log1p(level**2)),
    ),
    # the signal of the one before with less noise; arXiv:2011.13456, equation 29
    "subvp": Schedule(
        lambda t: 2.0 * torch.sinh(0.5 * _decay(t)),
        lambda level: _decay_time(2.0 * torch.asinh(0.5 * level)),
    ),
    # variance preserving, the signal a cosine: improved DDPM; arXiv:2102.09672, equation 17
    "cosine": Schedule(_cosine_level, _cosine_time),
    # straight paths, alpha = 1 - t and sigma = t: rectified flow; arXiv:2209.03003, equation 1
    "flow": Schedule(lambda t: t / (1.0 - t), lambda level: level / (1.0 + level)),
}
