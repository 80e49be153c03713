"""Imputers to compare with: mean, neighbours, chained regressions, forests.

Every method is a function ``impute(frame, seed)`` of a frame with missing cells. It returns the
completed frame, and a function ``draw(n)`` that returns `n` completed frames drawn at random, or
None where the method has no such draws.
"""

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.linear_model import BayesianRidge

from benchmarks._imputation_data import from_codes, is_category, to_codes


class FrameCoder:
    """Standardise numbers and code categories by indicator columns; missing cells become NaN.

    Parameters
    ----------
    frame : DataFrame
        Its observed cells give means, standard deviations and categories.
    drop_first : bool, default=False
        Leave out the first category, as chained regressions need: of two columns of which each is
        one minus the other, both missing, a regression would only give back the first guess.
    """

    def __init__(self, frame, *, drop_first=False):
        self.frame = frame
        self.drop_first = drop_first
        self.categories = is_category(frame)
        codes = to_codes(frame)
        self.mean = np.nanmean(codes, axis=0)
        self.spread = np.nanstd(codes, axis=0)
        self.spread[self.spread == 0] = 1
        # Categories without an observed cell have no indicator: nobody could impute them.
        self.levels = [np.unique(column[~np.isnan(column)]) for column in codes.T]

    def encode(self):
        """Return the coded frame."""
        blocks = []
        for j, column in enumerate(to_codes(self.frame).T):
            if self.categories[j]:
                block = (column[:, None] == self.levels[j]).astype(float)
                block[np.isnan(column)] = np.nan
                blocks.append(block[:, int(self.drop_first) :])
            else:
                blocks.append(((column - self.mean[j]) / self.spread[j])[:, None])
        return np.hstack(blocks)

    def decode(self, coded):
        """Return a frame from completed codes: the observed cells, and the decoded others."""
        codes = to_codes(self.frame)
        start = 0
        for j, levels in enumerate(self.levels):
            if not self.categories[j]:
                column = coded[:, start] * self.spread[j] + self.mean[j]
                start += 1
            else:
                width = len(levels) - int(self.drop_first)
                block = coded[:, start : start + width]
                if self.drop_first:
                    block = np.column_stack([1 - block.sum(axis=1), block])
                column = levels[block.argmax(axis=1)]
                start += width
            codes[:, j] = np.where(np.isnan(codes[:, j]), column, codes[:, j])
        return from_codes(codes, self.frame)


def mean_mode(frame, seed):
    """Mean or most frequent category; draws are observed cells of the column, at random."""
    codes = to_codes(frame)

    def draw(n):
        rng = np.random.default_rng(seed)
        frames = []
        for _ in range(n):
            drawn = codes.copy()
            for column in drawn.T:
                gaps = np.isnan(column)
                column[gaps] = rng.choice(column[~gaps], gaps.sum())
            frames.append(from_codes(drawn, frame))
        return frames

    return from_codes(_guess(codes, is_category(frame)), frame), draw


def _guess(codes, categories):
    """Fill with the mean, or with the most frequent code."""
    filled = codes.copy()
    for column, category in zip(filled.T, categories, strict=True):
        gaps = np.isnan(column)
        if category:
            column[gaps] = np.bincount(column[~gaps].astype(int)).argmax()
        else:
            column[gaps] = column[~gaps].mean()
    return filled


def neighbours(frame, seed, k=5):
    """Mean of the 5 nearest rows that have the cell, on standardised and one-hot columns."""
    coder = FrameCoder(frame)
    return coder.decode(KNNImputer(n_neighbors=k).fit_transform(coder.encode())), None


def iterative(frame, seed):
    """Chained Bayesian ridge regressions, scikit-learn's defaults."""
    coder = FrameCoder(frame, drop_first=True)
    imputer = IterativeImputer(BayesianRidge(), random_state=seed)
    return coder.decode(imputer.fit_transform(coder.encode())), None


