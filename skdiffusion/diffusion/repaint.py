"""RePaint: known entries put in while sampling, for models without per-entry noise."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor

from skdiffusion.diffusion.denoiser import Denoiser
from skdiffusion.diffusion.grid import check_grid

__all__ = ["repaint"]


def repaint(
    denoiser: Denoiser,
    values: Tensor,
    known: Tensor,
    sigmas: Tensor,
    *,
    n_resamples: int = 5,
    generator: torch.Generator | None = None,
    shared: bool = False,
    noise: Callable[[], Tensor] | None = None,
) -> Iterator[Tensor]:
    """Draw unknown entries by ancestral steps, with the known ones noised anew in each."""
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, got {n_resamples!r}.")
    levels = check_grid(sigmas)
    values = values.nan_to_num()

    def draw() -> Tensor:
        if noise is not None:
            return noise().to(values)
        shape = (1, values.shape[1]) if shared else values.shape
        drawn = torch.randn(shape, generator=generator, dtype=values.dtype, device=values.device)
        return drawn.expand(values.shape)

    x = levels[0] * draw()
    yield x
    for sigma, after in pairwise(levels):
        # variance that the step takes away, and that goes back on for the next try
        removed = sigma**2 - after**2
        for trial in range(n_resamples):
            if trial:
                x = x + removed**0.5 * draw()
            mean = denoiser(x, x.new_tensor(sigma)).mean
            x = mean + (after / sigma) ** 2 * (x - mean)
            x = x + after * removed**0.5 / sigma * draw()
            x = torch.where(known, values + after * draw(), x)
        yield x
