"""Diffusion tensors at the rows of a data set: inverses of the Riemannian metrics it suggests.

They are held fixed at the rows, which makes kernels ``eps C_i + h^2 I`` integrate to one and is
exact to first order in ``eps`` (Berry and Sauer, 2016, arXiv:1407.1426).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

Floats = NDArray[np.float64]

_CHUNK_ELEMENTS = 2**22


class LowRank(NamedTuple):
    """Tensors ``C_i = V_i diag(values_i) V_i' + residuals_i (I - V_i V_i')``."""

    vectors: Floats  # (n, d, r)
    values: Floats  # (n, r)
    residuals: Floats  # (n,)

    def kernel(self, eps: float, h: float) -> tuple[Floats, Floats]:
        """Return ``eps C_i + h^2 I`` as factors and floors, ``F_i F_i' + floors_i I``."""
        base = self.residuals
        if self.values.shape[1] == self.vectors.shape[1] > 0:
            # any floor up to the least eigenvalue is exact, and a tiny one loses digits
            base = 0.5 * self.values.min(1)
        above = np.maximum(eps * (self.values - base[:, None]), 0)
        return self.vectors * np.sqrt(above)[:, None], eps * base + h**2


def low_rank_factors(tensors: Floats, rank: int) -> LowRank:
    """Keep the leading eigenvectors of each tensor, and the mean of its other eigenvalues."""
    values, vectors = np.linalg.eigh(tensors)
    values = np.maximum(values, 0)
    n, d = values.shape
    residuals = values[:, : d - rank].mean(1) if rank < d else np.zeros(n)
    leading = slice(d - rank, None)
    return LowRank(np.ascontiguousarray(vectors[:, :, leading]), values[:, leading], residuals)


def local_factors(X: Floats, indices: NDArray[np.intp], at: NDArray[np.intp], rank: int) -> LowRank:
    """Return the local covariances about rows `at`, by their neighbours; in full they are large."""
    size = max(1, _CHUNK_ELEMENTS // (X.shape[1] * max(X.shape[1], indices.shape[1])))
    chunks = [
        low_rank_factors(tensor_local(X, indices[part], at[part]), rank)
        for part in gen_batches(len(at), size)
    ]
    return LowRank(*(np.concatenate(parts) for parts in zip(*chunks, strict=True)))


def tensor_local(X: Floats, indices: NDArray[np.intp], at: NDArray[np.intp]) -> Floats:
    """Return local covariances about rows `at`, ``C_i = mean_j (x_j - x_i)(x_j - x_i)'``."""
    steps = X[indices] - X[at][:, None]
    return steps.transpose(0, 2, 1) @ steps / indices.shape[1]
