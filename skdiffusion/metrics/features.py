"""How far apart are tables in features of rows or as images, how many different rows has one?"""

from typing import Any

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import entropy
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics.pairwise import laplacian_kernel
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from skdiffusion._utils.checks import check_positive, needs
from skdiffusion.metrics.alignment import align
from skdiffusion.metrics.scaling import as_points


def frechet_distance(real: Any, fake: Any, *, encoder: Any = None) -> float:
    """Return the Frechet distance of Gaussians fitted to features of real and generated rows.

    The squared 2-Wasserstein distance of Dowson and Landau (J. Multivariate Analysis, 1982), with
    features as in the FID of images (Heusel et al., NeurIPS 2017). It sees means and covariances
    alone, and few rows make it larger: read it against that of as many other real rows.

    Parameters
    ----------
    real, fake : array-like or data frame of shape (n_rows, n_columns)
        Real and generated rows, at least two of each.
    encoder : estimator, callable or None, default=None
        A function of a table that returns an array of shape (n_rows, n_features), or an estimator
        with `transform`; unless it is fitted, a clone is fitted to the real rows. None takes
        principal components with 95 % of the variance of real points, as few rows do not tell of
        all, and the length of what these leave out, where noise would go unseen.

    Returns
    -------
    distance : float
        In squared units of the features; 0 for equal means and covariances, also singular ones.

    Raises
    ------
    ValueError
        If a table has fewer than two rows, or the features of the two differ in number.

    Examples
    --------
    >>> from skdiffusion.metrics import frechet_distance
    >>> round(frechet_distance([[-1], [0], [1]], [[1], [3], [5]]), 6)  # 3 apart, deviations 1 and 2
    10.0
    """
    if encoder is None:
        real, fake = as_points(real, fake)
    encode = _fit_encoder(encoder, real)
    (mean, root), (fake_mean, fake_root) = (_fit_gaussian(encode(X)) for X in (real, fake))
    if len(mean) != len(fake_mean):
        raise ValueError(f"encoder gives {len(mean)} features, and {len(fake_mean)} of fake rows.")
    # by roots nothing becomes complex, and singular covariances lose no digits
    spread = (root**2).sum() + (fake_root**2).sum() - 2 * np.linalg.norm(root @ fake_root.T, "nuc")
    return float(((mean - fake_mean) ** 2).sum() + max(spread, 0.0))


def vendi_score(X: Any, *, reference: Any = None) -> float:
    """Return how many different rows a table has, in effect.

    The exponential of the entropy of the eigenvalues of ``K / n_rows`` (Friedman and Dieng, TMLR
    2023), with similarities ``K = exp(-d / width)`` by the L1 distance `d` of points.

    Parameters
    ----------
    X : array-like or data frame of shape (n_rows, n_columns)
        The rows to count; the time grows with their third power, 2000 take a second.
    reference : array-like or data frame of shape (n_reference, n_columns), default=None
        Rows that set coordinates and width, the median distance of two of them (the mean if it is
        0); None takes `X`. Compare scores of as many rows under one reference, the real rows.

    Returns
    -------
    score : float
        From 1, all rows are equal, to their number, all are far apart; less where rows repeat.

    Examples
    --------
    >>> from skdiffusion.metrics import vendi_score
    >>> real, fake = [[0], [1], [2], [3]], [[0], [0], [3], [3]]
    >>> round(vendi_score(real), 2), round(vendi_score(fake, reference=real), 2)
    (3.21, 1.98)
    """
    known, points = as_points(X if reference is None else reference, X)
    distances = pdist(known, "cityblock")
    width = (np.median(distances) or np.mean(distances)) if distances.any() else 1.0
    eigenvalues = np.linalg.eigvalsh(laplacian_kernel(points, gamma=1 / width))
    # entropy divides them by their sum, n_rows; rounding may leave some just below 0
    return float(np.exp(entropy(np.clip(eigenvalues, 0.0, None))))


def structural_similarity(real: Any, fake: Any, image_shape: Any, *, data_range=None) -> float:
    """Return the mean structural similarity (SSIM) of images that are rows, in pairs.

    Row by row, as for images that were denoised or completed: drawn ones have no partner. By
    scikit-image, which comes with ``skdiffusion[images]``, after Wang et al. (IEEE Trans. Image
    Processing, 2004), in windows of 7 pixels a side, or of what odd number smaller images hold.

    Parameters
    ----------
    real, fake : array-like or data frame of shape (n_rows, n_pixels)
        Numbers without gaps, so that ``row.reshape(image_shape)`` is an image.
    image_shape : tuple of int
        Height and width, at least 3, and the number of channels if there are any.
    data_range : float or None, default=None
        Largest minus smallest value of a pixel; None is that of the real rows.

    Returns
    -------
    similarity : float
        1 for equal images, about 0 for unrelated ones; at least -1.

    Raises
    ------
    ValueError
        If shapes or numbers of rows disagree, images are too small, or all real pixels are equal.

    Examples
    --------
    >>> from skdiffusion.metrics import structural_similarity
    >>> structural_similarity([[0, 1, 0, 1, 0, 1, 0, 1, 0]], [[0, 1, 0, 1, 0, 1, 0, 1, 0]], (3, 3))
    1.0
    """
    with needs("images", "Structural similarity needs scikit-image"):
        from skimage.metrics import structural_similarity as compare
    aligned, shape = align(real, fake), tuple(image_shape)
    real, fake = map(check_array, aligned.codes)
    check_consistent_length(real, fake)
    if aligned.is_category.any():
        raise ValueError("Pixels must be numbers; convert columns of other kinds, such as bool.")
    if len(shape) not in (2, 3) or np.prod(shape) != real.shape[1]:
        raise ValueError(f"{real.shape[1]} columns are no images of image_shape={shape}.")
    if (side := min(7, *shape[:2])) < 3:
        raise ValueError(f"Images need 3 pixels a side at least, got image_shape={shape}.")
    data_range = np.ptp(real) if data_range is None else data_range
    check_positive(data_range, "data_range")
    options = {"win_size": side - 1 + side % 2, "channel_axis": 2 if shape[2:] else None}
    pairs = zip(real.reshape(-1, *shape), fake.reshape(-1, *shape), strict=True)
    return float(np.mean([compare(*pair, data_range=data_range, **options) for pair in pairs]))


def _fit_encoder(encoder, real):
    """Return the function of rows that an encoder is or has, or that real points make for None."""
    if encoder is None:
        with np.errstate(invalid="ignore"):  # a variance of 0 has no shares
            pca = PCA(0.95).fit(real)
        back = pca.inverse_transform
        return lambda X: np.c_[(Z := pca.transform(X)), np.linalg.norm(X - back(Z), axis=1)]
    if not hasattr(encoder, "transform"):
        return encoder
    try:
        check_is_fitted(encoder)
    except NotFittedError:
        encoder = clone(encoder).fit(real)
    return encoder.transform


def _fit_gaussian(features):
    """Return the mean of features, and a root of their covariance ``root.T @ root``."""
    features = check_array(features, dtype=np.float64, ensure_min_samples=2)
    mean = features.mean(axis=0)
    return mean, np.linalg.qr((features - mean) / np.sqrt(len(features) - 1), mode="r")
