"""Estimators of intrinsic dimension, ours and those of scikit-dimension, for one benchmark.

Each takes rows and returns one number. Those that read a denoiser share it: they take the
distribution and a noise level, and average over some of the rows.
"""

import numpy as np
import torch
from sklearn.mixture import GaussianMixture

from skdiffusion.diffusion import MixtureDenoiser
from skdiffusion.diffusion.jacobian import check_probes, mean_and_diagonal, principal_directions
from skdiffusion.diffusion.kernel_density import KernelDenoiser
from skdiffusion.geometry import noise_level
from skdiffusion.geometry.diffusion_tensors import low_rank_factors, tensor_local
from skdiffusion.geometry.nearest_rows import neighbor_graph

__all__ = [
    "DENOISERS",
    "OURS",
    "RIVALS",
    "pointwise_rivals",
    "read_denoiser",
    "reading_level",
    "rivals",
]

OURS = "intrinsic_dimension"
RIVALS = ("lPCA", "MLE", "TwoNN", "DANCo")
N_COMPONENTS = 20
N_READ = 50
N_KERNEL = 20
TIMES_NOISE, LEAST_LEVEL = 3.0, 0.1  # as a denoiser is read elsewhere; not tuned


def rivals():
    """Return the estimators of scikit-dimension by name; none where it is not installed."""
    try:
        import skdim
    except ImportError:
        return {}
    local = pointwise_rivals()["lPCA"]
    return {
        # the estimator of whole data sets is no local PCA: the mean of the local ones is taken
        "lPCA": lambda X: float(np.mean(local(X))),
        "MLE": lambda X: skdim.id.MLE().fit(X).dimension_,
        "TwoNN": lambda X: skdim.id.TwoNN().fit(X).dimension_,
        "DANCo": lambda X: skdim.id.DANCo(random_state=0).fit(X).dimension_,
    }


def pointwise_rivals():
    """Return those of them that estimate at each row."""
    try:
        import skdim
    except ImportError:
        return {}

    def local(X):
        return skdim.id.lPCA().fit_pw(X, n_neighbors=min(100, len(X) - 1)).dimension_pw_

    return {"lPCA": local, "MLE": lambda X: skdim.id.MLE().fit(X).dimension_pw_}


def reading_level(X):
    """Return the noise level at which denoisers are read: above the noise of the data."""
    reach = np.median(neighbor_graph(X, 50)[0][:, -1])
    return max(TIMES_NOISE * noise_level(X), LEAST_LEVEL * reach)


def mixture(X, seed):
    """Fit a Gaussian mixture."""
    model = GaussianMixture(N_COMPONENTS, reg_covar=1e-6, n_init=1, random_state=seed).fit(X)
    parts = model.weights_, model.means_, model.covariances_
    return MixtureDenoiser(*(torch.from_numpy(part) for part in parts))


def kernel(X, seed):
    """Put a kernel with the covariance of its twenty neighbours on each row."""
    tensors = tensor_local(X, neighbor_graph(X, N_KERNEL)[1], np.arange(len(X)))
    factors, floors = low_rank_factors(tensors, min(N_KERNEL, X.shape[1])).kernel(1.0, 1e-3)
    return KernelDenoiser(*(torch.from_numpy(part) for part in (X, factors, floors)))


DENOISERS = {"mixture": mixture, "kernel": kernel}


def flipd(distribution, x, sigma):
    """Return the dimension by which the noised density falls with the noise level.

    Around a point of a manifold of dimension k in d columns ``p_sigma(x)`` goes like
    ``sigma ** (k - d)``. The heat equation and Tweedie's formula turn ``d + d log p / d log sigma``
    into ``tr dD/dx + |D - x| ** 2 / sigma ** 2``.

    References
    ----------
    Kamkari, H. et al. (2024). A geometric view of data complexity: efficient local intrinsic
    dimension estimation with diffusion models. NeurIPS 37. arXiv:2406.03537, theorem 3.1.
    """
    mean, diagonal = mean_and_diagonal(distribution, x, sigma, check_probes(x, None))
    return diagonal.sum(1) + (((mean - x) / sigma) ** 2).sum(1)


def kept(distribution, x, sigma):
    """Return how many directions are kept by more than half."""
    values, _ = principal_directions(distribution, x, sigma)
    return (values > 0.5).sum(1)


READINGS = {"FLIPD": flipd, "kept": kept}


def read_denoiser(distribution, X, level, readings=READINGS):
    """Return the mean of each reading over some of the rows."""
    at = np.linspace(0, len(X) - 1, min(N_READ, len(X))).astype(int)
    x, sigma = torch.from_numpy(X[at]), torch.tensor(level, dtype=torch.float64)
    return {
        name: float(readings[name](distribution, x, sigma).to(torch.float64).mean())
        for name in readings
    }
