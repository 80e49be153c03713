"""Tables to benchmark on, and how they are split."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split

DATA_VARIABLE = "SKDIFFUSION_DATA"
SINGLE_PRECISION = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Table:
    """Rows `X` with target `y`; categories are numeric codes.

    A binary column may be taken as numeric or as a category: its distances are the same.
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    task: str
    categorical: tuple[int, ...] = ()
    binary: tuple[int, ...] = ()
    integer: tuple[int, ...] = ()

    @property
    def is_classification(self):
        return self.task != "regression"

    @property
    def Z(self):
        """Features and target as one matrix: what is generated and judged."""
        return np.column_stack([self.X, self.y])

    @property
    def Z_categorical(self):
        """Categorical columns of `Z`."""
        label = (self.X.shape[1],) if self.is_classification else ()
        return (*self.categorical, *label)

    @property
    def Z_numeric(self):
        """Numeric columns of `Z`."""
        return tuple(j for j in range(self.X.shape[1] + 1) if j not in self.Z_categorical)

    def take(self, rows):
        return replace(self, X=self.X[rows], y=self.y[rows])

    def split(self, seed):
        """Return 80 % of the rows to train on and 20 % to test on, stratified by class."""
        rows = np.arange(len(self.X))
        strata = self.y if self.is_classification else None
        train, test = train_test_split(rows, test_size=0.2, random_state=seed, stratify=strata)
        return self.take(train), self.take(test)

    def subset(self, n_rows):
        """Return a fixed subset of `n_rows` rows, named after its size in thousands."""
        strata = self.y if self.is_classification else None
        rows, _ = train_test_split(
            np.arange(len(self.X)), train_size=n_rows, random_state=0, stratify=strata
        )
        return replace(self.take(rows), name=f"{self.name}_{n_rows / 1000:g}k")

    def restore_types(self, Z):
        """Give generated rows the values that columns can have, for every method alike.

        Integers are rounded and binary columns snapped to their two values; whatever equals a value
        of these rows but for single precision or rounding becomes that value. A spike that comes
        back as 1e-17 in place of 0 would tell generated rows apart, and hide copies.
        """
        Z = np.array(Z, dtype=np.float64)
        Z[:, list(self.integer)] = np.round(Z[:, list(self.integer)])
        for j in self.binary:
            low, high = self.X[:, j].min(), self.X[:, j].max()
            Z[:, j] = np.where(Z[:, j] > (low + high) / 2, high, low)
        for column, known in zip(Z.T, map(np.unique, self.Z.T), strict=True):
            right = np.searchsorted(known, column).clip(0, len(known) - 1)
            left = (right - 1).clip(0)
            is_left = np.abs(known[left] - column) < np.abs(known[right] - column)
            near = known[np.where(is_left, left, right)]
            same = np.abs(near - column) <= SINGLE_PRECISION * np.abs(known).max()
            column[same] = near[same]
        return Z


_BUNDLED = {
    "iris": (datasets.load_iris, "multiclass", ()),
    "wine": (datasets.load_wine, "multiclass", ()),
    "breast_cancer_diagnostic": (datasets.load_breast_cancer, "binary", ()),
    "diabetes_sk": (datasets.load_diabetes, "regression", (1,)),
}


def data_folder(folder=None):
    """Return the folder of tables: the one given, or $SKDIFFUSION_DATA, or None."""
    folder = folder or os.environ.get(DATA_VARIABLE)
    if folder is None:
        return None
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"The data folder {folder} does not exist.")
    return folder


def table_names(folder=None):
    """Names of all tables at hand: the folder's, else those that scikit-learn bundles."""
    folder = data_folder(folder)
    if folder is None:
        return sorted(_BUNDLED)
    return sorted(path.stem for path in folder.glob("*.npz"))


def load_table(name, *, folder=None, max_rows=0):
    """Load a table; one with more rows than `max_rows` (0: no limit) becomes a subset."""
    folder = data_folder(folder)
    if name not in table_names(folder):
        raise ValueError(
            f"No table {name!r}; at hand are {', '.join(table_names(folder))}. More come with "
            f"--data or the environment variable {DATA_VARIABLE}."
        )
    table = _load_bundled(name) if folder is None else _load_npz(folder / f"{name}.npz")
    return table.subset(max_rows) if 0 < max_rows < len(table.X) else table


def _load_bundled(name):
    load, task, binary = _BUNDLED[name]
    X, y = load(return_X_y=True)
    return Table(name, X, y.astype(np.float64), task, binary=binary)


def _load_npz(path):
    with np.load(path, allow_pickle=False) as data:
        X = data["X"].astype(np.float64)
        # A column listed as integer may come centred; its values must not be rounded then.
        integer, binary = (
            data[key].astype(int).tolist() if key in data else [] for key in ("int_", "bin")
        )
        integer = [j for j in integer if np.all(X[:, j] % 1 == 0)]
        return Table(
            name=path.stem,
            X=X,
            y=data["y"].astype(np.float64),
            task=str(data["task"]) if "task" in data else "binary",
            categorical=tuple(data["cat"].astype(int).tolist()),
            binary=tuple(binary),
            integer=tuple(integer),
        )
