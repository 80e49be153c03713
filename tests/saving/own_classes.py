"""Classes and functions that a user might have."""

import torch
from sklearn.base import BaseEstimator, TransformerMixin
from torch import nn

from skdiffusion.diffusion import SOLVERS


class OwnNet(nn.Module):
    """A network."""

    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.layer = nn.Linear(n_inputs, n_outputs)

    def forward(self, inputs, log_sigma):
        """Return its outputs."""
        return torch.tanh(self.layer(inputs))


class OwnScaler(TransformerMixin, BaseEstimator):
    """A transformer."""

    def fit(self, X, y=None):
        """Remember the mean."""
        self.mean_ = X.mean(0)
        return self

    def transform(self, X):
        """Take the mean away."""
        return X - self.mean_

    def inverse_transform(self, X):
        """Add it."""
        return X + self.mean_


def own_solver(*args, **kwargs):
    """Solve as another solver does."""
    return SOLVERS["heun"](*args, **kwargs)
