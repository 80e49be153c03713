"""Density estimates to compare with: kernels, a Gaussian, a mixture and a normalising flow.

Each has ``fit(X)`` and ``score_samples(X)``, natural logarithms of the density in the unit of `X`,
as in scikit-learn.
"""

from importlib.util import find_spec

import numpy as np
import torch
from scipy.stats import multivariate_normal
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold
from sklearn.utils import check_random_state, gen_batches

# Bandwidths in units of the standard deviation; a step changes them by 7 %.
BANDWIDTHS = np.geomspace(0.005, 2.0, 90)
ROWS_AT_ONCE = 1000


class KernelDensityCV:
    """Gaussian kernel density with the bandwidth of the best held-out log-likelihood.

    Parameters
    ----------
    covariance : bool, default=False
        Whether kernels have the shape of the covariance of all rows, rather than being round.
        It is estimated anew in each fold.
    n_folds : int, default=5
        Folds of the cross-validation, shuffled.
    random_state : int or None, default=None
        Source of the folds.
    """

    def __init__(self, *, covariance=False, n_folds=5, random_state=None):
        self.covariance = covariance
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(self, X):
        """Choose the bandwidth on a fine grid and keep the rows."""
        folds = KFold(self.n_folds, shuffle=True, random_state=self.random_state)
        held_out = np.zeros(len(BANDWIDTHS))
        for train, test in folds.split(X):
            root = self._root(X[train])
            squares = _squares(X[test], X[train], root)
            for i, h in enumerate(BANDWIDTHS):
                held_out[i] += _log_kernel_mean(squares, h, root).sum()
        self.root_ = self._root(X)
        self.relative_bandwidth_ = BANDWIDTHS[held_out.argmax()]
        self.bandwidth_ = self.relative_bandwidth_ * self.root_[0, 0]  # of round kernels
        self.rows_ = X
        return self

    def score_samples(self, X):
        """Return the log-density at each row."""
        return np.concatenate(
            [
                _log_kernel_mean(
                    _squares(X[batch], self.rows_, self.root_), self.relative_bandwidth_, self.root_
                )
                for batch in gen_batches(len(X), ROWS_AT_ONCE)
            ]
        )

    def sample(self, n_samples, random_state=None):
        """Return new rows: a training row each, plus normal noise of the shape of the kernel."""
        rng = check_random_state(random_state)
        centres = self.rows_[rng.randint(len(self.rows_), size=n_samples)]
        noise = rng.standard_normal((n_samples, self.rows_.shape[1]))
        return centres + self.relative_bandwidth_ * noise @ self.root_.T

    def _root(self, X):
        """Lower root of the kernel's shape: one scale for all columns, or the covariance."""
        if self.covariance:
            return np.linalg.cholesky(_covariance(X))
        return np.sqrt(X.var(axis=0).mean()) * np.eye(X.shape[1])


class GaussianDensity:
    """One Gaussian of full covariance."""

    def fit(self, X):
        """Take mean and covariance of the rows."""
        self.mean_, self.covariance_ = X.mean(axis=0), _covariance(X)
        return self

    def score_samples(self, X):
        """Return the log-density at each row."""
        model = multivariate_normal(self.mean_, self.covariance_, allow_singular=True)
        return model.logpdf(X).reshape(len(X))


class GaussianMixtureBIC:
    """Gaussian mixture of full covariances, the number of components by BIC.

    Parameters
    ----------
    max_components : int, default=16
        All numbers up to this one are tried, two starts each. Mixtures with a component of fewer
        rows than twice its dimension are passed over.
    random_state : int or None, default=None
        Source of the starts.
    """

    def __init__(self, *, max_components=16, random_state=None):
        self.max_components = max_components
        self.random_state = random_state

    def fit(self, X):
        """Fit all numbers of components and keep the best."""
        n, d = X.shape
        candidates = []
        for k in range(1, self.max_components + 1):
            mixture = GaussianMixture(k, n_init=2, random_state=self.random_state).fit(X)
            # BIC believes the endless likelihood of a component around too few rows
            if k == 1 or n * mixture.weights_.min() >= 2 * (d + 1):
                candidates.append(mixture)
        self.mixture_ = min(candidates, key=lambda mixture: mixture.bic(X))
        return self

    def score_samples(self, X):
        """Return the log-density at each row."""
        return self.mixture_.score_samples(X)


