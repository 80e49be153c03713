"""Categories as noisy vertices: what is known of a category before and after the rest of the row.

By Bayes' rule ``p(l | row) ~ pi_l N(x; v_l, sigma^2 I) exp(F_l)`` for the vertices ``v_l`` of a
column, with the share ``pi_l`` of a category. A network has to learn ``F_l`` only, what the rest of
the row adds: see ``docs/theory/columns.md``. In Dieleman et al. (2022), arXiv:2211.15089, section
3, it learns all three factors.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.denoiser import Denoiser

# a category that the model holds for impossible has a finite log-probability all the same
_FLOOR = 1e-6


class Levels(nn.Module):
    """The categories of a row, each a vertex in the entries of its column."""

    vertices: Tensor
    log_shares: Tensor
    first: Tensor
    places: Tensor
    numbers: Tensor
    entries: Tensor

    def __init__(
        self, n_features: int, blocks: Sequence[tuple[Tensor, Tensor]], shares: Sequence[Tensor]
    ):
        super().__init__()
        self.sizes = [len(vertices) for _, vertices in blocks]
        self.n_levels = sum(self.sizes)
        placed = torch.zeros(self.n_levels, n_features, dtype=torch.float64)
        is_number = torch.ones(n_features, dtype=torch.bool)
        for (columns, vertices), rows in zip(blocks, placed.split(self.sizes), strict=True):
            rows[:, columns] = vertices.to(placed)
            is_number[columns] = False
        log_shares = [(s.double() / s.sum()).log() for s in shares]
        first = torch.tensor([int(columns[0]) for columns, _ in blocks], dtype=torch.long)
        self.register_buffer("vertices", placed)
        self.register_buffer("log_shares", torch.cat(log_shares))
        self.register_buffer("first", first)
        self.register_buffer("places", first.repeat_interleave(torch.tensor(self.sizes)))
        self.register_buffer("numbers", torch.nonzero(is_number).squeeze(1))
        self.register_buffer("entries", torch.nonzero(~is_number).squeeze(1))

    def log_prob(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the log-probability of each category, from its own entries alone."""
        x = x.to(torch.float64)
        noise = sigma.to(x).expand_as(x)[:, self.places]
        # |x|^2 is the same for all categories of a column
        return self.normalise(self.log_shares + self._closeness(x) / noise**2)

    def normalise(self, logits: Tensor) -> Tensor:
        """Subtract from each column's logits the logarithm of the sum of their exponentials."""
        return torch.cat([own.log_softmax(1) for own in logits.split(self.sizes, dim=1)], dim=1)

    def mean(self, log_prob: Tensor) -> Tensor:
        """Return the expected vertices."""
        return log_prob.exp() @ self.vertices

    def cross_entropy(self, log_prob: Tensor, x0: Tensor) -> Tensor:
        """Return the negative log-probability of the categories of clean rows."""
        closeness = self._closeness(x0.to(torch.float64)).split(self.sizes, dim=1)
        present = [own.argmax(1, keepdim=True) for own in closeness]
        columns = zip(log_prob.split(self.sizes, dim=1), present, strict=True)
        return -torch.cat([own.gather(1, index) for own, index in columns], dim=1)

    def _closeness(self, x: Tensor) -> Tensor:
        """Half of what is left of ``|x|^2 - |x - v|^2``."""
        return x @ self.vertices.mT - (self.vertices**2).sum(1) / 2


def category_log_prob(
    denoiser: Denoiser,
    x: Tensor,
    blocks: list[tuple[Tensor, Tensor]],
    sigma_min: float,
    sigma_max: float,
) -> Tensor:
    """Return the log-probability of the categories of each row, given its other entries.

    Columns follow the chain rule: each is judged given those before it, with other noise levels.
    """
    known = torch.ones(x.shape[1], dtype=torch.bool, device=x.device)
    for columns, _ in blocks:
        known[columns] = False
    log_prob = x.new_zeros(len(x))
    low, high = x.new_tensor(sigma_min), x.new_tensor(sigma_max)
    for columns, vertices in blocks:
        sigma = torch.where(known, low, high).unsqueeze(0)
        mean = denoiser(torch.where(known, x, 0.0), sigma).mean[:, columns]
        # vertices are affinely independent: the probabilities follow from their mean
        vertices_and_one = torch.cat([vertices.mT, vertices.new_ones(1, len(vertices))])
        mean_and_one = torch.cat([mean, mean.new_ones(len(mean), 1)], dim=1)
        weights = torch.linalg.solve(vertices_and_one, mean_and_one.mT).mT.clamp_min(_FLOOR)
        nearest = torch.cdist(x[:, columns], vertices).argmin(1, keepdim=True)
        probability = weights.gather(1, nearest) / weights.sum(1, keepdim=True)
        log_prob = log_prob + probability.squeeze(1).log()
        known[columns] = True
    return log_prob
