"""Cosines, the eigenfunctions of Brownian motion with reflecting walls, and their products.

Those of ``dX = sqrt(2) dW`` on ``[0, pi]`` are ``sqrt(2) cos(n x)`` and one, orthonormal under the
uniform distribution, with ``lambda_n = -n^2``; noise of standard deviation ``s`` is the time
``s^2 / 2``. Products over the columns have one index for each.
"""

import itertools
import math

import torch
from torch import Tensor

MAX_FUNCTIONS = 1500
MAX_ELEMENTS = 2**24  # of a temporary: 128 MiB in float64
MAX_TERMS = 2**25


def cosines(z: Tensor, degree: int) -> tuple[Tensor, Tensor]:
    """Return the functions up to a degree, along a new last axis, and their derivatives."""
    n = torch.arange(degree + 1).to(z)
    scales = torch.where(n > 0, 2.0, 1.0).double().sqrt().to(z)
    angles = z.unsqueeze(-1) * n
    return scales * angles.cos(), -n * scales * angles.sin()


def decay(noise: Tensor, degree: int) -> Tensor:
    """Return the factors by which noise shrinks the expectations of the functions."""
    return torch.exp(-0.5 * noise.unsqueeze(-1) ** 2 * torch.arange(degree + 1) ** 2)


def index_set(degree: int, n_features: int) -> Tensor:
    """Return the indices of products that decay no faster than a degree, without the constant.

    Rates of decay add up over the columns, and are the squares of the indices.
    """
    numbers = torch.arange(degree + 1)
    indices = torch.zeros(1, 0, dtype=torch.long)
    for _ in range(n_features):
        grown = indices.repeat_interleave(degree + 1, dim=0)
        indices = torch.cat([grown, numbers.repeat(len(indices)).unsqueeze(1)], dim=1)
        indices = indices[(indices**2).sum(1) <= degree**2]
        if len(indices) - 1 > MAX_FUNCTIONS:
            raise ValueError(
                f"Degree {degree} in {n_features} columns has more than {MAX_FUNCTIONS} functions: "
                "lower the degree."
            )
    return indices[1:]


def all_but_last(indices: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distinct indices of all columns but the last, and which of them each row has."""
    if indices.shape[1] == 1:
        return indices.new_zeros(1, 0), indices.new_zeros(len(indices))
    return torch.unique(indices[:, :-1], dim=0, return_inverse=True)


def product_over_columns(values: Tensor, indices: Tensor) -> Tensor:
    """Return products over the columns, of values whose last axes are columns and functions."""
    columns = (values[..., j, index] for j, index in enumerate(indices.T))
    return math.prod(columns, start=values.new_ones(*values.shape[:-2], len(indices)))


def product_means(indices: Tensor, rows: Tensor) -> Tensor:
    """Return the means of products of functions over the rows, of shape (n, blocks, columns)."""
    prefixes, prefix_of = all_but_last(indices)
    n_blocks, degree = rows.shape[1], int(indices.max())
    total = rows.new_zeros(n_blocks, len(prefixes), degree + 1)
    for part in rows.split(max(1, MAX_ELEMENTS // (n_blocks * total[0].numel()))):
        values, _ = cosines(part, degree)
        first = product_over_columns(values[:, :, :-1], prefixes)
        total += torch.einsum("nbq,nbk->bqk", first, values[:, :, -1])
    return (total / len(rows))[:, prefix_of, indices[:, -1]]


def linearise(indices: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Write the products of derivatives of all pairs of functions as sums of functions.

    Terms are an entry in the matrix of pairs, a function, and coefficients (d,) of derivatives.
    """
    n_functions, d = indices.shape
    row, column = torch.triu_indices(n_functions, n_functions)
    first, second = indices[row], indices[column]
    base = 2 * int(indices.max()) + 1
    places = base ** torch.arange(d)
    entries, codes, coefficients, n_terms = [], [], [], 0
    # 2 cos(a) cos(b) = cos(a - b) + cos(a + b), and 2 sin(a) sin(b) is the difference
    for signs in itertools.product((1, -1), repeat=d):
        sign = torch.tensor(signs)
        # where one of the two is constant both terms are the same
        kept = ((sign > 0) | (first * second > 0)).all(1)
        n_terms += int(kept.sum())
        if n_terms * d > MAX_TERMS:
            raise ValueError(f"{n_functions} functions have too many products: lower the degree.")
        a, b = first[kept], second[kept]
        index = (a + sign * b).abs()
        values = torch.where(a * b * index > 0, 0.5, 1.0).double().sqrt()
        entries.append((row * n_functions + column)[kept])
        codes.append(index @ places)
        coefficients.append(-sign * a * b * values.prod(1, keepdim=True))
    distinct, term = torch.unique(torch.cat(codes), return_inverse=True)
    products = distinct.unsqueeze(1) // places % base
    return (torch.cat(entries), term, torch.cat(coefficients)), products
