"""Generators of tables that need a package of their own: sequential CART and vine copulas.

As in `benchmarks._baselines`, a method is ``fit(train, seed) -> sample`` with
``sample(n, seed) -> Z``.
"""

import numpy as np
import pandas as pd

from benchmarks._baselines import apportion


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


def cart(train, seed):
    """Sequential CART of the package synthpop-py, columns in order and the target last.

    Nowok, Raab and Dibben, "synthpop: Bespoke creation of synthetic data in R", JSS 74, 2016: each
    column is drawn from the observed rows in a leaf of a tree that splits by the columns before it.
    """
    from synthpop import Synthesiser

    model = Synthesiser(random_seed=seed).fit(to_frame(train))
    return lambda n, seed: to_rows(model.generate(n, random_seed=seed))


def vine(train, seed):
    """Vine copula with kernel margins of pyvinecopulib, one for each class.

    Nagler and Vatter's defaults: nonparametric pair copulas, and margins by local likelihood.
    Categories are taken in the order of their codes: a column for each is worse (C2ST on insurance
    .62, so .55), and takes more than six minutes on shoppers, so one and a half.
    """
    frame = to_frame(train)
    groups = train.y if train.is_classification else np.zeros(len(train.y))
    if train.is_classification:
        frame = frame.drop(columns="target")
    labels, counts = np.unique(groups, return_counts=True)
    models = [_Vine(frame[groups == label], seed) for label in labels]

    def sample(n, seed):
        counts_drawn = apportion(counts, n)
        parts = [model.sample(m, seed) for model, m in zip(models, counts_drawn, strict=True) if m]
        rows = np.vstack(parts)
        if not train.is_classification:
            return rows
        return np.column_stack([rows, np.repeat(labels, counts_drawn)])

    return sample


class _Vine:
    """Vine copula of the columns of a frame that are not constant."""

    def __init__(self, frame, seed):
        from pyvinecopulib.sklearn import VineDensity

        self.constant = to_rows(frame.iloc[:1])
        self.varying = np.flatnonzero(frame.nunique() > 1)
        self.levels = {}
        kept = frame.iloc[:, self.varying].copy()
        for i, name in enumerate(kept):
            if isinstance(kept[name].dtype, pd.CategoricalDtype):
                self.levels[i], codes = np.unique(kept[name].astype(float), return_inverse=True)
                kept[name] = pd.Categorical(codes, ordered=True)
        self.model = VineDensity(random_state=seed).fit(kept) if len(self.varying) else None

    def sample(self, n, seed):
        rows = np.repeat(self.constant, n, axis=0)
        if self.model is not None:
            drawn = self.model.sample(n, random_state=seed)
            for i, levels in self.levels.items():
                drawn[:, i] = levels[drawn[:, i].round().astype(int).clip(0, len(levels) - 1)]
            rows[:, self.varying] = drawn
        return rows
