"""Batches that memory does not hold: their gradients are added up part by part."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from skdiffusion.diffusion.categories import Levels
from skdiffusion.training.batch_noise import draw_noise

# PyTorch's, on a device, on Linux and macOS, and on Windows
MESSAGES = ("out of memory", "can't allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a RuntimeError or MemoryError says that memory ran out."""
    return isinstance(error, MemoryError) or any(m in str(error).lower() for m in MESSAGES)


def step_in_parts(net: Any, step: Callable[..., Any], batch: tuple[Tensor, Tensor]) -> Any:
    """Add the gradients of a batch by ``step(part, noise=...)``, in as few parts as memory allows.

    The noise is drawn for the whole batch, so that the parts make no difference to the loss.
    """
    noise = draw_noise(net, batch[0])
    while True:
        try:
            return _step(net, step, batch, noise)
        except (RuntimeError, MemoryError) as error:
            # processes that wait for one another have to do the same
            if not is_out_of_memory(error) or net.n_processes_ > 1 or not _halve(net, batch[0]):
                raise
        # only here, where what was allocated is free
        net.optimizer_.zero_grad()
        if net.device.startswith("cuda"):
            torch.cuda.empty_cache()


def _halve(net: Any, rows: Tensor) -> bool:
    """Take half as many rows from now on, and say so; False where there is but one."""
    n = -(-len(rows) // net.n_parts_)
    if n > 1:
        net.n_parts_ = min(2 * net.n_parts_, len(rows))
        warnings.warn(
            f"Memory ran out for a batch of {n} rows. Half as many are taken at a time, and their "
            f"gradients added up, which is slower; batch_size={-(-n // 2)} would avoid it.",
            stacklevel=2,
        )
    return n > 1


def _step(net: Any, step: Callable[..., Any], batch: tuple, noise: tuple) -> Any:
    if net.n_parts_ == 1:
        return step(batch, noise=noise)
    total, loss = _n_told(batch[0], batch[1], net.setting_.levels), 0.0
    try:
        for part in zip(*(t.tensor_split(net.n_parts_) for t in (*batch, *noise)), strict=True):
            net.share_ = _n_told(part[0], part[1], net.setting_.levels) / total
            result = step(part[:2], noise=part[2:])
            loss += result["loss"].detach()
    finally:
        net.share_ = 1.0
    return {**result, "loss": loss}


def _n_told(rows: Tensor, weights: Tensor, levels: Levels | None) -> Tensor:
    """Return how many numbers and categories rows hold, by weight: what a loss is the mean of."""
    x0 = rows if rows.dim() == 2 else rows[:, 0]
    if levels is not None:
        x0 = torch.cat([x0[:, levels.numbers], x0[:, levels.first]], dim=1)
    counts = (~x0.isnan()).sum(1)
    return (counts * weights if weights.numel() else counts).sum().clamp_min(1e-12)