class SplineFlow:
    """Autoregressive neural spline flow of zuko, trained on the CPU with early stopping.

    Parameters
    ----------
    max_epochs : int, default=400
        Passes over nine tenths of the rows; the others decide when to stop.
    patience : int, default=40
        Passes without progress on the held-out tenth before the best weights are restored.
    random_state : int, default=0
        Source of the weights, the split and the order of rows.

    Notes
    -----
    Three transformations of eight bins, two hidden layers of 64 units, Adam with a learning rate of
    1e-3, weight decay of 1e-5 and batches of 128, on standardised columns.
    """

    def __init__(self, *, max_epochs=400, patience=40, random_state=0):
        self.max_epochs = max_epochs
        self.patience = patience
        self.random_state = random_state

    @staticmethod
    def is_available():
        """Whether zuko is installed."""
        return find_spec("zuko") is not None

    def fit(self, X):
        """Train until the held-out likelihood stops growing."""
        self.mean_, self.scale_ = X.mean(axis=0), X.std(axis=0)
        with torch.random.fork_rng():
            torch.manual_seed(self.random_state)
            self._train(self._coordinates(X))
        return self

    def score_samples(self, X):
        """Return the log-density at each row."""
        with torch.no_grad():
            log_density = self.flow_().log_prob(self._coordinates(X)).double().numpy()
        return log_density - np.log(self.scale_).sum()

    def _coordinates(self, X):
        return torch.from_numpy((X - self.mean_) / self.scale_).float()

    def _train(self, rows):
        from zuko.flows import NSF

        self.flow_ = NSF(rows.shape[1], transforms=3, bins=8, hidden_features=(64, 64))
        optimizer = torch.optim.Adam(self.flow_.parameters(), lr=1e-3, weight_decay=1e-5)
        order = torch.randperm(len(rows))
        valid, train = rows[order[: len(rows) // 10]], rows[order[len(rows) // 10 :]]
        best, since = np.inf, 0
        for _ in range(self.max_epochs):
            for batch in train[torch.randperm(len(train))].split(128):
                optimizer.zero_grad()
                (-self.flow_().log_prob(batch).mean()).backward()
                torch.nn.utils.clip_grad_norm_(self.flow_.parameters(), 5.0)
                optimizer.step()
            with torch.no_grad():
                loss = -self.flow_().log_prob(valid).mean().item()
            since += 1
            if loss < best:
                best, since = loss, 0
                weights = {k: v.clone() for k, v in self.flow_.state_dict().items()}
            if since >= self.patience:
                break
        self.flow_.load_state_dict(weights)


def _covariance(X):
    return np.atleast_2d(np.cov(X.T, bias=True))


def _squares(X, rows, root):
    """Squared distances in the coordinates in which the kernel is round."""
    return euclidean_distances(
        np.linalg.solve(root, X.T).T, np.linalg.solve(root, rows.T).T, squared=True
    )


def _log_kernel_mean(squares, h, root):
    """Log-density at rows with such squared distances to the centres."""
    n_rows, n_columns = squares.shape[1], len(root)
    log_volume = n_columns / 2 * np.log(2 * np.pi * h**2) + np.log(np.diag(root)).sum()
    nearest = squares.min(axis=1)  # the largest term, taken out so that none underflows to log(0)
    kernels = np.exp((nearest[:, None] - squares) / (2 * h**2))
    return np.log(kernels.sum(axis=1)) - nearest / (2 * h**2) - np.log(n_rows) - log_volume
