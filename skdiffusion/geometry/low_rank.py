"""Symmetric tensors as their leading directions and a remainder."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["LowRank", "low_rank_factors"]

Floats = NDArray[np.float64]


class LowRank(NamedTuple):
    """Tensors ``C_i = V_i diag(values_i) V_i' + residuals_i (I - V_i V_i')``."""

    vectors: Floats
    values: Floats
    residuals: Floats

    def kernel(self, eps: float, h: float) -> tuple[Floats, Floats]:
        """Write ``eps C_i + h^2 I`` as factors and floors, ``F_i F_i' + floors_i I``."""
        base = self.residuals
        if self.values.shape[1] == self.vectors.shape[1] > 0:
            # any floor up to the least eigenvalue is exact, and a tiny one loses digits
            base = 0.5 * self.values.min(1)
        above = np.maximum(eps * (self.values - base[:, None]), 0)
        return self.vectors * np.sqrt(above)[:, None], eps * base + h**2


def low_rank_factors(tensors: Floats, rank: int) -> LowRank:
    """Keep the leading eigenvectors of each tensor, and the trace of the others."""
    values, vectors = np.linalg.eigh(tensors)
    values = np.maximum(values, 0)
    n, d = values.shape
    residuals = values[:, : d - rank].mean(1) if rank < d else np.zeros(n)
    leading = slice(d - rank, None)
    return LowRank(np.ascontiguousarray(vectors[:, :, leading]), values[:, leading], residuals)
