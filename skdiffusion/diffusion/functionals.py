"""How much a denoiser would change rows."""

import torch
from torch import Tensor

from skdiffusion.diffusion.denoiser import Denoiser
from skdiffusion.diffusion.jacobian import check_rows


def denoising_error(denoiser: Denoiser, x: Tensor, sigmas: Tensor) -> Tensor:
    """Squared error of one denoising step, at each of several noise levels.

    The larger, the more anomalous a row is; no noise is added, so that a row's error depends
    neither on chance nor on the rows beside it.

    Parameters
    ----------
    denoiser : Denoiser
        The model. Put a network in evaluation mode first.
    x : Tensor of shape (n, d)
        Rows.
    sigmas : Tensor of shape (n_levels,)
        Positive noise levels, in any order.

    Returns
    -------
    Tensor of shape (n, n_levels, d)
        Squared differences between each entry and what the denoiser makes of it, without gradient.

    Raises
    ------
    ValueError
        If `sigmas` is not a vector of positive levels, or `x` is not a matrix.

    References
    ----------
    Sattarov, T., Schreyer, M., Borth, D. (2025). Diffusion-scheduled denoising autoencoders for
    anomaly detection in tabular data. arXiv:2508.00758, which averages over the levels.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser
    >>> normal = GaussianDenoiser(torch.zeros(2), torch.ones(2))
    >>> denoising_error(normal, torch.tensor([[2.0, 0.0]]), torch.tensor([1.0]))
    tensor([[[1., 0.]]])
    """
    x = check_rows(x).detach()
    levels = torch.as_tensor(sigmas, dtype=torch.float64)
    if levels.ndim != 1 or len(levels) == 0 or not bool((levels > 0).all()):
        raise ValueError(f"sigmas must be a vector of positive noise levels, got {sigmas}.")
    with torch.no_grad():
        means = [denoiser(x, x.new_tensor(level)).mean for level in levels.tolist()]
    return (x.unsqueeze(1) - torch.stack(means, dim=1)) ** 2
