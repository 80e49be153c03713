"""Batches of rows, fetched by one index operation."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.utils.data import Dataset


class RowBatches:
    """Iterate over shuffled batches of rows and weights, a fixed number of steps an epoch."""

    def __init__(self, dataset: Dataset, batch_size: int, n_steps: int | None = None):
        self.rows: Tensor = dataset.X  # type: ignore[attr-defined]
        weights: Tensor | None = dataset.y  # type: ignore[attr-defined]
        # skorch knows of no batches without a target
        self.weights = self.rows.new_empty(len(self.rows), 0) if weights is None else weights
        self.batch_size = batch_size if batch_size > 0 else len(self.rows)
        self.n_steps = n_steps

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        return self.n_steps or 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pairs of rows and their weights, which are empty where rows count alike."""
        if self.n_steps is None:
            yield self.rows, self.weights
            return
        n, device = len(self.rows), self.rows.device
        needed = self.n_steps * self.batch_size
        order = torch.cat([torch.randperm(n) for _ in range(-(-needed // n))])[:needed]
        for index in order.to(device).split(self.batch_size):
            yield self.rows[index], self.weights[index]


def pair_with_completions(X: np.ndarray, completions: ArrayLike | None) -> np.ndarray:
    """Return rows as they are, or, where some have gaps, pairs of row and completion."""
    if not np.isnan(X).any():
        return X
    if completions is None:
        raise ValueError("Entries are missing: give `completions`, the rows without gaps.")
    filled = np.array(completions, dtype=X.dtype)
    return np.stack([np.broadcast_to(X, filled.shape), filled], axis=2)
