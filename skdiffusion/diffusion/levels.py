"""Probabilities of categories, coded as the vertices of simplices.

A denoiser that knows nothing of a category but the rest of the row returns its expected code,
``m = sum_l p_l v_l``. The vertices ``v_l`` of a simplex are affinely independent, so the
probabilities ``p_l`` of the levels follow from that mean. Several categories need the chain rule:
each is judged given those before it, which is one call with other noise levels.
"""

import torch
from torch import Tensor

from skdiffusion.diffusion.denoiser import Denoiser

__all__ = ["level_log_prob", "vertex_log_prob"]

# a level that the model holds for impossible has a finite log-probability all the same
_FLOOR = 1e-6


def level_log_prob(
    denoiser: Denoiser,
    x: Tensor,
    blocks: list[tuple[Tensor, Tensor]],
    sigma_min: float,
    sigma_max: float,
) -> Tensor:
    """Log-probability of the categories of each row, given its other entries.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    x : Tensor of shape (n, d)
        Clean rows; the entries of a category are those of a vertex.
    blocks : list of (Tensor of shape (m,), Tensor of shape (m + 1, m))
        For each category the columns of its code, and the codes of its levels.
    sigma_min, sigma_max : float
        Noise levels of known and of unknown entries.

    Returns
    -------
    Tensor of shape (n,)
        Log-probabilities in nats. Over all levels the probabilities sum to one.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import EmpiricalDenoiser
    >>> flags = torch.tensor([[-1.0], [-1.0], [-1.0], [1.0]])
    >>> block = (torch.tensor([0]), torch.tensor([[-1.0], [1.0]]))
    >>> log_prob = level_log_prob(EmpiricalDenoiser(flags), flags, [block], 0.01, 100.0)
    >>> log_prob.exp().round(decimals=2)
    tensor([0.7500, 0.7500, 0.7500, 0.2500])
    """
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


def vertex_log_prob(mean: Tensor, codes: Tensor, vertices: Tensor) -> Tensor:
    """Log-probability of the level of each code, given the expected code.

    Parameters
    ----------
    mean : Tensor of shape (n, m)
        Expected codes.
    codes : Tensor of shape (n, m)
        Codes; the level is that of the nearest vertex.
    vertices : Tensor of shape (m + 1, m)
        The codes of the levels.

    Returns
    -------
    Tensor of shape (n,)
        Log-probabilities in nats. Over all levels the probabilities sum to one, and none is zero.

    Examples
    --------
    >>> import torch
    >>> vertices = torch.tensor([[-1.0], [1.0]])
    >>> mean, codes = torch.tensor([[0.5]]), torch.tensor([[1.0]])
    >>> vertex_log_prob(mean, codes, vertices).exp()
    tensor([0.7500])
    """
    probabilities = _barycentric(mean, vertices).clamp_min(_FLOOR)
    probabilities = probabilities / probabilities.sum(1, keepdim=True)
    level = torch.cdist(codes, vertices).argmin(1, keepdim=True)
    return probabilities.gather(1, level).squeeze(1).log()


def _barycentric(points: Tensor, vertices: Tensor) -> Tensor:
    """Weights, of sum one, with which the vertices average to each point."""
    ones = vertices.new_ones(1, len(vertices))
    wanted = torch.cat([points, points.new_ones(len(points), 1)], dim=1)
    return torch.linalg.solve(torch.cat([vertices.mT, ones]), wanted.mT).mT
