"""Gauss quadrature: of the standard normal law, and of the law of some numbers."""

import torch
from torch import Tensor

__all__ = ["gauss_hermite", "gauss_rule"]


def gauss_hermite(n_nodes: int) -> tuple[Tensor, Tensor]:
    """Return the Gauss rule of the standard normal law."""
    beside = torch.arange(1, n_nodes, dtype=torch.float64).sqrt()
    return _rule_of(torch.zeros(n_nodes, dtype=torch.float64), beside)


def gauss_rule(values: Tensor, n_nodes: int) -> tuple[Tensor, Tensor]:
    """Return the Gauss rule of the empirical law of some numbers."""
    values = values.to(torch.float64)
    tiny = 1e-12 * float(values.abs().max())
    vectors = [torch.full_like(values, len(values) ** -0.5)]
    diagonal, beside = values.new_zeros(n_nodes), values.new_zeros(n_nodes - 1)
    for k in range(n_nodes):
        residual = values * vectors[k]
        diagonal[k] = vectors[k] @ residual
        if k == n_nodes - 1:
            break
        known = torch.stack(vectors)
        for _ in range(2):  # once is not enough to keep the vectors orthogonal
            residual = residual - known.T @ (known @ residual)
        beside[k] = residual.norm()
        if beside[k] <= tiny:
            beside[k] = 0.0
            break
        vectors.append(residual / beside[k])
    return _rule_of(diagonal, beside)


def _rule_of(diagonal: Tensor, beside: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes and weights of the Gauss rule with these recurrence coefficients."""
    jacobi = torch.diag(diagonal) + torch.diag(beside, 1) + torch.diag(beside, -1)
    nodes, vectors = torch.linalg.eigh(jacobi)
    return nodes, vectors[0] ** 2
