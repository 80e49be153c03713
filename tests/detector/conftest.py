"""Detectors and tables that several files share; each detector is fitted once."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from skdiffusion import DiffusionAnomalyDetector


@pytest.fixture(scope="session")
def detect():
    """Make a detector with a seed."""

    def make(**options):
        return DiffusionAnomalyDetector(**{"random_state": 0} | options)

    return make


def curve(n, seed):
    """Rows along a closed curve, whose columns are uncorrelated and alike."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-np.pi, np.pi, (n, 1))
    rows = np.sqrt(2) * np.cos(angle * [1, 1, 2, 2] + np.array([0.0, 1.0, 0.0, 1.0]) * np.pi / 2)
    return rows + 0.05 * rng.normal(size=rows.shape)


@pytest.fixture(scope="session")
def shuffled():
    """Rows of the curve, and rows whose cells come from different ones.

    No column alone, no correlation and no distance from the centre tells them apart.
    """
    rng = np.random.default_rng(3)
    normal, odd = curve(300, seed=1), rng.permuted(curve(300, seed=2), axis=0)
    return SimpleNamespace(
        X=curve(500, seed=0), rows=np.concatenate([normal, odd]), is_odd=np.arange(600) >= 300
    )


@pytest.fixture(scope="session")
def cancer(detect):
    """Benign tumours to learn from, others of them, and malignant ones; a table of ten columns."""
    X, benign = load_breast_cancer(return_X_y=True)
    X = X[:, :10]
    normal, odd = X[benign == 1], X[benign == 0]
    train, fresh = normal[:250], normal[250:]
    return SimpleNamespace(X=train, fresh=fresh, odd=odd, detector=detect().fit(train))


@pytest.fixture(scope="session")
def pair(detect):
    """Two columns of correlation 0.95 and one of its own, with the covariance."""
    rng = np.random.default_rng(0)
    cov = np.array([[1.0, 0.95, 0.0], [0.95, 1.0, 0.0], [0.0, 0.0, 1.0]])
    X = rng.multivariate_normal(np.zeros(3), cov, size=1500) * [1.0, 5.0, 0.1] + [0.0, 20.0, 3.0]
    return SimpleNamespace(
        X=X, cov=cov, scale=np.array([1.0, 5.0, 0.1]), mean=np.array([0.0, 20.0, 3.0]),
        detector=detect().fit(X),
    )  # fmt: skip