def mice(frame, seed, n_chains=20):
    """The same with draws from the posterior predictive, 20 chains; their mean is the point."""
    coder = FrameCoder(frame, drop_first=True)
    codes = coder.encode()

    def chain(i):
        state = np.random.RandomState([seed, i])
        imputer = IterativeImputer(BayesianRidge(), sample_posterior=True, random_state=state)
        return imputer.fit_transform(codes)

    chains = [chain(i) for i in range(n_chains)]

    def draw(n):
        return [coder.decode(chains[i] if i < n_chains else chain(i)) for i in range(n)]

    return coder.decode(np.mean(chains, axis=0)), draw


def miss_forest(frame, seed, n_trees=100, max_iter=6):
    """MissForest: a forest for each column on all others, in rounds, until changes grow.

    Stekhoven and Buehlmann, Bioinformatics 28(1), 2012, algorithm 1, with the settings of their
    package: 100 trees, the root of the number of columns tried at a split, regression trees that
    do not split 5 rows or fewer. Columns come in order of increasing missingness. The rounds stop
    when the change shrinks for no type of column that has gaps, and the round before counts.
    """
    categories = is_category(frame)
    observed = to_codes(frame)
    gaps = np.isnan(observed)
    filled = _guess(observed, categories)
    order = [j for j in np.argsort(gaps.sum(axis=0), kind="stable") if gaps[:, j].any()]
    last = None
    for iteration in range(max_iter):
        before = filled.copy()
        for j in order:
            others = np.delete(filled, j, axis=1)
            known = ~gaps[:, j]
            forest = _forest(categories[j], n_trees, (seed, iteration, j))
            forest.fit(others[known], observed[known, j])
            filled[~known, j] = forest.predict(others[~known])
        change = _change(before, filled, gaps, categories)
        if last is not None and all(new >= old for new, old in zip(change, last, strict=True)):
            return from_codes(before, frame), None
        last = change
    return from_codes(filled, frame), None


def _forest(category, n_trees, entropy):
    state = np.random.RandomState(entropy)
    options = {"n_estimators": n_trees, "max_features": "sqrt", "random_state": state}
    if category:
        return RandomForestClassifier(**options)
    return RandomForestRegressor(min_samples_split=6, **options)


def _change(before, after, gaps, categories):
    """Relative squared change of the numbers, and share of changed categories, where any."""
    numbers, labels = gaps & ~categories, gaps & categories
    change = []
    if numbers.any():
        squares = np.sum((after[:, ~categories] - before[:, ~categories]) ** 2)
        change.append(squares / np.sum(after[:, ~categories] ** 2))
    if labels.any():
        change.append(np.mean(after[labels] != before[labels]))
    return change


def ours(frame, seed, **net_params):
    """DiffusionImputer with its defaults, unless its net is given other parameters."""
    from skdiffusion import DenoiserNet, DiffusionImputer, DiffusionManifoldSampler

    params = {}
    if net_params:
        sampler = DiffusionManifoldSampler(denoiser=DenoiserNet(**net_params))
        params = {"sampler": sampler, "n_models": 1, "n_draws": 8}
    imputer = DiffusionImputer(strategy="mean", random_state=seed, **params).fit(frame)

    def draw(n):
        frames = imputer.sample_imputations(frame, n, random_state=seed)
        return [drawn.astype(frame.dtypes) for drawn in frames]

    return imputer.transform(frame).astype(frame.dtypes), draw


METHODS = {
    "mean": mean_mode,
    "knn": neighbours,
    "iterative": iterative,
    "mice": mice,
    "missforest": miss_forest,
    "ours": ours,
}
ABOUT = {
    "mean": "mean of the column, or its most frequent category; its draws are observed cells",
    "knn": "`KNNImputer(5)` on standardised columns, categories one-hot",
    "iterative": "`IterativeImputer` of Bayesian ridge regressions, categories one-hot",
    "mice": "the same with draws from the posterior predictive; the mean of 20 chains",
    "missforest": "MissForest, 100 trees, at most 6 rounds",
    "ours": '`DiffusionImputer(strategy="mean")` with its defaults',
}
