"""Outliers and noise among the rows of `fit`."""

import numpy as np
from sklearn.base import clone

from skdiffusion._utils.checks import check_noise
from skdiffusion.geometry.nearest_rows import neighbor_graph

N_NEIGHBORS = 10


def inlier_rows(encoder, X, columns, contamination):
    """Return the rows, but a share of `contamination` that is farthest from their neighbours."""
    n = len(X)
    if n < 2:
        return np.arange(n)
    # features by ranks would hide how far a cell is from all others
    encoder = clone(encoder).set_params(numeric_transform="standard", missing_indicator=False)
    Z = np.nan_to_num(encoder.fit_columns(X, columns).encode_columns(columns))
    if Z.shape[1] == 0:
        # only constants, none of them farther off than others
        return np.arange(n)
    distance = neighbor_graph(Z, min(N_NEIGHBORS, n - 1))[0][:, -1]
    n_kept = max(n - round(contamination * n), 2)
    return np.sort(np.argsort(distance, kind="stable")[:n_kept])


def encoded_noise(data_noise, encoder, columns, coupling):
    """Return the noise of each encoded feature: None, "auto" or (d,); raise if it cannot be."""
    is_auto = isinstance(data_noise, str)
    if not is_auto and not check_noise(data_noise, len(columns)).any():
        return None
    kinds = zip(encoder.kinds_, encoder.transforms_, strict=True)
    kinds = {kind for kind, transform in kinds if transform != "constant"}
    if coupling == "latent" or kinds != {"continuous"}:
        raise ValueError(
            "data_noise needs rows of continuous numbers, whose features are their own: it goes "
            "with neither categories or whole numbers nor coupling='latent'."
        )
    if is_auto:
        return data_noise
    # cells may be missing
    return np.nanmedian(encoder.encoded_noise(columns, data_noise), axis=0)
