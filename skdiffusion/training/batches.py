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
        self.dataset, self.n_steps = dataset, n_steps
        self.batch_size = batch_size if batch_size > 0 else len(self.rows)

    @property
    def rows(self) -> Tensor:
        """The rows, which may be others in each epoch."""
        return self.dataset.X  # type: ignore[attr-defined]

    @property
    def weights(self) -> Tensor:
        """Their weights; skorch knows of no batches without a target."""
        weights: Tensor | None = self.dataset.y  # type: ignore[attr-defined]
        return self.rows.new_empty(len(self.rows), 0) if weights is None else weights

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        return self.n_steps or 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pairs of rows and their weights, which are empty where rows count alike."""
        if self.n_steps is None:
            yield self.rows, self.weights
            return
        rows, weights = self.rows, self.weights
        n, device = len(rows), rows.device
        needed = self.n_steps * self.batch_size
        order = torch.cat([torch.randperm(n) for _ in range(-(-needed // n))])[:needed]
        for index in order.to(device).split(self.batch_size):
            yield rows[index], weights[index]


def pair_with_completions(X: np.ndarray, completions: ArrayLike | None) -> np.ndarray:
    """Return rows as they are, or, where some have gaps, pairs of row and completion."""
    if not np.isnan(X).any():
        return X
    if completions is None:
        raise ValueError("Entries are missing: give `completions`, the rows without gaps.")
    filled = np.array(completions, dtype=X.dtype)
    return np.stack([np.broadcast_to(X, filled.shape), filled], axis=2)


def check_fresh(rows: ArrayLike, n_entries: int) -> Tensor:
    """Return the rows (m, d) that an epoch is trained on instead of those before."""
    X = np.array(rows, dtype=np.float32)
    if X.ndim != 2 or X.shape[1] != n_entries or not len(X) or not np.isfinite(X).all():
        raise ValueError(
            f"fresh_rows must return finite rows of {n_entries} entries, got shape {X.shape}"
            f"{' with numbers that are not finite' if not np.isfinite(X).all() else ''}."
        )
    return torch.from_numpy(X)
