"""The diagonal of a denoiser's Jacobian: exact, or estimated with random signs.

By the second-order Tweedie identity ``sigma_j ** 2 dD_j / dx_j`` is the posterior variance of entry
``j``, and the sum over the entries is the divergence that likelihoods need. Rows do not interact in
a denoiser, so one derivative serves a whole batch.
"""

from typing import Literal

import torch
from torch import Tensor

from skdiffusion.diffusion.denoiser import Denoiser

__all__ = ["Divergence", "check_probes", "check_rows", "mean_and_diagonal"]

Divergence = Literal["auto", "exact", "hutchinson"]

_MAX_EXACT_COLUMNS = 32


def mean_and_diagonal(
    denoiser: Denoiser, x: Tensor, sigma: Tensor, probes: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Posterior means and the diagonal of their Jacobian, from one evaluation."""
    with torch.enable_grad():
        rows = x.detach().requires_grad_()
        mean = denoiser(rows, sigma).mean
        diagonal = _exact(mean, rows) if probes is None else _estimated(mean, rows, probes)
    return mean.detach(), diagonal


def _exact(mean: Tensor, rows: Tensor) -> Tensor:
    diagonal = torch.empty_like(rows)
    for j in range(rows.shape[1]):
        (gradient,) = torch.autograd.grad(mean[:, j].sum(), rows, retain_graph=True)
        diagonal[:, j] = gradient[:, j]
    return diagonal


def _estimated(mean: Tensor, rows: Tensor, probes: Tensor) -> Tensor:
    diagonal = torch.zeros_like(rows)
    for probe in probes:
        (gradient,) = torch.autograd.grad((mean * probe).sum(), rows, retain_graph=True)
        diagonal += gradient * probe
    return diagonal / len(probes)


def check_probes(x: Tensor, divergence: str, probes: Tensor | None) -> Tensor | None:
    """Check how the divergence is to be found."""
    if divergence not in {"auto", "exact", "hutchinson"}:
        raise ValueError(f"divergence must be 'auto', 'exact' or 'hutchinson', got {divergence!r}.")
    d = x.shape[1]
    if divergence == "exact" or (divergence == "auto" and d <= _MAX_EXACT_COLUMNS):
        return None
    if probes is None:
        raise ValueError(
            f"The estimated divergence of {d} columns needs probes, random signs of shape "
            f"(m, {d}); divergence='exact' does without."
        )
    if probes.ndim != 2 or probes.shape[1] != d or len(probes) == 0:
        raise ValueError(f"probes must be of shape (m, {d}), got {tuple(probes.shape)}.")
    return probes.to(x)


def check_rows(x: Tensor) -> Tensor:
    """Check that rows are a floating-point matrix, and return them."""
    if x.ndim != 2 or not x.is_floating_point():
        raise ValueError(
            "Rows must be a floating-point tensor of shape (n, d), "
            f"got shape {tuple(x.shape)} of {x.dtype}."
        )
    return x
