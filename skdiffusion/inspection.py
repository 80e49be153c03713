"""What a fitted model of a table has learned: which columns depend on which, and odd cells."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from skdiffusion._base import TableModel
from skdiffusion._utils.checks import check_positive
from skdiffusion.diffusion.cholesky import symmetric
from skdiffusion.diffusion.jacobian import mean_and_products

__all__ = ["conditional_dependence", "cell_surprise"]

# least posterior variance over that of the noise: what a network says below is its error
FLOOR = 0.02
# noise on categories, in standard deviations: with less it is plain which one a row has
CATEGORY_LEVEL = 1.0
# entries of the Jacobians that are held at a time
CHUNK_ENTRIES = 2**22


def conditional_dependence(sampler: Any, X: Any, *, sigma: float = 0.5) -> np.ndarray:
    r"""Return how much columns say about one another beyond what all others say.

    A matrix of partial correlations, without their signs, that also sees what is not linear.

    Parameters
    ----------
    sampler : estimator
        A fitted DiffusionManifoldSampler, RiemannianKernelSmoother or OperatorScoreMatching.
    X : array-like or data frame of shape (n, n_features)
        Complete rows at which the model is read, such as some hundred of those of `fit`.
    sigma : float, default=0.5
        Noise level at which numbers are read, in standard deviations of each encoded feature. With
        less, the errors of a network count for more; with more, what is not linear is averaged out.
        Known graphs were found about equally well from 0.3 to 0.7. Categories are read at 1.

    Returns
    -------
    dependence : ndarray of shape (n_features, n_features)
        Symmetric, from 0 to 1, with a zero diagonal; zeros in constant columns.

    Raises
    ------
    TypeError
        If `sampler` is not one of these estimators.
    ValueError
        If `sigma` is not positive, cells are missing, or `coupling_` is "latent" for columns.

    Notes
    -----
    Two columns are independent given all others if and only if the cross derivative of the
    log-density vanishes everywhere [1]_. Noise that is independent from cell to cell leaves this
    so in the posterior of a row given a noisy one. By the second identity of Tweedie its covariance
    is :math:`\sigma^2 J` with the Jacobian :math:`J` of the denoiser, and
    :math:`\Lambda = (J^{-1} - I) / \sigma^2` is the precision of the rows near by. The dependence
    of two columns is the mean over the rows of :math:`|\Lambda_{ij}|` over the root of the means of
    :math:`\Lambda_{ii}` and :math:`\Lambda_{jj}`, with Frobenius norms where a column has several
    features. For Gaussian rows it is their partial correlation, at any noise level; for others it
    is zero for independent columns as `sigma` tends to zero, where the log-density is concave.
    There is no test behind it: how small is none is for the reader to judge.

    References
    ----------
    .. [1] Morrison, R., Baptista, R., Marzouk, Y. (2017). Beyond normality: learning sparse
       probabilistic graphical models in the non-Gaussian setting. NeurIPS 30.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import RiemannianKernelSmoother
    >>> from skdiffusion.inspection import conditional_dependence
    >>> a, b, c = np.random.default_rng(0).normal(size=(3, 300))
    >>> X = np.column_stack([a, a**2 + 0.3 * b, c])
    >>> found = conditional_dependence(RiemannianKernelSmoother(random_state=0).fit(X), X)
    >>> bool(found[0, 1] > 3 * found[:, 2].max())
    True
    """
    model = _model_of(sampler)
    check_positive(sigma, "sigma")
    Z, prior = torch.from_numpy(sampler._encoded(X)).to(model.device), model.of_rows.prior
    if Z.isnan().any():
        raise ValueError("Rows must be complete: fill them first, for example with impute.")
    levels = Z.new_full(Z.shape[1:], sigma)
    for features, _ in model.encoder.category_blocks():
        levels[features] = CATEGORY_LEVEL
    variances = prior.cov if prior.is_diagonal else prior.cov.diagonal()
    levels = (levels * variances.sqrt()).clamp_min(model.sigma_min)
    owner = levels.new_zeros(len(levels), sampler.n_features_in_)
    for j in range(sampler.n_features_in_):
        owner[model.encoder.features_of_column(j), j] = 1
    denoiser, chunks = model.of_rows.denoiser, Z.split(max(1, CHUNK_ENTRIES // len(levels) ** 2))
    norms = sum(_precision_norms(denoiser, chunk, levels, owner) for chunk in chunks)
    size = norms.diagonal().sqrt()
    size[size == 0] = 1  # of constant columns
    return (norms / size / size.unsqueeze(1)).fill_diagonal_(0).cpu().numpy()


def cell_surprise(sampler: Any, X: Any) -> Any:
    """Return how improbable each cell is, given the other cells of its row.

    Parameters
    ----------
    sampler : estimator
        A fitted DiffusionManifoldSampler or RiemannianKernelSmoother, which score parts of rows.
    X : array-like or data frame of shape (n, n_features)
        Rows, such as drawn ones or anomalies; cells may be missing.

    Returns
    -------
    surprise : ndarray of shape (n, n_features)
        The negative logarithm of the conditional density of numbers, in the units of the table, or
        of the probability of categories, whole numbers and repeated values, in nats. Zero for
        missing cells and in constant columns.

    Raises
    ------
    TypeError
        If `sampler` does not score parts of rows.

    Notes
    -----
    It is `score_samples` of the row without the cell, less that of the row. To compare columns,
    whose densities depend on units, subtract the means over ordinary rows.
    A cell that another one is encoded by (the category that a number's scale depends on, the start
    of an interval) takes that one's surprise with it.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import RiemannianKernelSmoother
    >>> from skdiffusion.inspection import cell_surprise
    >>> X = np.random.default_rng(0).normal(size=(200, 3)) @ [[1, 2, 0], [0, 1, 0], [0, 0, 1]]
    >>> smoother = RiemannianKernelSmoother(random_state=0).fit(X)
    >>> cell_surprise(smoother, [[0.0, 0.0, 4.0]]).argmax()
    np.int64(2)
    """
    model = _model_of(sampler)
    if not sampler._allow_missing:
        raise TypeError(f"{type(sampler).__name__} does not score parts of rows.")
    columns, encoder = sampler._read(X), model.encoder
    Z = encoder.encode_columns(columns)
    whole, told = model.log_density(columns, Z), encoder.is_indicator_
    surprise = np.zeros((len(Z), len(columns)))
    for j, column in enumerate(columns):
        others = [*columns]
        others[j] = replace(column, gaps=np.ones_like(column.gaps))
        part = encoder.encode_columns(others)
        # that the cell is there is known, where this is a feature
        part[:, told] = Z[:, told]
        surprise[:, j] = model.log_density(others, part) - whole
    return surprise


def _model_of(sampler):
    if not isinstance(sampler, TableModel):
        raise TypeError(f"{type(sampler).__name__} is no estimator with a model of a table.")
    return sampler.model_


def _precision_norms(denoiser, Z, levels, owner):
    """Return norms of precisions near rows, by pairs of columns and summed over the rows."""
    d = Z.shape[1]
    probes = torch.eye(d).to(Z).expand(len(Z), d, d)
    _, jacobian = mean_and_products(denoiser, Z, levels, probes)
    # posterior covariance in units of the noise; what a network says is not quite symmetric
    covariance = jacobian * levels.unsqueeze(1) / levels
    values, vectors = torch.linalg.eigh(symmetric(covariance))
    gain = (1 / values.clamp(FLOOR, 1) - 1).unsqueeze(1)
    precision = vectors * gain @ vectors.mT
    return (owner.mT @ precision.square() @ owner).sqrt().sum(0)
