"""Linear algebra shared by all rows with the same noise levels.

A batch has few distinct patterns of them (one while sampling, a few dozen while training).
Factorising once per pattern is what makes closed forms affordable inside a training loop.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor


def keep_last(method: Callable[[Any, Tensor], Any]) -> Callable[[Any, Tensor], Any]:
    """Keep the last result of a method of noise patterns, which training repeats for some steps."""
    memory: WeakKeyDictionary[Any, tuple[Tensor, Any]] = WeakKeyDictionary()

    @wraps(method)
    def kept(self: Any, patterns: Tensor) -> Any:
        last = memory.get(self)
        known = last is not None and last[0].device == patterns.device
        if last is None or not known or not torch.equal(last[0], patterns):
            last = memory[self] = patterns, method(self, patterns)
        return last[1]

    return kept


def noise_patterns(x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distinct rows of noise levels and the index of each row of ``x`` among them."""
    n, d = x.shape
    sigma = sigma.to(torch.float64)
    if sigma.dim() < 2 or sigma.shape[0] == 1:
        return sigma.expand(1, d), torch.zeros(n, dtype=torch.long, device=x.device)
    distinct, index = _distinct_rows(sigma)
    return distinct.expand(-1, d), index


def _distinct_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Do as ``torch.unique(rows, dim=0, return_inverse=True)``, several times faster."""
    # rows are told apart by a weighted sum; the check below makes a coincidence harmless
    weights = torch.linspace(1.0, 2.0, rows.shape[1], dtype=rows.dtype, device=rows.device).sqrt()
    keys = (rows * weights).sum(1)
    # in training rows of one pattern stand together, which spares the sorting of all rows
    distinct_keys, index = torch.unique_consecutive(keys, return_inverse=True)
    if len(distinct_keys) > len(rows) // 2 or len(distinct_keys.unique()) < len(distinct_keys):
        distinct_keys, index = torch.unique(keys, return_inverse=True)
    first = torch.full_like(distinct_keys, len(rows), dtype=torch.long)
    first.scatter_reduce_(0, index, torch.arange(len(rows), device=rows.device), "amin")
    distinct = rows[first]
    if torch.equal(distinct[index], rows):
        return distinct, index
    return torch.unique(rows, dim=0, return_inverse=True)


def apply_by_pattern(matrices: Tensor, vectors: Tensor, index: Tensor) -> Tensor:
    """Multiply each row's vector (..., d) by the matrix (..., e, d) of its noise pattern."""
    g, n = len(matrices), len(vectors)
    if g == 1:
        return torch.einsum("n...d,...ed->n...e", vectors, matrices[0])
    counts = torch.bincount(index, minlength=g)
    even = g < n and bool((counts == counts[0]).all() and (index[1:] >= index[:-1]).all())
    if not even:
        return torch.einsum("n...d,n...ed->n...e", vectors, matrices[index])
    # the training case: equally many rows share each pattern, so no matrix is copied
    grouped = vectors.reshape(g, n // g, *vectors.shape[1:])
    return torch.einsum("gm...d,g...ed->gm...e", grouped, matrices).flatten(0, 1)
