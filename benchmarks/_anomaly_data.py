"""Sets with known anomalies, the protocols that split them, and synthetic rows with a known truth.

An ADBench set is an ``.npz`` file with `X` and `y` (1: anomaly). A protocol makes of it the rows to
train on and the rows to score, on standardised columns.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn import datasets
from sklearn.preprocessing import StandardScaler

from benchmarks._data import DATA_VARIABLE

ANOMALY_DATA_VARIABLE = "SKDIFFUSION_ANOMALY_DATA"
SIBLING = "anomaly"  # the folder beside that of the tables
MAX_ROWS = 50_000
BOOTSTRAP_BELOW = 1000


@dataclass(frozen=True)
class AnomalySet:
    """Rows `X` with `y`, True for the anomalies."""

    name: str
    X: np.ndarray
    y: np.ndarray

    def take(self, rows):
        """Return some of the rows, in the order given."""
        return AnomalySet(self.name, self.X[rows], self.y[rows])

    def at_most(self, n_rows, rng):
        """Return the set, or a random subset where it has more than `n_rows` rows."""
        if len(self.X) <= n_rows:
            return self
        return self.take(rng.choice(len(self.X), n_rows, replace=False))


# --- where the sets are --------------------------------------------------------------------------


def anomaly_folder(folder=None):
    """Return the folder of sets: the one given, $SKDIFFUSION_ANOMALY_DATA, the tables' sibling.

    None where there is none of the three: the sets are then made from tables that scikit-learn
    bundles.
    """
    folder = folder or os.environ.get(ANOMALY_DATA_VARIABLE)
    if folder is None and os.environ.get(DATA_VARIABLE):
        sibling = Path(os.environ[DATA_VARIABLE]).resolve().parent / SIBLING
        folder = sibling if sibling.is_dir() else None
    if folder is None:
        return None
    folder = Path(folder)
    if not any(folder.glob("*.npz")):
        raise FileNotFoundError(
            f"{folder} holds no .npz files. Name a folder of ADBench sets, in its repository "
            "adbench/datasets/Classical."
        )
    return folder


def set_names(folder=None, *, smallest=None):
    """Names of all sets at hand, in the order of their numbers, or of a few small ones."""
    if folder is None:
        return sorted(_BUNDLED)[:smallest]
    paths = sorted(Path(folder).glob("*.npz"), key=lambda path: path.stat().st_size)[:smallest]
    return sorted((path.stem for path in paths), key=_natural)


def load_set(name, *, folder=None):
    """Load a set by its name, with or without the number before it, as in "44_Wilt" or "wilt"."""
    names = set_names(folder)
    wanted = name.lower()
    found = [n for n in names if wanted in (n.lower(), n.lower().partition("_")[2])]
    if len(found) != 1:
        problem = f"{name!r} could be {', '.join(found)}" if found else f"No set {name!r}"
        raise ValueError(
            f"{problem}; at hand are {', '.join(names)}. More come with --data or the environment "
            f"variable {ANOMALY_DATA_VARIABLE}."
        )
    if folder is None:
        return _BUNDLED[found[0]](found[0])
    with np.load(Path(folder) / f"{found[0]}.npz", allow_pickle=False) as data:
        X = data["X"].astype(np.float64)
        return AnomalySet(found[0], X, data["y"].ravel().astype(bool))


def _natural(name):
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", name)]


def _few_of_one_class(load, label, n_anomalies):
    """A set maker: one class of a table is thinned to a few anomalies, the others are normal."""

    def make(name):
        X, y = load(return_X_y=True)
        anomalies = np.flatnonzero(y == label)
        kept = np.random.RandomState(0).choice(anomalies, n_anomalies, replace=False)
        rows = np.union1d(np.flatnonzero(y != label), kept)
        return AnomalySet(name, X[rows], y[rows] == label)

    return make


_BUNDLED = {
    "breast_cancer": _few_of_one_class(datasets.load_breast_cancer, 0, 40),
    "iris": _few_of_one_class(datasets.load_iris, 2, 10),
    "wine": _few_of_one_class(datasets.load_wine, 1, 10),
}


# --- protocols -----------------------------------------------------------------------------------


class Split(NamedTuple):
    """Standardised rows to train on and rows to score, of which `anomaly` are anomalies."""

    train: np.ndarray
    test: np.ndarray
    anomaly: np.ndarray


def clean(data, seed):
    """Train on a random half of the normal rows; score the other half and all anomalies."""
    rng = np.random.RandomState(seed)
    data = data.at_most(MAX_ROWS, rng)
    normal = rng.permutation(np.flatnonzero(~data.y))
    half = len(normal) // 2
    return _novelty_split(data, normal, half)


def dte(data, seed):
    """Do as published: sets of under 1000 rows are bootstrapped, and the file's first half trains.

    The bootstrap comes before the split, so that scored normal rows are copies of training rows.
    """
    data = _resample(data, np.random.RandomState(seed))
    normal = np.flatnonzero(~data.y)
    return _novelty_split(data, normal, round(0.5 * len(normal)))


def dte_unsupervised(data, seed):
    """Do as published: train on a bootstrap of all rows, anomalies included, and score all rows."""
    rng = np.random.RandomState(seed)
    data = _resample(data, rng)
    X = _standardise(data.X)[0]
    return Split(X[rng.choice(len(X), len(X))], X, data.y)


def contaminated(data, seed):
    """Train on all rows, anomalies included, and score the same rows."""
    data = data.at_most(MAX_ROWS, np.random.RandomState(seed))
    X = _standardise(data.X)[0]
    return Split(X, X, data.y)


def _resample(data, rng):
    if len(data.X) < BOOTSTRAP_BELOW:
        return data.take(rng.choice(len(data.X), BOOTSTRAP_BELOW))
    return data.at_most(MAX_ROWS, rng)


def _novelty_split(data, normal, half):
    test = np.concatenate([normal[half:], np.flatnonzero(data.y)])
    train_X, test_X = _standardise(data.X[normal[:half]], data.X[test])
    return Split(train_X, test_X, data.y[test])


def _standardise(train, *others):
    """Standardise by the training rows; missing cells become their mean."""
    scaler = StandardScaler().fit(train)
    return [np.nan_to_num(scaler.transform(rows), nan=0.0) for rows in (train, *others)]


class Protocol(NamedTuple):
    """How a set is split, and what a detector may know of the training rows.

    Attributes
    ----------
    split : callable
        ``split(data, seed)`` returns a `Split`.
    contaminated : bool
        Whether the training rows hold anomalies, which detectors with a setting for it are told.
    same_rows : bool
        Whether the rows to score are those of the training.
    about : str
        One sentence for readers.
    """

    split: Callable[[AnomalySet, int], Split]
    contaminated: bool
    same_rows: bool
    about: str


PROTOCOLS = {
    "clean": Protocol(
        clean,
        False,
        False,
        "A random half of the normal rows to train on; the other half and all anomalies to score.",
    ),
    "contaminated": Protocol(
        contaminated,
        True,
        True,
        "All rows, with their anomalies, to train on and to score. `ours`, neighbours and LOF "
        "leave out the row that is scored; the others score their training rows as they do any.",
    ),
    "dte": Protocol(
        dte,
        False,
        False,
        "As published by Livernoche et al. (ICLR 2024): sets of under 1,000 rows are bootstrapped "
        "to 1,000 before the split, and the first half of the normal rows in the file trains. "
        "Scored rows of the small sets are thus copies of training rows.",
    ),
    "dte-unsup": Protocol(
        dte_unsupervised,
        True,
        False,
        "As published there, unsupervised: a bootstrap of all rows trains, all rows are scored. 63 "
        "in 100 scored rows are in the training, which misleads small neighbourhoods.",
    ),
}


# --- planted cells -------------------------------------------------------------------------------


def plant_cells(rows, n, seed, least=1.0):
    """Replace one cell in each of `n` rows by another row's value, more than `least` away.

    Parameters
    ----------
    rows : array of shape (n_rows, d)
        Normal rows in units of standard deviations. Those without replacement are used in random
        order, again from the first where there are fewer than `n`.
    n : int
        Number of rows to return.
    seed : int
        Seed of the choice of rows, columns and values.
    least : float
        How much the value must change, in standard deviations; 0 is any other value.

    Returns
    -------
    planted : array of shape (n, d)
        Rows with a foreign cell each. The column is drawn at random among those in which any row's
        value is far enough, and the value among such rows.
    columns : array of shape (n,)
        The column of the foreign cell.
    """
    rng = np.random.RandomState(seed)
    planted, columns = [], []
    for i in np.resize(rng.permutation(len(rows)), n):
        for j in rng.permutation(rows.shape[1]):
            donors = np.flatnonzero(np.abs(rows[:, j] - rows[i, j]) > least)
            if len(donors):
                row = rows[i].copy()
                row[j] = rows[rng.choice(donors), j]
                planted.append(row)
                columns.append(j)
                break
    return np.array(planted).reshape(-1, rows.shape[1]), np.array(columns, dtype=int)


# --- synthetic rows ------------------------------------------------------------------------------


class CorrelatedMixture:
    """A mixture of correlated Gaussians, with anomalies that are its rows spread out.

    Parameters
    ----------
    d : int
        Number of columns.
    seed : int
        Seed of the distribution; rows are drawn with a generator of one's own.
    n_components : int
        Number of Gaussians, of equal weight.
    """

    def __init__(self, d, seed, n_components=4):
        rng = np.random.RandomState(seed)
        self.means = 2 * rng.normal(size=(n_components, d))
        self.factors = rng.normal(size=(n_components, d, d)) / np.sqrt(d)

    def draw(self, n, rng, spread=1.0):
        """Return n rows, `spread` times as far from the centre of their Gaussian."""
        component = rng.randint(len(self.means), size=n)
        noise = rng.normal(size=(n, self.means.shape[1]))
        deviations = np.einsum("nij,nj->ni", self.factors[component], noise)
        return self.means[component] + spread * deviations

    def planted(self, n, rng, share=0.1, spread=4.0):
        """Return n rows and which of them are anomalies, a `share` of them."""
        anomaly = np.arange(n) < round(share * n)
        rows = self.draw(n, rng, spread=np.where(anomaly, spread, 1.0)[:, None])
        return rows, anomaly
