"""Generators of mixed tables to compare with, and ours on frames with categories.

Every method is a function ``fit(train, seed)`` that returns a function ``sample(n)``, which returns
`n` rows of ``train.Z``, as in `benchmarks._baselines`.
"""

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri


def to_frame(train):
    """Features and target as a frame: numbers as floats, categories as text of a category dtype."""
    categorical = {*train.Z_categorical, *train.binary}
    names = [*(f"x{j}" for j in range(train.X.shape[1])), "target"]
    columns = dict(zip(names, train.Z.T, strict=True))
    for j in categorical:
        columns[names[j]] = pd.Categorical([f"{code:g}" for code in columns[names[j]]])
    return pd.DataFrame(columns)


def to_rows(frame):
    """Return the coded rows of a frame such as `to_frame` makes."""
    return np.column_stack([np.asarray(frame[name], dtype=float) for name in frame.columns])


def snapped(fit):
    """Let a method return the values of the training rows without the noise of rounding.

    A value within 1e-9 of the range of its column from a training value becomes that value.
    Otherwise a spike that comes back as 1e-17 instead of 0 would tell all generated rows apart.
    """

    def fit_snapped(train, seed):
        sample = fit(train, seed)

        def sample_snapped(n):
            rows = np.array(sample(n), dtype=float)
            for column, known in zip(rows.T, train.Z.T, strict=True):
                known = np.unique(known)
                right = np.searchsorted(known, column).clip(0, len(known) - 1)
                left = (right - 1).clip(0)
                nearer = np.abs(known[left] - column) < np.abs(known[right] - column)
                near = known[np.where(nearer, left, right)]
                same = np.abs(near - column) <= 1e-9 * np.ptp(known)
                column[same] = near[same]
            return rows

        return sample_snapped

    return fit_snapped


def gaussian_copula(train, seed):
    """Gaussian copula with empirical marginals.

    A number becomes its rank, ties in random order; a category is an interval as long as its share,
    the most frequent first, with a random point inside, as in the Synthetic Data Vault (Patki et
    al., 2016). Normal scores of these give the correlations; quantiles of the training rows,
    interpolated between neighbours, lead back.
    """
    rng = np.random.default_rng(seed)
    categorical = {*train.Z_categorical, *train.binary}
    n_rows = len(train.Z)
    uniform = np.empty_like(train.Z)
    back = []
    for j, column in enumerate(train.Z.T):
        if j in categorical:
            levels, position, counts = np.unique(column, return_inverse=True, return_counts=True)
            order = np.argsort(-counts, kind="stable")
            edges = np.concatenate([[0.0], np.cumsum(counts[order]) / n_rows])
            place = np.argsort(order)[position]
            uniform[:, j] = edges[place] + rng.random(n_rows) * np.diff(edges)[place]
            back.append((edges[1:-1], levels[order]))
        else:
            rank = np.empty(n_rows)
            rank[np.lexsort([rng.random(n_rows), column])] = np.arange(n_rows)
            uniform[:, j] = (rank + 0.5) / n_rows
            back.append((None, np.sort(column)))
    correlation = np.corrcoef(ndtri(uniform), rowvar=False)

    def sample(n):
        draw = np.random.default_rng([seed, 1])
        mean = np.zeros(len(correlation))
        u = ndtr(draw.multivariate_normal(mean, correlation, size=n, method="eigh"))
        columns = []
        for v, (edges, values) in zip(u.T, back, strict=True):
            if edges is None:
                columns.append(np.quantile(values, v, method="hazen"))
            else:
                columns.append(values[np.searchsorted(edges, v)])
        return np.column_stack(columns)

    return sample


def tvae(train, seed, epochs=300):
    """TVAE (Xu et al., NeurIPS 2019) with the defaults of the package ctgan."""
    from ctgan import TVAE

    frame = to_frame(train)
    discrete = [name for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    model = TVAE(epochs=epochs, cuda=False)
    model.set_random_state(seed)
    model.fit(frame.astype(dict.fromkeys(discrete, str)), discrete)
    return lambda n: to_rows(model.sample(n)[frame.columns])


def ours(train, seed, **net_params):
    """DiffusionManifoldSampler with its defaults, unless its net is given other parameters."""
    from skdiffusion import DenoiserNet, DiffusionManifoldSampler

    model = DiffusionManifoldSampler(
        denoiser=DenoiserNet(**net_params) if net_params else None,
        target="categorical" if train.is_classification else "continuous",
        random_state=seed,
    )
    model.fit(
        to_frame(train).drop(columns="target"),
        train.y.astype(int) if train.is_classification else train.y,
    )

    def sample(n):
        X, y = model.sample(n, return_y=True, random_state=seed)
        return np.column_stack([to_rows(X), y])

    return sample
