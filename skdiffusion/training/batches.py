"""Batches of rows, fetched by one index operation."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.utils.data import Dataset

__all__ = ["RowBatches", "pair_with_completions"]


class RowBatches:
    """Iterate over shuffled batches of a tensor, a fixed number of steps an epoch."""

    def __init__(self, dataset: Dataset, batch_size: int, n_steps: int | None = None):
        self.rows: Tensor = dataset.X  # type: ignore[attr-defined]
        self.batch_size = batch_size if batch_size > 0 else len(self.rows)
        self.n_steps = n_steps

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        return self.n_steps or 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pairs of rows and an empty target, as skorch expects them."""
        empty = self.rows.new_empty(0)
        if self.n_steps is None:
            yield self.rows, empty
            return
        n, device = len(self.rows), self.rows.device
        needed = self.n_steps * self.batch_size
        order = torch.cat([torch.randperm(n) for _ in range(-(-needed // n))])[:needed]
        for index in order.to(device).split(self.batch_size):
            yield self.rows[index], empty


def pair_with_completions(X: np.ndarray, completions: ArrayLike | None) -> np.ndarray:
    """Return rows as they are, or, where some have gaps, pairs of row and completion."""
    if not np.isnan(X).any():
        return X
    if completions is None:
        raise ValueError("Entries are missing: give `completions`, the rows without gaps.")
    filled = np.array(completions, dtype=X.dtype)
    return np.stack([np.broadcast_to(X, filled.shape), filled], axis=2)
