"""Probabilities of categories, encoded as the vertices of simplices.

A denoiser that knows the rest of the row only returns the expected vertex of a category,
``m = sum_l p_l v_l``. The vertices ``v_l`` of a simplex are affinely independent, so the
probabilities ``p_l`` follow from that mean. Several columns need the chain rule: each is judged
given those before it, which is one call with other noise levels.
"""

import torch
from torch import Tensor

from skdiffusion.diffusion.denoiser import Denoiser

# a category that the model holds for impossible has a finite log-probability all the same
_FLOOR = 1e-6


def category_log_prob(
    denoiser: Denoiser,
    x: Tensor,
    blocks: list[tuple[Tensor, Tensor]],
    sigma_min: float,
    sigma_max: float,
) -> Tensor:
    """Return the log-probability of the categories of each row, given its other entries."""
    known = torch.ones(x.shape[1], dtype=torch.bool, device=x.device)
    for columns, _ in blocks:
        known[columns] = False
    log_prob = x.new_zeros(len(x))
    low, high = x.new_tensor(sigma_min), x.new_tensor(sigma_max)
    for columns, vertices in blocks:
        sigma = torch.where(known, low, high).unsqueeze(0)
        mean = denoiser(torch.where(known, x, 0.0), sigma).mean[:, columns]
        log_prob = log_prob + vertex_log_prob(mean, x[:, columns], vertices)
        known[columns] = True
    return log_prob


def vertex_log_prob(mean: Tensor, points: Tensor, vertices: Tensor) -> Tensor:
    """Return the log-probability of the vertex nearest to each point, given the expected vertex."""
    # the weights, of sum one, with which the vertices average to the mean
    vertices_and_one = torch.cat([vertices.mT, vertices.new_ones(1, len(vertices))])
    mean_and_one = torch.cat([mean, mean.new_ones(len(mean), 1)], dim=1)
    weights = torch.linalg.solve(vertices_and_one, mean_and_one.mT).mT.clamp_min(_FLOOR)
    probabilities = weights / weights.sum(1, keepdim=True)
    nearest = torch.cdist(points, vertices).argmin(1, keepdim=True)
    return probabilities.gather(1, nearest).squeeze(1).log()
