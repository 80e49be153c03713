"""Coordinates in which a Gaussian is white before and after denoising.

See :mod:`skdiffusion.diffusion.preconditioning` for what they are for.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.cholesky import stable_cholesky
from skdiffusion.diffusion.gaussians import GaussianDenoiser
from skdiffusion.diffusion.patterns import apply_by_pattern, keep_last, noise_patterns


class WhiteCoordinates(NamedTuple):
    """The two linear maps of a frame for one batch, and its Gaussian's denoising."""

    white: Tensor  # (n, w), for a frame of all directions (S + N)^{-1/2} (x - mu)
    mean: Tensor  # (n, d), the Gaussian's posterior mean
    root: Tensor  # (g, k, m) or (g, k), C^{1/2} of each noise pattern
    pattern: Tensor  # (n,), the noise pattern of each row
    inverse: Tensor | None = None  # (g, m, k), of the root on its span, where that is no diagonal
    log_noise: Tensor | None = None  # (n, w), of the white inputs where these are no entries
    reading: Any = None  # what the rows say of factors, where there are some

    def colour(self, vectors: Tensor) -> Tensor:
        """Multiply by ``C^{1/2}``: from white output coordinates to the units of the rows."""
        if self.inverse is None:
            return vectors * self.root[self.pattern]
        return apply_by_pattern(self.root, vectors, self.pattern)

    def uncolour(self, vectors: Tensor) -> Tensor:
        """Multiply by ``C^{-1/2}``, the inverse of :meth:`colour`."""
        if self.inverse is None:
            return vectors / self.root[self.pattern]
        return apply_by_pattern(self.inverse, vectors, self.pattern)


class WhiteFrame(nn.Module):
    """The coordinates in which a Gaussian is white before and after denoising."""

    centre: Tensor
    values: Tensor
    vectors: Tensor  # None, as those of outputs, for diagonal covariances
    numbers: Tensor | None
    output_vectors: Tensor

    def __init__(self, gaussian: GaussianDenoiser, numbers: Tensor | None = None):
        super().__init__()
        self.n_white = gaussian.n_features
        self.n_outputs = self.n_white if numbers is None else len(numbers)
        values, vectors, output_vectors = gaussian.cov.clone(), None, None
        if not gaussian.is_diagonal:
            values, vectors = _principal(gaussian.cov)
            own = slice(None) if numbers is None else numbers
            output_vectors = _principal(gaussian.cov[own][:, own])[1]
        self.register_buffer("centre", gaussian.mean.clone())
        self.register_buffer("numbers", numbers)
        self.register_buffer("values", values)
        self.register_buffer("vectors", vectors)
        self.register_buffer("output_vectors", output_vectors)

    def forward(self, x: Tensor, sigma: Tensor) -> WhiteCoordinates:
        """Return the coordinates of noisy rows, in float64."""
        patterns, index = noise_patterns(x, sigma)
        delta = x.to(torch.float64) - self.centre
        if self.vectors is None:
            values, noise = self._variances, patterns**2
            noised = values + noise
            root = (values * noise / noised).sqrt()
            root = root if self.numbers is None else root[:, self.numbers]
            mean = self.centre + delta * (values / noised)[index]
            return WhiteCoordinates(delta / noised.sqrt()[index], mean, root, index)
        to_white, back, root, inverse = self._maps(patterns)
        white = apply_by_pattern(to_white, delta, index)
        mean = self.centre + apply_by_pattern(back, delta, index)
        return WhiteCoordinates(white, mean, root, index, inverse)

    @property
    def _variances(self) -> Tensor:
        # a direction without variance has C = 0, of which no inverse root exists
        return self.values.clamp_min(1e-12)

    @keep_last
    def _maps(self, patterns: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the maps to white inputs, to the mean, and from and to white outputs."""
        values, vectors, output = self._variances, self.vectors, self.output_vectors
        turned = (vectors.mT * patterns.unsqueeze(1) ** 2) @ vectors
        factor = stable_cholesky(turned + torch.diag(values))
        # C = S - S (S + N)^{-1} S loses all digits where the noise is small; with
        # G = (S + N)^{-1} N it is also G' S G + (1 - G)' N (1 - G), a sum of squares
        shrunk = torch.cholesky_solve(turned, factor)
        kept = torch.eye(len(values), dtype=values.dtype, device=values.device) - shrunk
        posterior = shrunk.mT @ (values.unsqueeze(1) * shrunk) + kept.mT @ turned @ kept
        if self.numbers is not None:
            turn = output.mT @ vectors[self.numbers]
            posterior = turn @ posterior @ turn.mT
        root, inverse = roots(posterior, output, output)
        return whiten(factor, vectors), vectors @ kept.mT @ vectors.mT, root, inverse


def whiten(factor: Tensor, vectors: Tensor) -> Tensor:
    """Return ``L^{-1} V'`` for Cholesky factors ``L`` (g, k, k) and vectors ``V`` (d, k)."""
    return torch.linalg.solve_triangular(
        factor, vectors.mT.expand(len(factor), -1, -1), upper=False
    )


def roots(covariance: Tensor, vectors: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``V L`` of covariances ``L L'`` in coordinates ``own``, and ``L^{-1} own'``."""
    factor = stable_cholesky(covariance)
    return vectors @ factor, whiten(factor, own)


def _principal(cov: Tensor) -> tuple[Tensor, Tensor]:
    """Return variances and directions of the principal components, largest first."""
    values, vectors = torch.linalg.eigh(cov)
    return values.flip(0).clamp_min(0), vectors.flip(1).contiguous()
