"""Noise and outliers in the rows of `fit`."""

from numbers import Real

import numpy as np
from sklearn.neighbors import NearestNeighbors

from skdiffusion.geometry import noise_level

__all__ = ["codes_of_noise", "nearest_rows", "read_noise"]

N_NEIGHBORS = 10
# for estimating the noise
MAX_ROWS = 2000


def nearest_rows(Z, contamination):
    """Return the rows that are not far from their neighbours, in their order.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Codes.
    contamination : float
        Share of the rows to leave out.

    Returns
    -------
    ndarray of int
        Positions of the rows to keep.
    """
    neighbors = NearestNeighbors(n_neighbors=min(N_NEIGHBORS, len(Z) - 1)).fit(Z)
    distance = neighbors.kneighbors()[0][:, -1]
    n_kept = len(Z) - round(contamination * len(Z))
    return np.sort(np.argsort(distance, kind="stable")[: max(n_kept, 2)])


def read_noise(data_noise, encoder, X, coupling, codes):
    """Return the noise of each code of rows.

    Parameters
    ----------
    data_noise : float, array-like or "auto"
        As in :class:`~skdiffusion.DiffusionManifoldSampler`.
    encoder : TableEncoder
        The fitted coding.
    X : ndarray or data frame
        The rows of `fit`.
    coupling : Coupling
        What was decided about the manifold.
    codes : ndarray of shape (n, d)
        Codes of the rows, and of the target behind them.

    Returns
    -------
    ndarray of shape (n_codes,)
        Standard deviations, zero for codes without noise.

    Raises
    ------
    ValueError
        If the noise is negative or not finite, or the columns cannot have any.
    """
    noise = np.zeros(encoder.n_codes_)
    if isinstance(data_noise, Real) and data_noise == 0:
        return noise
    if coupling.name in ("latent", "hierarchical") or set(encoder.kinds_) != {"continuous"}:
        raise ValueError(
            "data_noise needs rows of continuous numbers, whose codes are their own: it goes with "
            "neither categories or whole numbers nor coupling='latent' or 'hierarchical'."
        )
    if isinstance(data_noise, str):
        if data_noise != "auto":
            raise ValueError(f"data_noise must be 'auto' or numbers, got {data_noise!r}.")
        noise[:] = noise_level(codes[:MAX_ROWS, : len(noise)], dimension=coupling.dimension)
        return noise
    # cells may be missing
    return np.nanmedian(codes_of_noise(data_noise, encoder, X), axis=0)


def codes_of_noise(noise, encoder, X):
    """Return what noise in the units of the columns is in the codes of rows.

    Parameters
    ----------
    noise : float or array-like of shape (n_features,)
        Standard deviations, in the units of the columns.
    encoder : TableEncoder
        The fitted coding.
    X : ndarray or data frame of shape (n, n_features)
        Rows of numbers.

    Returns
    -------
    ndarray of shape (n, n_codes)
        Standard deviations.

    Raises
    ------
    ValueError
        If the noise is negative or not finite, or of another shape.
    """
    noise = np.asarray(noise, dtype=np.float64)
    if noise.shape not in ((), (encoder.n_features_in_,)):
        raise ValueError(
            f"Noise is one number or one for each of {encoder.n_features_in_} columns, got shape "
            f"{noise.shape}."
        )
    if not (np.isfinite(noise).all() and (noise >= 0).all()):
        raise ValueError(f"Noise must be finite and not negative, got {noise}.")
    rows = np.asarray(X, dtype=np.float64)
    ends = []
    for side in (-1, 1):
        moved = rows + side * noise / 2
        ends.append(encoder.transform(encoder.format_.assemble([*moved.T], len(moved))))
    return np.abs(ends[1] - ends[0])
