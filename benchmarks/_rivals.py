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
    Categories become columns of 0 and 1, of which the first that is drawn as 1 counts.
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

        self.frame = frame
        self.varying = [name for name in frame if frame[name].nunique() > 1]
        kept = frame[self.varying].copy()
        self.levels = {}
        for name in self.varying:
            if isinstance(kept[name].dtype, pd.CategoricalDtype):
                kept[name] = kept[name].cat.remove_unused_categories()
                self.levels[name] = kept[name].cat.categories.astype(float)
        self.model = VineDensity(random_state=seed).fit(kept) if self.varying else None

    def sample(self, n, seed):
        rows = np.tile(to_rows(self.frame.iloc[:1]), (n, 1))
        if self.model is None:
            return rows
        drawn, start = self.model.sample(n, random_state=seed), 0
        for name in self.varying:
            j = self.frame.columns.get_loc(name)
            if name in self.levels:
                levels = self.levels[name]
                ones = drawn[:, start : start + len(levels) - 1]
                block = np.column_stack([np.full(n, 0.5), ones])
                rows[:, j] = levels.to_numpy()[block.argmax(axis=1)]
                start += len(levels) - 1
            else:
                rows[:, j] = drawn[:, start]
                start += 1
        return rows
