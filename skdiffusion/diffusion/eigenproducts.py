"""Products of eigenfunctions over the columns of a row, their means and their linearisation."""

import math

import torch
from torch import Tensor

from skdiffusion.diffusion.eigenfunctions import CosineFunctions

MAX_ELEMENTS = 2**24  # of a temporary: 128 MiB in float64
MAX_TERMS = 2**25


def all_but_last(indices: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distinct indices of all columns but the last, and which of them each row has."""
    if indices.shape[1] == 1:
        return indices.new_zeros(1, 0), indices.new_zeros(len(indices))
    return torch.unique(indices[:, :-1], dim=0, return_inverse=True)


def product_over_columns(values: Tensor, indices: Tensor) -> Tensor:
    """Return products over the columns, of values whose last axes are columns and functions."""
    columns = (values[..., j, index] for j, index in enumerate(indices.T))
    return math.prod(columns, start=values.new_ones(*values.shape[:-2], len(indices)))


def product_means(functions: CosineFunctions, indices: Tensor, rows: Tensor) -> Tensor:
    """Return the means over the rows, of shape (n, blocks, columns), of products of functions."""
    prefixes, prefix_of = all_but_last(indices)
    n_blocks = rows.shape[1]
    total = rows.new_zeros(n_blocks, len(prefixes), functions.degree + 1)
    for part in rows.split(max(1, MAX_ELEMENTS // (n_blocks * total[0].numel()))):
        values = functions.evaluate(part)[0]
        first = product_over_columns(values[:, :, :-1], prefixes)
        total += torch.einsum("nbq,nbk->bqk", first, values[:, :, -1])
    return (total / len(rows))[:, prefix_of, indices[:, -1]]


def linearise(functions: CosineFunctions, indices: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """Write the products of derivatives of all pairs of functions as sums of functions."""
    # terms: an entry in the matrix of pairs, a function, and coefficients (d,) of derivatives
    n_functions, d = indices.shape
    row, column = torch.triu_indices(n_functions, n_functions, device=indices.device)
    values, slopes = (part.to(indices.device) for part in functions.linearisation())
    size = values.shape[0]
    first, second, power = ((values != 0) | (slopes != 0)).nonzero(as_tuple=True)
    counts = torch.bincount(first * size + second, minlength=size**2)
    starts = counts.cumsum(0) - counts
    pair = torch.arange(len(row), device=row.device)
    factors = values.new_ones(len(row), d)
    code, products = torch.zeros_like(row), indices.new_zeros(1, 0)
    for j in range(d):
        kind = indices[row[pair], j] * size + indices[column[pair], j]
        n_new = counts[kind]
        if int(n_new.sum()) * d > MAX_TERMS:
            raise ValueError(f"{n_functions} functions have too many products: lower the degree.")
        old = torch.repeat_interleave(n_new)
        within = torch.arange(len(old), device=old.device) - (n_new.cumsum(0) - n_new)[old]
        entry = starts[kind][old] + within
        pair, factors = pair[old], factors[old]
        a, b, c = first[entry], second[entry], power[entry]
        slope = factors[:, j] * slopes[a, b, c]
        factors = factors * values[a, b, c].unsqueeze(1)
        factors[:, j] = slope
        n_powers = values.shape[2]
        distinct, code = torch.unique(code[old] * n_powers + c, return_inverse=True)
        last = (distinct % n_powers).unsqueeze(1)
        products = torch.cat([products[distinct // n_powers], last], dim=1)
    return ((row * n_functions + column)[pair], code, factors), products
