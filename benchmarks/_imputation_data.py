"""Tables with holes, for the imputation benchmark: frames, patterns of missing cells, scores."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from benchmarks._data import load_table

MAX_ROWS = 1000
DEVELOPMENT = [
    "airfoil_self_noise",
    "concrete_compression",
    "yacht_hydrodynamics",
    "breast_cancer_diagnostic",
    "glass",
    "pima",
    "abalone",
    "insurance",
]

# Pattern: (stream of random numbers, mechanism, share of missing cells).
PATTERNS = {"mcar20": (0, "mcar", 0.2), "mcar40": (1, "mcar", 0.4), "mar30": (2, "mar", 0.3)}


def load_frame(name, *, folder=None, max_rows=MAX_ROWS):
    """Load features and target of a table as one frame.

    Parameters
    ----------
    name : str
        A name that `benchmarks._data.load_table` knows.
    folder : path or None
        Folder of tables; None takes those that scikit-learn bundles.
    max_rows : int
        A longer table becomes a fixed subset, stratified by class.

    Returns
    -------
    name : str
        Name of the table, with its size where it is a subset.
    frame : DataFrame
        Numbers as floats, categories and class labels with a dtype of categories.
    """
    table = load_table(name, folder=folder, max_rows=max_rows)
    return table.name, as_frame(table.Z, {*table.Z_categorical, *table.binary}, table.Z)


def as_frame(Z, categorical, known=None):
    """Turn coded rows into a frame; `known` holds rows with every category there is."""
    known = Z if known is None else known
    columns = {}
    for j in range(Z.shape[1]):
        name = f"x{j}" if j < Z.shape[1] - 1 else "target"
        if j in categorical:
            levels = [f"{code:g}" for code in np.unique(known[:, j])]
            columns[name] = pd.Categorical([f"{code:g}" for code in Z[:, j]], levels)
        else:
            columns[name] = Z[:, j]
    return pd.DataFrame(columns)


def is_category(frame):
    """Return a boolean array, which columns are categories."""
    return np.array([isinstance(dtype, pd.CategoricalDtype) for dtype in frame.dtypes])


def to_codes(frame):
    """Return cells as numbers, categories as their positions and missing cells as NaN."""
    codes = [
        frame[name].cat.codes.astype(float).replace(-1, np.nan) if category else frame[name]
        for name, category in zip(frame.columns, is_category(frame), strict=True)
    ]
    return np.column_stack([np.asarray(column, dtype=float) for column in codes])


def from_codes(codes, like):
    """Return the frame of numbers as `to_codes` gives them, with the dtypes of another frame."""
    columns = {}
    for name, column, category in zip(like.columns, codes.T, is_category(like), strict=True):
        if category:
            column = pd.Categorical.from_codes(column.astype(int), dtype=like[name].dtype)
        columns[name] = column
    return pd.DataFrame(columns, index=like.index)


def missing_cells(frame, pattern, seed):
    """Choose the cells to remove.

    Completely at random (MCAR), each cell goes with the same probability. At random (MAR), a random
    third of the columns stays; in any other column a cell goes with the logistic of a random
    combination, of unit variance, of the cells that stay in its row, as in Muzellec et al. (ICML
    2020), with an offset that gives every such column the wanted share. In each row and each column
    at least one cell stays.

    Parameters
    ----------
    frame : DataFrame
        The complete table.
    pattern : str
        A name in `PATTERNS`.
    seed : int
        Seed of the pattern.

    Returns
    -------
    removed : ndarray of bool, shape of the frame
        True where a cell is to be removed.
    """
    stream, mechanism, rate = PATTERNS[pattern]
    rng = np.random.default_rng([stream, seed])
    probability = np.full(frame.shape, rate) if mechanism == "mcar" else _mar(frame, rate, rng)
    removed = rng.random(frame.shape) < probability
    for axis in (0, 1):
        lines = np.flatnonzero(removed.all(axis=axis))
        kept = rng.integers(frame.shape[axis], size=len(lines))
        removed[(kept, lines) if axis == 0 else (lines, kept)] = False
    return removed


def _mar(frame, rate, rng):
    """Probability that a cell goes, given the cells in the columns that stay."""
    n_columns = frame.shape[1]
    signals = to_codes(frame)
    for j in np.flatnonzero(is_category(frame)):
        # Positions of categories have no order: each category gets an effect of its own.
        effects = rng.normal(size=frame.iloc[:, j].cat.categories.size)
        signals[:, j] = effects[signals[:, j].astype(int)]
    signals = (signals - signals.mean(axis=0)) / np.maximum(signals.std(axis=0), 1e-12)
    stays = rng.permutation(n_columns)[: max(1, round(n_columns / 3))]
    probability = np.zeros(frame.shape)
    for j in np.setdiff1d(np.arange(n_columns), stays):
        logit = signals[:, stays] @ rng.normal(size=len(stays))
        logit /= max(logit.std(), 1e-12)
        offset = brentq(lambda b, logit=logit: expit(logit + b).mean() - rate, -50, 50)
        probability[:, j] = expit(logit + offset)
    return probability


@dataclass(frozen=True)
class Removed:
    """The cells that were removed from a frame, and how well they were given back.

    Attributes
    ----------
    complete : DataFrame
        The table before.
    removed : ndarray of bool
        Which cells were removed.
    """

    complete: pd.DataFrame
    removed: np.ndarray

    @property
    def incomplete(self):
        """The table with holes."""
        return self.complete.mask(self.removed)

    @property
    def spread(self):
        """Standard deviation of each numeric column of the complete table; NaN for categories."""
        numeric = ~is_category(self.complete)
        spread = np.full(len(numeric), np.nan)
        spread[numeric] = self.complete.loc[:, numeric].std(ddof=0)
        return spread

    def _cells(self, frame, category):
        """Removed cells of the numeric or the categorical columns, and their columns."""
        if not np.array_equal(frame.shape, self.complete.shape):
            raise ValueError(f"Imputed a table of shape {frame.shape}, not {self.complete.shape}.")
        codes = to_codes(frame)
        mask = self.removed & (is_category(self.complete) == category)
        if np.isnan(codes).any():
            raise ValueError(f"{np.isnan(codes).sum()} cells are still missing.")
        if not np.allclose(codes[~self.removed], to_codes(self.complete)[~self.removed]):
            raise ValueError("Observed cells were changed.")
        return codes[mask], np.nonzero(mask)[1]

    def judge_point(self, frame):
        """Return the errors of a completed table.

        Numbers are in standard deviations of their column. ``mean_error`` weighs the root of the
        mean squared error of numbers and the share of wrong categories by how many there are.
        """
        truth, columns = self._cells(self.complete, False)
        error = (self._cells(frame, False)[0] - truth) / self.spread[columns]
        wrong = self._cells(frame, True)[0] != self._cells(self.complete, True)[0]
        rmse = np.sqrt(np.mean(error**2)) if len(error) else np.nan
        rate = wrong.mean() if len(wrong) else np.nan
        total = np.nansum([len(error) * rmse, len(wrong) * rate])
        return {
            "n_num": len(error),
            "n_cat": len(wrong),
            "nrmse": float(rmse),
            "nmae": float(np.mean(np.abs(error))) if len(error) else np.nan,
            "cat_error": float(rate),
            "mean_error": float(total / (len(error) + len(wrong))),
        }

    def judge_draws(self, frames):
        """Return coverage and width of the range of the draws, and their CRPS, for numbers.

        The range of m draws covers a further draw of the same distribution with probability
        ``(m - 1) / (m + 1)``: 90.5 % for 20. CRPS is the unbiased estimate for a finite ensemble.
        """
        truth, columns = self._cells(self.complete, False)
        draws = np.sort([self._cells(frame, False)[0] for frame in frames], axis=0)
        spread = self.spread[columns]
        m = len(draws)
        inside = (draws[0] <= truth) & (truth <= draws[-1])
        # Sum of |a - b| over all pairs, from sorted values.
        weights = (2 * np.arange(1, m + 1) - m - 1)[:, None]
        gap = (weights * draws).sum(axis=0) / (m * (m - 1))
        crps = np.abs(draws - truth).mean(axis=0) - gap
        return {
            "coverage": float(inside.mean()),
            "width": float(np.mean((draws[-1] - draws[0]) / spread)),
            "crps": float(np.mean(crps / spread)),
        }
