"""Smoothers and tables that several files share; each smoother is fitted once."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_iris, make_moons

from skdiffusion import RiemannianKernelSmoother

QUICK = {
    "bandwidth": (0.5, 0.1),
    "n_neighbors": 10,
    "background": 0.1,
    "dcr_ratio": None,
    "known_noise": 0.0,
    "random_state": 0,
}


@pytest.fixture(scope="session")
def smooth():
    """Make a smoother that has nothing to choose, but for what is asked."""

    def make(**options):
        return RiemannianKernelSmoother(**QUICK | options)

    return make


@pytest.fixture(scope="session")
def moons(smooth):
    X = make_moons(200, noise=0.05, random_state=0)[0]
    fresh = make_moons(200, noise=0.05, random_state=1)[0]
    return SimpleNamespace(X=X, fresh=fresh, smoother=smooth().fit(X))


@pytest.fixture(scope="session")
def iris(smooth):
    X, label = load_iris(return_X_y=True)
    y = np.array(["setosa", "versicolor", "virginica"])[label]
    return SimpleNamespace(X=X, y=y, smoother=smooth().fit(X, y))


@pytest.fixture(scope="session")
def gaussian(smooth):
    """A correlated normal distribution, and a smoother that is all but one Gaussian."""
    rng = np.random.default_rng(0)
    cov = np.array([[1.0, 0.7, -0.3], [0.7, 1.5, 0.2], [-0.3, 0.2, 0.6]])
    X = rng.multivariate_normal([1.0, -2.0, 10.0], cov, size=500)
    smoother = smooth(bandwidth=(0.0, 0.3), background=0.999999).fit(X)
    return SimpleNamespace(X=X, smoother=smoother)


@pytest.fixture(scope="session")
def diabetes():
    """Body mass, blood pressure and two sera, with the progression as numeric target."""
    X, y = load_diabetes(return_X_y=True)
    X = X[:, [2, 3, 4, 8]]
    smoother = RiemannianKernelSmoother(dcr_ratio=None, random_state=0).fit(X[:300], y[:300])
    return SimpleNamespace(X=X[:300], y=y[:300], fresh=(X[300:], y[300:]), smoother=smoother)


@pytest.fixture(scope="session")
def mixed(smooth):
    """Two measures of irises, their kind, a flag with gaps, and a date."""
    X, label = load_iris(return_X_y=True)
    table = pd.DataFrame(
        {
            "length": X[:, 2],
            "width": X[:, 3],
            "kind": pd.Categorical(np.array(["a", "b", "c"])[label]),
            "large": pd.array(X[:, 0] > 5.8, dtype="boolean"),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.rint(30 * X[:, 0]), "D"),
        }
    )
    table.loc[::10, "large"] = pd.NA
    table.loc[3::20, "width"] = np.nan
    return SimpleNamespace(X=table, smoother=smooth().fit(table))
