"""Smoothers and tables that several files share; each smoother is fitted once."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris, make_moons

from skdiffusion import RiemannianKernelSmoother


@pytest.fixture(scope="session")
def smooth():
    """Make a smoother with a seed."""

    def make(**options):
        return RiemannianKernelSmoother(**{"random_state": 0} | options)

    return make


@pytest.fixture(scope="session")
def moons(smooth):
    X = make_moons(200, noise=0.05, random_state=0)[0]
    fresh = make_moons(200, noise=0.05, random_state=1)[0]
    return SimpleNamespace(
        X=X, fresh=fresh, smoother=smooth(standardize=True, known_noise=0.0).fit(X)
    )


@pytest.fixture(scope="session")
def iris(smooth):
    X, label = load_iris(return_X_y=True)
    y = np.array(["setosa", "versicolor", "virginica"])[label]
    return SimpleNamespace(X=X, y=y, smoother=smooth(known_noise=0.0).fit(X, y))


@pytest.fixture(scope="session")
def gaussian(smooth):
    """A correlated normal law, and a smoother that is no more than one Gaussian of its rows."""
    rng = np.random.default_rng(0)
    cov = np.array([[1.0, 0.7, -0.3], [0.7, 1.5, 0.2], [-0.3, 0.2, 0.6]])
    mean = np.array([1.0, -2.0, 10.0])
    X = rng.multivariate_normal(mean, cov, size=500)
    smoother = smooth(bandwidth=(0.0, 0.3), background=0.999999, known_noise=0.0).fit(X)
    return SimpleNamespace(X=X, smoother=smoother)


@pytest.fixture(scope="session")
def diabetes(smooth):
    """Body mass, blood pressure and two sera, with the progression as numeric target."""
    X, y = load_diabetes(return_X_y=True)
    X = X[:, [2, 3, 4, 8]]
    return SimpleNamespace(X=X[:300], y=y[:300], fresh=(X[300:], y[300:]),
                           smoother=smooth().fit(X[:300], y[:300]))  # fmt: skip
