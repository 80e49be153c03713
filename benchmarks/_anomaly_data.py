"""Sets with known anomalies, the protocols that split them, and synthetic rows with a known truth.

A set is an ``.npz`` file: of ADBench with `X` and `y` (1: anomaly); of the panel with `train`,
normal rows, `test` and its `y`; of the explanations with `X`, `y` and annotated cells.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn import datasets
from sklearn.preprocessing import StandardScaler

from benchmarks._data import DATA_VARIABLE

ANOMALY_DATA_VARIABLE = "SKDIFFUSION_ANOMALY_DATA"
SETS, PANEL, EXPLANATIONS = "anomaly", "anomaly_panel", "explanations"  # folders beside each other
ANNOTATORS = ("iforest", "copod", "hbos")
MAX_ROWS = 50_000
HALVES_SEED = 7
CORRELATED = 0.5  # columns that belong together


@dataclass(frozen=True)
class AnomalySet:
    """Rows `X` with `y`, True for the anomalies.

    The first `n_train` rows are to train on, where a set says so. `half` is that of the panel, and
    `cells` are rows and their anomalous cells by annotator.
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    n_train: int | None = None
    half: str = ""
    cells: dict = field(default_factory=dict)


# --- where the sets are --------------------------------------------------------------------------


def anomaly_folder(folder=None):
    """Return the folder of sets: the one given, $SKDIFFUSION_ANOMALY_DATA, the tables' sibling.

    None where there is none of the three: the sets are then made from tables that scikit-learn
    bundles.
    """
    folder = folder or os.environ.get(ANOMALY_DATA_VARIABLE)
    if folder is None:
        return sibling(os.environ.get(DATA_VARIABLE), SETS)
    if not any(Path(folder).glob("*.npz")):
        raise FileNotFoundError(
            f"{folder} holds no .npz files. Name a folder of ADBench sets, in its repository "
            "adbench/datasets/Classical."
        )
    return Path(folder)


def sibling(folder, name):
    """Return the folder of that name beside a folder, None if there is none."""
    found = folder and Path(folder).resolve().parent / name
    return found if found and found.is_dir() else None


def set_names(folder=None, *, smallest=None, like=None):
    """Names of the sets at hand, in the order of their numbers.

    `smallest` takes that many small ones, and `like` those of some names, with or without the
    number before it, as in "44_Wilt" or "wilt".
    """
    if folder is None:
        names = sorted(_BUNDLED)[:smallest]
    else:
        paths = sorted(Path(folder).glob("*.npz"), key=lambda path: path.stat().st_size)
        names = sorted((path.stem for path in paths[:smallest]), key=_natural)
    wanted = {name.lower() for name in like or ()}
    return [n for n in names if not like or {n.lower(), n.lower().partition("_")[2]} & wanted]


def load_set(name, *, folder=None):
    """Load a set by its name, with or without the number before it."""
    found = set_names(folder, like=[name])
    if len(found) != 1:
        problem = f"{name!r} could be {', '.join(found)}" if found else f"No set {name!r}"
        raise ValueError(
            f"{problem}; at hand are {', '.join(set_names(folder))}. More come with --data or the "
            f"environment variable {ANOMALY_DATA_VARIABLE}."
        )
    if folder is None:
        return _BUNDLED[found[0]](found[0])
    with np.load(Path(folder) / f"{found[0]}.npz", allow_pickle=False) as file:
        arrays = dict(file)
    y = arrays["y"].ravel().astype(bool)
    if "train" in arrays:
        n_train = len(arrays["train"])
        X = np.concatenate([arrays["train"], arrays["test"]]).astype(np.float64)
        y = np.append(np.zeros(n_train, dtype=bool), y)
        return AnomalySet(found[0], X, y, n_train, _half(found[0], folder))
    known = [annotator for annotator in ANNOTATORS if f"{annotator}_row" in arrays]
    cells = {a: (arrays[f"{a}_row"], arrays[f"{a}_cells"].astype(bool)) for a in known}
    return AnomalySet(found[0], arrays["X"].astype(np.float64), y, cells=cells)


def _half(name, folder):
    """Return the half of the panel, drawn at random once, that a set belongs to."""
    names = sorted(set_names(folder))
    place = np.random.RandomState(HALVES_SEED).permutation(len(names)).tolist()
    return "A" if place.index(names.index(name)) < len(names) // 2 else "B"


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


