"""Batches of rows, fetched by one index operation."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Dataset

__all__ = ["RowBatches"]


class RowBatches:
    """Iterate over shuffled batches of a tensor, a fixed number of steps an epoch.

    Takes the place of ``torch.utils.data.DataLoader`` in skorch: rows that already lie in memory
    need neither workers nor a fetch per row, and an epoch of a fixed number of full batches gives
    a table of 30 rows as many steps between validations as one of 30,000.

    Parameters
    ----------
    dataset : Dataset
        Holds the rows as ``dataset.X``.
    batch_size : int
        Rows per batch; -1 for all rows in one batch, in order.
    n_steps : int or None, default=None
        Batches per epoch. Every row is drawn once before any is drawn again.

    Examples
    --------
    >>> from skorch.dataset import Dataset
    >>> batches = RowBatches(Dataset(torch.arange(3.0)), batch_size=6, n_steps=2)
    >>> [sorted(rows.tolist()) for rows, _ in batches]
    [[0.0, 0.0, 1.0, 1.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]]
    """

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
