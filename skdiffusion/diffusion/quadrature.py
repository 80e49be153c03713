"""Gauss quadrature: of the standard normal law, and of the law of some numbers."""

import torch
from torch import Tensor

__all__ = ["gauss_hermite", "gauss_rule"]


def gauss_hermite(n_nodes: int) -> tuple[Tensor, Tensor]:
    """Return the Gauss rule of the standard normal law.

    Parameters
    ----------
    n_nodes : int
        Number of nodes; polynomials of degree below twice that are integrated exactly.

    Returns
    -------
    nodes, weights : Tensor of shape (n_nodes,)
        The weights sum to one.

    References
    ----------
    Golub, G. H., Welsch, J. H. (1969). Calculation of Gauss quadrature rules. Mathematics of
    Computation 23.

    Examples
    --------
    >>> nodes, weights = gauss_hermite(2)
    >>> nodes.round(decimals=4).tolist(), weights.round(decimals=4).tolist()
    ([-1.0, 1.0], [0.5, 0.5])
    """
    beside = torch.arange(1, n_nodes, dtype=torch.float64).sqrt()
    return _rule_of(torch.zeros(n_nodes, dtype=torch.float64), beside)


def gauss_rule(values: Tensor, n_nodes: int) -> tuple[Tensor, Tensor]:
    """Return the Gauss rule of the empirical law of some numbers.

    Parameters
    ----------
    values : Tensor of shape (n,)
        Numbers.
    n_nodes : int
        Number of nodes; the means of polynomials of degree below twice that are exact.

    Returns
    -------
    nodes, weights : Tensor of shape (n_nodes,)
        The weights sum to one. Where there are fewer distinct numbers, those are the nodes, padded
        with nodes of no weight.

    References
    ----------
    Golub, G. H., Meurant, G. (2010). Matrices, moments and quadrature with applications,
    chapter 4: Lanczos' algorithm.

    Examples
    --------
    >>> import torch
    >>> nodes, weights = gauss_rule(torch.tensor([0.0, 0.0, 0.0, 2.0]), 2)
    >>> nodes.abs().round(decimals=4).tolist(), weights.round(decimals=4).tolist()
    ([0.0, 2.0], [0.75, 0.25])
    """
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