class Protocol(NamedTuple):
    """Which sets are split, and whether their anomalies are trained on, and all rows scored."""

    source: str
    contaminated: bool
    about: str

    def split(self, data, seed):
        """Return the rows to train on and to score."""
        rng = np.random.RandomState(seed)
        rows = np.arange(len(data.X))
        if len(rows) > MAX_ROWS and data.n_train is None:
            rows = rng.choice(rows, MAX_ROWS, replace=False)
        if self.contaminated:
            X = _standardise(data.X[rows])[0]
            return Split(X, X, data.y[rows])
        if data.n_train is None:
            normal = rng.permutation(rows[~data.y[rows]])
            train, rest = np.split(normal, [len(normal) // 2])
            test = np.concatenate([rest, rows[data.y[rows]]])
        else:
            train, test = np.split(rows, [data.n_train])
        return Split(*_standardise(data.X[train], data.X[test]), data.y[test])


def _standardise(train, *others):
    """Standardise by the training rows; missing cells become their mean."""
    scaler = StandardScaler().fit(train)
    return [np.nan_to_num(scaler.transform(rows), nan=0.0) for rows in (train, *others)]


ALL_ROWS = (
    "Trained on all rows, with their anomalies, which are also scored: by `ours`, neighbours and "
    "LOF without the row itself. `ours` is told `contamination=0.1`, whatever their share."
)
PROTOCOLS = {
    "panel": Protocol(
        PANEL, False, "Trained on the normal rows given for it; the others are scored."
    ),
    "clean": Protocol(
        SETS, False, "Trained on a random half of the normal rows; all others scored."
    ),
    "panel-contaminated": Protocol(PANEL, True, ALL_ROWS),
    "contaminated": Protocol(SETS, True, ALL_ROWS),
}


# --- planted cells -------------------------------------------------------------------------------


def correlated_pairs(rows):
    """Return the pairs of columns that belong together, or the one that most nearly does."""
    varying = np.flatnonzero(rows.std(axis=0) > 0)
    first, second = np.triu_indices(len(varying), k=1)
    strength = np.abs(np.corrcoef(rows[:, varying], rowvar=False))[first, second]
    chosen = (strength > CORRELATED) | (np.arange(len(strength)) == strength.argmax())
    return np.column_stack([varying[first], varying[second]])[chosen]


def plant_cells(rows, n, seed, least=1.0, choices=None, n_donors=1):
    """Replace cells in each of `n` rows by those of other rows, each more than `least` away.

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
        How much a value must change, in standard deviations; 0 is any other value.
    choices : array of shape (n_choices, n_cells) or None
        Columns to replace together; None is each column by itself.
    n_donors : int
        Whether the cells of a row come from one other row, or each from another one.

    Returns
    -------
    planted : array of shape (n, d)
        Rows with foreign cells; fewer where no others are far enough. The choice of columns is
        drawn at random among those in which others are, and the donors among these.
    columns : array of shape (n, n_cells)
        The columns of the foreign cells.
    """
    rng = np.random.RandomState(seed)
    choices = np.arange(rows.shape[1])[:, None] if choices is None else choices
    planted, found = [], []
    for i in np.resize(rng.permutation(len(rows)), n):
        for columns in rng.permutation(choices):
            far = np.abs(rows[:, columns] - rows[i, columns]) > least
            donors = _donors(far, n_donors, rng)
            if donors is not None:
                row = rows[i].copy()
                row[columns] = rows[donors, columns]
                planted.append(row)
                found.append(columns)
                break
    shape = -1, choices.shape[1]
    return np.reshape(planted, (-1, rows.shape[1])), np.array(found, dtype=int).reshape(shape)


def _donors(far, n_donors, rng):
    """Return the row that each cell is taken from, None where no rows are far enough."""
    if n_donors == 1:
        able = np.flatnonzero(far.all(axis=1))
        return np.full(far.shape[1], rng.choice(able)) if len(able) else None
    donors = []
    for column in far.T:
        able = np.setdiff1d(np.flatnonzero(column), donors)
        if not len(able):
            return None
        donors.append(rng.choice(able))
    return donors


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
        """Return n rows and which of them are anomalies, a `share` of them at random."""
        anomaly = rng.permutation(np.arange(n) < round(share * n))
        rows = self.draw(n, rng, spread=np.where(anomaly, spread, 1.0)[:, None])
        return rows, anomaly
