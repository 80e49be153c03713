"""Which kernels matter at a row: a partition into boxes, with a bound for each.

A kernel ``N(x_i, S_i)`` of a cell whose means lie in the box ``|x - c| <= h`` satisfies
``diag(floor) <= S_i <= diag(lambda)``, with the least floors and the largest eigenvalues of the
cell, column by column. With the noise ``N`` its density at ``y`` is therefore at most

    ``prod_k (2 pi (floor_k + N_k))^{-1/2} exp(-gap_k^2 / (2 (lambda_k + N_k)))``,

where ``gap_k = max(0, |y_k - c_k| - h_k)``. Cells whose bounds are small beside what the other
cells are known to contribute can be left out with a known error.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from skdiffusion.diffusion.woodbury import Kernels

_LOG_2PI = math.log(2 * math.pi)
# a tenfold width parts two kernels like this share of the range of the data
_WIDTH_SHARE = 0.25


class Cells(NamedTuple):
    """A partition of kernels into boxes."""

    members: list[Tensor]  # the kernels of each cell
    centres: Tensor  # (c, d)
    reaches: Tensor  # (c, d), from the centre to the sides
    floors: Tensor  # (c, 1) or (c, d), the least of each cell
    widths: Tensor  # (c, d), bounds of the covariances
    log_weights: Tensor  # (c,), of all kernels of the cell together

    @classmethod
    def of(cls, kernels: Kernels, size: int) -> "Cells":
        """Halve the kernels at medians of their widest column, down to cells of `size`."""
        log_weights, means, F, floors = kernels
        largest = means.new_zeros(len(means), 1)
        if F.shape[2]:
            largest = torch.linalg.eigvalsh(F.mT @ F)[:, -1:]
        # columns without factors are as wide as their floors
        widths = floors + largest * (F != 0).any(2)
        spread = (means.max(0).values - means.min(0).values).max()
        rated = _WIDTH_SHARE * spread * widths.amax(1, keepdim=True).log10()
        everything = torch.arange(len(means), device=means.device)
        members = _halve(torch.cat([means, rated], dim=1), everything, size)
        least = torch.stack([means[rows].amin(0) for rows in members])
        most = torch.stack([means[rows].amax(0) for rows in members])
        return cls(
            members,
            (least + most) / 2,
            (most - least) / 2,
            torch.stack([floors[rows].amin(0) for rows in members]),
            torch.stack([widths[rows].amax(0) for rows in members]),
            torch.stack([log_weights[rows].logsumexp(0) for rows in members]),
        )

    def log_bounds(self, y: Tensor, levels: Tensor) -> Tensor:
        """Bound the log-density that each cell adds to noisy rows."""
        noise = levels**2
        scale = 1 / (self.widths + noise)
        squares = y.new_zeros(len(y), len(self.members))
        for k in range(y.shape[1]):
            gap = ((y[:, k : k + 1] - self.centres[:, k]).abs() - self.reaches[:, k]).clamp_min(0)
            squares = squares + scale[:, k] * gap**2
        floor = self.floors + noise
        log_floor = torch.where(torch.isfinite(floor), floor.log() + _LOG_2PI, 0.0).sum(1)
        return self.log_weights - 0.5 * (log_floor + squares)


def _halve(columns: Tensor, index: Tensor, size: int) -> list[Tensor]:
    if len(index) <= size:
        return [index]
    rows = columns[index]
    column = int((rows.max(0).values - rows.min(0).values).argmax())
    order = index[rows[:, column].argsort()]
    middle = len(order) // 2
    return _halve(columns, order[:middle], size) + _halve(columns, order[middle:], size)
