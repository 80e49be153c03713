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
    """Draw the unknown entries of rows by ancestral steps, with the known ones noised anew in each.

    The model only ever sees rows whose entries all have the same noise level, so that it need not
    have been trained to condition. Each step is repeated with its noise put back, which brings the
    two parts of a row into line.

    Parameters
    ----------
    denoiser : Denoiser
        The model of whole rows.
    values : Tensor of shape (n, d)
        Values of the known entries; anything, NaN included, elsewhere.
    known : Tensor of bool of shape (n, d)
        Which entries are known.
    sigmas : Tensor of shape (n_steps + 1,)
        Decreasing noise levels.
    n_resamples : int, default=5
        How often each step is made. The law of the draws approaches the conditional one as it
        grows; 1 puts the known entries in and nothing more.
    generator : torch.Generator or None, default=None
        Source of the noise.
    shared : bool, default=False
        Whether all rows get the same noise, so that none depends on the others.
    noise : callable or None, default=None
        Called without arguments, returns standard normal noise of shape (n, d), in place of the
        generator: for rows that have a source each.

    Yields
    ------
    Tensor of shape (n, d)
        The rows at each noise level.

    References
    ----------
    Lugmayr, A. et al. (2022). RePaint: inpainting using denoising diffusion probabilistic models.
    arXiv:2201.09865, algorithm 1 with jumps of one step.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser, log_linear, run
    >>> pair = GaussianDenoiser(torch.zeros(2), torch.tensor([[1.0, 0.9], [0.9, 1.0]]))
    >>> values = torch.tensor([[2.0, float("nan")]]).expand(500, 2)
    >>> generator = torch.Generator().manual_seed(0)
    >>> levels = log_linear(0.01, 20.0, 50)
    >>> drawn = run(repaint(pair, values, ~values.isnan(), levels, generator=generator))
    >>> bool((drawn[:, 0] == 2).all()), bool((drawn[:, 1].mean() - 1.8).abs() < 0.2)
    (True, True)
    """
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
