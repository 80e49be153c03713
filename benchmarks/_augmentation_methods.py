"""What makes synthetic rows in the augmentation benchmark, and what is trained on them."""

import warnings

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdiffusion import DenoiserNet, DiffusionManifoldSampler, TableEncoder
from skdiffusion._oversampler import DiffusionOversampler

OURS = {
    "ours": {},
    "ours, fresh rows": {"sigma": None},
}


class SharedSampler(DiffusionManifoldSampler):
    """A sampler that is fitted once for the same rows and the same seed.

    Several methods and several classifiers meet the same training rows; what they get is what they
    would have got by a fit of their own.
    """

    _fitted = {}  # noqa: RUF012, shared on purpose

    def fit(self, X, y=None):
        known = self.__dict__ | {"denoiser": repr(self.denoiser)}
        key = (X.tobytes(), np.asarray(y).tobytes(), repr(sorted(known.items(), key=str)))
        if key not in self._fitted:
            parameters = set(self.get_params(deep=False))
            super().fit(X, y)
            state = {k: v for k, v in self.__dict__.items() if k not in parameters}
            self._fitted[key] = state
        self.__dict__.update(self._fitted[key])
        return self

    @classmethod
    def forget(cls):
        """Free the fitted models."""
        cls._fitted.clear()


def sampler_for(table, *, quick=False):
    """Return the unfitted sampler with its defaults, or a hasty one."""
    categorical = sorted({*table.categorical, *table.binary})
    net = DenoiserNet(max_epochs=2, steps_per_epoch=10) if quick else None
    encoder = TableEncoder(categorical_features=categorical or None)
    return SharedSampler(encoder=encoder, denoiser=net)


def encoder(table, *, scale):
    """Return the coding that all classifiers see: one-hot categories, and numbers."""
    numeric = [j for j in range(table.X.shape[1]) if j not in table.categorical]
    parts = []
    if table.categorical:
        one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        parts.append((one_hot, list(table.categorical)))
    if numeric:
        parts.append((StandardScaler() if scale else "passthrough", numeric))
    return make_column_transformer(*parts)


def learners(table, seed):
    """Return the classifiers or regressors, each behind the coding of its columns."""
    if table.is_classification:
        models = {
            "logistic": LogisticRegression(max_iter=1000),
            "forest": RandomForestClassifier(random_state=seed),
            "boosting": HistGradientBoostingClassifier(random_state=seed),
        }
    else:
        models = {
            "ridge": Ridge(),
            "forest": RandomForestRegressor(random_state=seed, min_samples_leaf=3),
            "boosting": HistGradientBoostingRegressor(random_state=seed),
        }
    scaled = {"logistic", "ridge"}
    return {k: make_pipeline(encoder(table, scale=k in scaled), m) for k, m in models.items()}


def resample_classes(method, train, y, seed, *, quick=False):
    """Oversample the classes of a table to equal size.

    Distances of imbalanced-learn's methods are in standard deviations, with as many neighbours as
    the smallest class allows, at most five. Borderline SMOTE and ADASYN have no version for
    categories and are SMOTENC or SMOTEN there; ADASYN is SMOTE where it finds no row to start from.
    """
    if method == "none":
        return train.X, y
    if method in OURS:
        oversampler = DiffusionOversampler(
            sampler=sampler_for(train, quick=quick), random_state=seed, **OURS[method]
        )
        return oversampler.fit_resample(train.X, y)
    numeric = [j for j in range(train.X.shape[1]) if j not in train.categorical]
    mean, std = np.zeros(train.X.shape[1]), np.ones(train.X.shape[1])
    mean[numeric], std[numeric] = train.X[:, numeric].mean(axis=0), train.X[:, numeric].std(axis=0)
    std[std == 0] = 1.0
    Z = (train.X - mean) / std
    oversampler = _rival(method, train.categorical, Z.shape[1], y, seed)
    try:
        Z, y = oversampler.fit_resample(Z, y)
    except (RuntimeError, ValueError):
        if method != "adasyn":
            raise
        Z, y = _rival("smote", train.categorical, Z.shape[1], y, seed).fit_resample(Z, y)
    return Z * std + mean, y


def _rival(method, categorical, n_columns, y, seed):
    from imblearn import over_sampling as methods

    if method == "random":
        return methods.RandomOverSampler(random_state=seed)
    n_neighbors = min(5, np.bincount(y).min() - 1)
    options = {"k_neighbors": n_neighbors, "random_state": seed}
    if len(categorical) == n_columns:
        return methods.SMOTEN(**options)
    if categorical:
        return methods.SMOTENC(list(categorical), **options)
    if method == "adasyn":
        return methods.ADASYN(n_neighbors=n_neighbors, random_state=seed)
    return {"smote": methods.SMOTE, "borderline": methods.BorderlineSMOTE}[method](**options)


def resample_numbers(method, train, rare, share, seed, *, quick=False):
    """Add synthetic rows of rare numeric targets.

    Parameters
    ----------
    method : {"none", "random", "smoter"} or a key of `OURS`
    train : Table
    rare : ndarray of bool
        Which rows are rare.
    share : float
        Number of synthetic rows, as a share of the rows.
    seed : int

    Returns
    -------
    X, y : ndarray
        Real and synthetic rows.
    """
    if method == "none":
        return train.X, train.y
    if method in OURS:
        limit = train.y[rare].min()
        oversampler = DiffusionOversampler(
            sampler=sampler_for(train, quick=quick),
            sampling_strategy=share,
            target="continuous",
            relevance=lambda y: (y >= limit).astype(float),
            random_state=seed,
            **OURS[method],
        )
        return oversampler.fit_resample(train.X, train.y)
    from imblearn.over_sampling import SMOTE, SMOTENC, RandomOverSampler

    # neighbours among the rare rows, whose target is interpolated like a column
    counts = {1: int(rare.sum()) + round(share * len(rare))}
    options = {"sampling_strategy": counts, "random_state": seed}
    Z = train.Z
    numeric = [j for j in range(Z.shape[1]) if j not in train.categorical]
    mean, std = np.zeros(Z.shape[1]), np.ones(Z.shape[1])
    mean[numeric], std[numeric] = Z[:, numeric].mean(axis=0), Z[:, numeric].std(axis=0)
    std[std == 0] = 1.0
    if method == "random":
        oversampler = RandomOverSampler(**options)
    elif train.categorical:
        oversampler = SMOTENC(list(train.categorical), **options)
    else:
        oversampler = SMOTE(**options)
    with warnings.catch_warnings():
        # the rare rows may well become the majority
        warnings.simplefilter("ignore", UserWarning)
        Z, _ = oversampler.fit_resample((Z - mean) / std, rare.astype(int))
    Z = Z * std + mean
    return Z[:, :-1], Z[:, -1]
