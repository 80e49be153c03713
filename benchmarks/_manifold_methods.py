"""Methods of the manifold benchmark: couplings of the sampler, and what stands beside them."""

import time
from functools import partial

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import Isomap
from sklearn.mixture import GaussianMixture
from skorch.callbacks import Callback

from benchmarks._manifold_metrics import Distribution
from skdiffusion import (
    DenoiserNet,
    DiffusionManifoldSampler,
    RiemannianKernelSmoother,
    TableEncoder,
)
from skdiffusion.diffusion import MixtureDenoiser
from skdiffusion.training.callbacks import EarlyStop

N_MIXTURE = 20
# above what is trained in any budget; the rate follows the clock, not the epoch
MANY_EPOCHS = 10_000
WARM_UP, LAST_RATE = 0.1, 1e-4


class CpuBudget(Callback):
    """One cycle of the learning rate, and an end of training, by CPU seconds.

    Parameters
    ----------
    seconds : float
        CPU seconds of training.
    """

    def __init__(self, seconds):
        self.seconds = seconds

    def on_train_begin(self, net, **kwargs):
        """Start the clock."""
        self.start_ = time.process_time()

    def _share(self):
        return (time.process_time() - self.start_) / self.seconds

    def on_batch_begin(self, net, training=False, **kwargs):
        """Set the rate: up to its peak in the first tenth, then down by a half cosine."""
        share = min(self._share(), 1.0)
        if share < WARM_UP:
            factor = 0.04 + 0.96 * share / WARM_UP
        else:
            factor = 0.5 + 0.5 * np.cos(np.pi * (share - WARM_UP) / (1 - WARM_UP))
        for group in net.optimizer_.param_groups:
            group["lr"] = net.lr * max(factor, LAST_RATE)

    def on_epoch_end(self, net, **kwargs):
        """End the training."""
        if self._share() >= 1:
            raise EarlyStop


class CpuClock(Callback):
    """Records the CPU seconds of each epoch of training."""

    def on_epoch_begin(self, net, **kwargs):
        """Start the clock."""
        self.start_ = time.process_time()

    def on_epoch_end(self, net, **kwargs):
        """Write down what it shows."""
        net.history.record("cpu_s", time.process_time() - self.start_)


def budgeted_net(seconds, max_epochs=None):
    """Return an unfitted net that trains for so many CPU seconds, 0 for its own choice."""
    clock = ("clock", CpuClock())
    if max_epochs:
        return DenoiserNet(max_epochs=max_epochs, callbacks=[clock])
    if not seconds:
        return DenoiserNet(callbacks=[clock])
    return DenoiserNet(
        max_epochs=MANY_EPOCHS,
        patience=None,
        # the clock first, as the budget ends the last epoch
        callbacks=[clock, ("budget", CpuBudget(seconds))],
        callbacks__lr_scheduler=None,
    )


class Fitted:
    """What the benchmark asks of a fitted method.

    Parameters
    ----------
    sample : callable
        ``sample(n, seed)`` returns rows.
    distribution : Distribution, "local" or None
        For tangent spaces.
    embedded : ndarray of shape (n, k) or None
        Coordinates of the training rows.
    coupling, dimension : str and int or None
        What a sampler chose.
    train_s : float
        CPU seconds of training a network.
    """

    def __init__(
        self, sample, distribution=None, embedded=None, coupling="", dimension=None, train_s=np.nan
    ):
        self.sample = sample
        self.distribution = distribution
        self.embedded = embedded
        self.coupling = coupling
        self.dimension = dimension
        self.train_s = train_s


def real(rows, seed, **options):
    """Real rows that no method has seen: what a perfect sampler would draw."""
    return Fitted(lambda n, seed: rows.fresh[:n], distribution="local")


def sampler(rows, seed, *, seconds, max_epochs=None, dimension=None, **params):
    """DiffusionManifoldSampler with other parameters."""
    net = budgeted_net(seconds, max_epochs)
    model = DiffusionManifoldSampler(denoiser=net, random_state=seed, **params).fit(rows.train)
    return describe(model)


def describe(model):
    """Return what the benchmark asks of a fitted sampler."""
    embedding = getattr(model, "embedding_", None)
    distribution = None
    d = model.n_features_in_
    encoder = model.model_.encoder
    if encoder.n_encoded_ == d and embedding is None:
        distribution = Distribution(model.model_.denoiser, encoder.transform)
    return Fitted(
        lambda n, seed: model.sample(n, random_state=seed),
        distribution,
        None if embedding is None else embedding.embedding_,
        getattr(model, "coupling_", ""),
        getattr(model, "dimension_", None),
        sum(model.history_[:, "cpu_s"]),
    )


def default(rows, seed, *, seconds, max_epochs=None, **params):
    """DiffusionManifoldSampler with its own training, whatever the budget of the others is."""
    return sampler(rows, seed, seconds=0, max_epochs=max_epochs, **params)


def latent(rows, seed, *, learner, dimension, **options):
    """Diffusion of the coordinates of an embedding, of one dimension more than the manifold."""
    n_components = min(dimension + 1, rows.train.shape[1])
    return sampler(rows, seed, manifold=learner(n_components), coupling="latent", **options)


def kernel(rows, seed, **options):
    """RiemannianKernelSmoother, which is not trained."""
    model = RiemannianKernelSmoother(random_state=seed).fit(rows.train)
    distribution = Distribution(model.model_.denoiser, model.model_.encoder.transform)
    return Fitted(lambda n, seed: model.sample(n, random_state=seed), distribution)


def mixture(rows, seed, **options):
    """A mixture of 20 Gaussians with full covariances."""
    model = GaussianMixture(N_MIXTURE, reg_covar=1e-6, random_state=seed).fit(rows.train)
    parts = model.weights_, model.means_, model.covariances_
    denoiser = MixtureDenoiser(*(torch.from_numpy(part) for part in parts))

    def sample(n, seed):
        model.set_params(random_state=seed)
        return np.random.RandomState(seed).permutation(model.sample(n)[0])

    return Fitted(sample, Distribution(denoiser, np.asarray))


PLAIN = {
    "manifold": None,
    "baseline": None,
    "encoder": TableEncoder(numeric_transform="standard"),
}
METHODS = {
    "real": real,
    "plain": partial(sampler, **PLAIN),
    "none": partial(sampler, manifold=None),
    "auto": default,
    "auto_budget": sampler,
    "project": partial(sampler, manifold="auto", coupling="project"),
    "latent": partial(sampler, manifold="auto", coupling="latent"),
    "isomap": partial(latent, learner=lambda k: Isomap(n_components=k, n_neighbors=10)),
    "pca": partial(latent, learner=PCA),
    "kernel": kernel,
    "mixture": mixture,
}
# what each is, for readers of the report
WORDS = {
    "real": "fresh real rows, which a perfect sampler would draw",
    "plain": "plain EDM: `manifold=None, baseline=None`, standardised columns",
    "none": "the sampler without a manifold: `manifold=None`",
    "auto": "`DiffusionManifoldSampler()`, with the training of its own",
    "auto_budget": "the same with the training of the others",
    "project": '`coupling="project"`',
    "latent": '`coupling="latent"`, an autoencoder',
    "isomap": '`manifold=Isomap()` of one dimension to spare, `coupling="latent"`',
    "pca": '`manifold=PCA()` of one dimension to spare, `coupling="latent"`',
    "kernel": "`RiemannianKernelSmoother()`, no training",
    "mixture": "`GaussianMixture(20)`, no training",
}
