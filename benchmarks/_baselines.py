"""Baselines without a neural network: copies, SMOTE, kernel density, Gaussian mixture.

Every method is a function ``fit(train, seed)`` that returns a function ``sample(n, seed)``, which
returns `n` rows of ``train.Z``. The two halves are timed apart.
"""

import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state


class RowCoder:
    """Code numeric columns by a transformer and categories one-hot; decode by the largest entry.

    Parameters
    ----------
    numeric, categorical : sequence of int
        Columns to code; all others are dropped.
    numeric_transform : transformer, default=StandardScaler()
        Fitted on the numeric columns.
    centre : bool, default=True
        Subtract from the one-hot columns their means.
    """

    def __init__(self, numeric, categorical, *, numeric_transform=None, centre=True):
        self.numeric = list(numeric)
        self.categorical = list(categorical)
        self.numeric_transform = numeric_transform or StandardScaler()
        self.centre = centre

    def fit_transform(self, Z):
        """Return coded rows: numeric columns first, then one block for each categorical one."""
        blocks = []
        if self.numeric:
            blocks.append(self.numeric_transform.fit_transform(Z[:, self.numeric]))
        self.levels = [np.unique(Z[:, j]) for j in self.categorical]
        self.means = []
        for j, levels in zip(self.categorical, self.levels, strict=True):
            one_hot = (Z[:, [j]] == levels).astype(float)
            self.means.append(one_hot.mean(axis=0) * self.centre)
            blocks.append(one_hot - self.means[-1])
        return np.hstack(blocks)

    @property
    def n_levels(self):
        """Number of categories of each categorical column."""
        return [len(levels) for levels in self.levels]

    def inverse_transform(self, rows, out):
        """Write decoded rows into the columns of `out`, and return it."""
        n_numeric = len(self.numeric)
        if n_numeric:
            out[:, self.numeric] = self.numeric_transform.inverse_transform(rows[:, :n_numeric])
        stops = n_numeric + np.cumsum(self.n_levels, dtype=int)
        for j, levels, mean, stop in zip(
            self.categorical, self.levels, self.means, stops, strict=True
        ):
            block = rows[:, stop - len(levels) : stop] + mean
            out[:, j] = levels[block.argmax(axis=1)]
        return out


def feature_coder(train):
    """Code all columns but a class label."""
    return RowCoder(train.Z_numeric, train.categorical)


def apportion(counts, n):
    """Share n rows in proportion to counts, by largest remainder."""
    quota = np.asarray(counts) * n / np.sum(counts)
    rows = np.floor(quota).astype(int)
    rows[np.argsort(rows - quota, kind="stable")[: n - rows.sum()]] += 1
    return rows


def class_labels(train, n):
    """Return n labels with the class shares of the training rows, in sorted order."""
    labels, counts = np.unique(train.y, return_counts=True)
    return np.repeat(labels, apportion(counts, n))


def copy_train(train, seed):
    """Training rows as they are: what a perfect copier scores, and a fresh real sample nearly."""

    def sample(n, seed):
        rng = check_random_state(seed)
        return train.Z[np.resize(rng.permutation(len(train.Z)), n)]

    return sample


def smote(train, seed, k=5):
    """Interpolate between neighbours of one class.

    Chawla et al., JAIR 16, 2002, in imbalanced-learn's versions for numeric, mixed and nominal
    columns. A regression target becomes a feature, and whether it exceeds its median the class, as
    Kotelnikov et al. (ICML 2023) do.
    """
    if train.is_classification:
        Z, groups = train.X, train.y
    else:
        Z, groups = train.Z, train.y > np.median(train.y)
    labels, members = np.unique(groups, return_inverse=True)
    numeric = [j for j in range(Z.shape[1]) if j not in train.categorical]
    mean, spread = np.zeros(Z.shape[1]), np.ones(Z.shape[1])
    mean[numeric], spread[numeric] = Z[:, numeric].mean(axis=0), Z[:, numeric].std(axis=0)
    spread[spread == 0] = 1
    Z = (Z - mean) / spread

    def sample(n, seed):
        counts = apportion(np.bincount(members), n)
        parts = [_smote_class(train, Z, members, c, m, seed, k) for c, m in enumerate(counts)]
        rows = np.vstack(parts) * spread + mean
        if not train.is_classification:
            return rows
        return np.column_stack([rows, np.repeat(labels, counts)])

    return sample


def _smote_class(train, Z, members, c, n, seed, k):
    from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC

    own = members == c
    if own.sum() < 2 or n == 0:
        return np.resize(Z[own], (n, Z.shape[1]))
    options = {
        "sampling_strategy": {int(c): int(own.sum() + n)},
        "k_neighbors": min(k, own.sum() - 1),
        "random_state": seed,
    }
    if not train.categorical:
        sampler = SMOTE(**options)
    elif len(train.categorical) == Z.shape[1]:
        sampler = SMOTEN(**options)
    else:
        sampler = SMOTENC(list(train.categorical), **options)
    # The new rows come after the old ones.
    return sampler.fit_resample(Z, members)[0][len(Z) :]


def kde(train, seed):
    """Gaussian kernel density per class, bandwidth by 5-fold cross-validated likelihood."""

    def fit(rows):
        if len(rows) < 2:
            return KernelDensity(bandwidth=0.1).fit(rows)
        bandwidths = {"bandwidth": np.geomspace(0.01, 2, 20)}
        search = GridSearchCV(KernelDensity(), bandwidths, cv=min(5, len(rows)))
        return search.fit(rows).best_estimator_

    return _per_class(train, fit, lambda model, n, seed: model.sample(n, random_state=seed))


def gmm(train, seed):
    """Gaussian mixture per class; components and covariance type by BIC."""

    def fit(rows):
        if len(rows) < 2:
            return KernelDensity(bandwidth=0.1).fit(rows)
        # With less regularisation, BIC prefers components that collapse on a few rows.
        models = [
            GaussianMixture(k, covariance_type=kind, reg_covar=1e-4, random_state=seed).fit(rows)
            for kind in ("full", "diag")
            for k in (1, 2, 4, 8, 16, 32)
            if k <= len(rows) // 2
        ]
        return min(models, key=lambda model: model.bic(rows))

    def draw(model, n, seed):
        if isinstance(model, KernelDensity):
            return model.sample(n, random_state=seed)
        return model.set_params(random_state=seed).sample(n)[0]

    return _per_class(train, fit, draw)


def _per_class(train, fit, draw):
    """Fit one density per class (one in all for regression) on coded rows."""
    coder = feature_coder(train)
    rows = coder.fit_transform(train.Z)
    groups = train.y if train.is_classification else np.zeros(len(train.y))
    labels, counts = np.unique(groups, return_counts=True)
    models = [fit(rows[groups == label]) for label in labels]

    def sample(n, seed):
        parts = []
        for model, label, m in zip(models, labels, apportion(counts, n), strict=True):
            if m:
                # The last column keeps the class; a regression target is decoded over it.
                out = np.full((m, train.X.shape[1] + 1), label)
                parts.append(coder.inverse_transform(draw(model, m, seed), out))
        return np.vstack(parts)

    return sample
