"""Which components matter at a row: a partition into cells, with a bound for each.

A component ``N(x_i, S_i)`` of a cell with centre ``c`` and radius ``rho`` satisfies
``floor I <= S_i <= lambda I``, with the least floor and the largest eigenvalue of the cell. With
the noise ``N`` its density at ``y`` is therefore at most

    ``prod_k (2 pi (floor + N_k))^{-1/2} exp(-max(0, |y - c|_M - |rho|_M)^2 / 2)``,

where ``|v|_M^2 = sum_k v_k^2 / (lambda + N_k)``. Cells whose bounds are small beside what the other
cells are known to contribute can be left out with a known error.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from skdiffusion.diffusion.components import Components

__all__ = ["Cells"]

_LOG_2PI = math.log(2 * math.pi)
# a tenfold width parts two components like this share of the range of the data
_WIDTH_SHARE = 0.25


class Cells(NamedTuple):
    """A partition of components into balls."""

    members: list[Tensor]  # the components of each cell
    centres: Tensor  # (c, d)
    radii: Tensor  # (c,)
    floors: Tensor  # (c,), the least floor
    widths: Tensor  # (c,), the largest eigenvalue of a covariance
    log_weights: Tensor  # (c,), of all components of the cell together

    @classmethod
    def of(cls, components: Components, size: int) -> "Cells":
        """Halve the components at medians of their widest column, down to cells of `size`."""
        means, F = components.means, components.factors
        widths = components.floors.clone()
        if F.shape[2]:
            widths += torch.linalg.eigvalsh(F.mT @ F)[:, -1]
        spread = (means.max(0).values - means.min(0).values).max()
        columns = torch.cat([means, (_WIDTH_SHARE * spread * widths.log10()).unsqueeze(1)], dim=1)
        members = _halve(columns, torch.arange(len(means), device=means.device), size)
        centres = torch.stack([components.means[rows].mean(0) for rows in members])
        radii = [
            (components.means[rows] - centre).norm(dim=1).max()
            for rows, centre in zip(members, centres, strict=True)
        ]
        return cls(
            members,
            centres,
            torch.stack(radii),
            torch.stack([components.floors[rows].min() for rows in members]),
            torch.stack([widths[rows].max() for rows in members]),
            torch.stack([components.log_weights[rows].logsumexp(0) for rows in members]),
        )

    def log_bounds(self, y: Tensor, levels: Tensor) -> Tensor:
        """Bound the log-density that each cell adds to noisy rows."""
        noise = levels**2
        scale = 1 / (self.widths.unsqueeze(1) + noise)
        squares = y**2 @ scale.mT - 2 * y @ (scale * self.centres).mT
        distance = (squares + (scale * self.centres**2).sum(1)).clamp_min(0).sqrt()
        reach = self.radii * scale.max(1).values.sqrt()
        floor = self.floors.unsqueeze(1) + noise
        log_floor = torch.where(torch.isfinite(floor), floor.log() + _LOG_2PI, 0.0).sum(1)
        gap = (distance - reach).clamp_min(0)
        return self.log_weights - 0.5 * log_floor - 0.5 * gap**2


def _halve(columns: Tensor, index: Tensor, size: int) -> list[Tensor]:
    if len(index) <= size:
        return [index]
    rows = columns[index]
    column = int((rows.max(0).values - rows.min(0).values).argmax())
    order = index[rows[:, column].argsort()]
    middle = len(order) // 2
    return _halve(columns, order[:middle], size) + _halve(columns, order[middle:], size)
