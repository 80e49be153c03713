"""Fits, draws and scores at several sizes, with few steps of training."""

import numpy as np

from skdiffusion import (
    DenoiserNet,
    DiffusionAnomalyDetector,
    DiffusionManifoldSampler,
    RiemannianKernelSmoother,
)


def make_rows(n, d=10):
    """Return rows near a surface of three dimensions."""
    rng = np.random.default_rng(0)
    surface = np.tanh(rng.normal(size=(n, 3)) @ rng.normal(size=(3, d)))
    return surface + 0.1 * rng.normal(size=(n, d))


class Estimator:
    """What is measured of each; the fit that draws and scores use is not."""

    param_names = ("n",)
    params = ([1_000, 10_000],)
    timeout = 600

    def setup(self, n):
        """Fit."""
        self.X, self.X_new = make_rows(n), make_rows(500) + 0.01
        self.model = self.make().fit(self.X)

    def time_fit(self, n):
        """Learn n rows."""
        self.make().fit(self.X)

    def time_score(self, n):
        """Score 500 rows."""
        self.model.score_samples(self.X_new)

    def time_sample(self, n):
        """Draw 500 rows."""
        self.model.sample(500, random_state=0)

    def peakmem_fit(self, n):
        """Learn n rows."""
        self.make().fit(self.X)

    def peakmem_sample(self, n):
        """Draw 500 rows."""
        self.model.sample(500, random_state=0)


class Sampler(Estimator):
    """Training of 200 steps."""

    def make(self):
        """Return an unfitted estimator."""
        net = DenoiserNet(max_epochs=2, steps_per_epoch=100, patience=None)
        return DiffusionManifoldSampler(denoiser=net, manifold=None, random_state=0)


class Smoother(Estimator):
    """Closed form, for densities."""

    def make(self):
        """Return an unfitted estimator."""
        return RiemannianKernelSmoother(random_state=0)


class Detector(Estimator):
    """Closed form, for anomalies."""

    def make(self):
        """Return an unfitted estimator."""
        return DiffusionAnomalyDetector(random_state=0)

    def time_explain(self, n):
        """Explain 500 rows."""
        self.model.explain(self.X_new)


# asv measures what has the methods, and this has no estimator
del Estimator
