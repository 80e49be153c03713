"""Coordinates in which a Gaussian is white before and after denoising.

See :mod:`skdiffusion.diffusion.preconditioning` for what they are for.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.gaussians import GaussianDenoiser
from skdiffusion.diffusion.patterns import apply_by_pattern, noise_patterns

__all__ = ["WhiteCoordinates", "WhiteFrame"]


class WhiteCoordinates(NamedTuple):
    """The two linear maps of a :class:`WhiteFrame` for one batch, and its Gaussian's denoising."""

    white: Tensor  # (n, w), for a frame of all directions (S + N)^{-1/2} (x - mu)
    mean: Tensor  # (n, d), the Gaussian's posterior mean
    root: Tensor  # (g, k, m) or (g, k), C^{1/2} of each noise pattern
    pattern: Tensor  # (n,), the noise pattern of each row
    inverse: Tensor | None = None  # (g, m, k), of the root on its span, where that is no diagonal
    log_noise: Tensor | None = None  # (n, w), of the white inputs where these are no entries
    reading: Any = None  # what the rows say of factors, where there are some

    def colour(self, vectors: Tensor) -> Tensor:
        """Multiply by ``C^{1/2}``: from white output coordinates to the units of the rows."""
        if self.root.dim() == 2:
            return vectors * self.root[self.pattern]
        return _apply(self.root, vectors, self.pattern)

    def uncolour(self, vectors: Tensor) -> Tensor:
        """Multiply by ``C^{-1/2}``, the inverse of :meth:`colour`."""
        if self.inverse is None:
            return vectors / self.root[self.pattern]
        return _apply(self.inverse, vectors, self.pattern)


class WhiteFrame(nn.Module):
    """The coordinates in which a Gaussian is white before and after denoising."""

    centre: Tensor
    values: Tensor
    vectors: Tensor | None
    numbers: Tensor | None
    output_vectors: Tensor | None

    def __init__(self, gaussian: GaussianDenoiser, numbers: Tensor | None = None):
        super().__init__()
        self.n_white = gaussian.n_features
        self.n_outputs = self.n_white if numbers is None else len(numbers)
        self.register_buffer("centre", gaussian.mean.clone())
        self.register_buffer("numbers", numbers)
        self.register_buffer("output_vectors", None)
        if gaussian.is_diagonal:
            self.register_buffer("values", gaussian.cov.clone())
            self.register_buffer("vectors", None)
        else:
            values, vectors = torch.linalg.eigh(gaussian.cov)
            self.register_buffer("values", values.flip(0).clamp_min(0))
            self.register_buffer("vectors", vectors.flip(1).contiguous())
            if numbers is not None:
                own = gaussian.cov[numbers][:, numbers]
                self.output_vectors = torch.linalg.eigh(own)[1].flip(1).contiguous()

    def forward(self, x: Tensor, sigma: Tensor) -> WhiteCoordinates:
        """Return the coordinates of noisy rows, in float64."""
        patterns, index = noise_patterns(x, sigma)
        delta = x.to(torch.float64) - self.centre
        # a direction without variance has C = 0, of which no inverse root exists
        values = self.values.clamp_min(1e-12)
        if self.vectors is None:
            noised = values + patterns**2
            root = (values * patterns**2 / noised).sqrt()
            root = root if self.numbers is None else root[:, self.numbers]
            white = delta / noised.sqrt()[index]
            mean = self.centre + delta * (values / noised)[index]
            return WhiteCoordinates(white, mean, root, index)
        turned = (self.vectors.mT * patterns.unsqueeze(1) ** 2) @ self.vectors
        factor = torch.linalg.cholesky(turned + torch.diag(values))
        inverse = torch.linalg.solve_triangular(
            factor, self.vectors.mT.expand_as(factor), upper=False
        )
        white = _apply(inverse, delta, index)
        # C = S - S (S + N)^{-1} S loses all digits where the noise is small; with
        # G = (S + N)^{-1} N it is also G' S G + (1 - G)' N (1 - G), a sum of squares
        shrunk = torch.cholesky_solve(turned, factor)
        kept = torch.eye(len(values), dtype=values.dtype, device=values.device) - shrunk
        posterior = shrunk.mT @ (values.unsqueeze(1) * shrunk) + kept.mT @ turned @ kept
        root, inverse = self._root(self.vectors, posterior)
        mean = self.centre + _apply(self.vectors @ kept.mT @ self.vectors.mT, delta, index)
        return WhiteCoordinates(white, mean, root, index, inverse)

    def _root(self, vectors: Tensor, posterior: Tensor) -> tuple[Tensor, Tensor]:
        """Root of the covariance of the numbers, given that of all entries in the PC frame."""
        if self.output_vectors is not None:
            turn = self.output_vectors.mT @ vectors[self.numbers]
            vectors, posterior = self.output_vectors, turn @ posterior @ turn.mT
        factor = torch.linalg.cholesky(posterior)
        back = vectors.mT.expand_as(factor)
        return vectors @ factor, torch.linalg.solve_triangular(factor, back, upper=False)


def _apply(matrices: Tensor, vectors: Tensor, index: Tensor) -> Tensor:
    return apply_by_pattern(matrices.unsqueeze(1), vectors.unsqueeze(1), index).squeeze(1)
