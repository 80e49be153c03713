"""Every public estimator, in the ways that it can be fitted, on a few rows."""

from functools import cache

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.manifold import Isomap
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skdiffusion import (
    DenoiserNet,
    DiffusionAnomalyDetector,
    DiffusionImputer,
    DiffusionManifoldSampler,
    DiffusionOversampler,
    HierarchicalSampler,
    OperatorScoreMatching,
    RiemannianKernelSmoother,
    TableEncoder,
)
from skdiffusion.diffusion import SOLVERS
from skdiffusion.manifold import AutoencoderEmbedding, InvertibleEmbedding
from skdiffusion.nets import UNet

N = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 4))
ANGLES = RNG.uniform(0, 4, size=150)
CURVE = np.c_[np.cos(ANGLES), np.sin(ANGLES), ANGLES] + 0.01 * RNG.normal(size=(150, 3))
Y = np.repeat(["p", "q"], [45, 15])


@cache
def mixed(library="pandas"):
    """A table of all kinds of columns, with gaps."""
    import pandas as pd

    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "amount": rng.normal(size=N),
            "few": rng.integers(0, 5, N),
            "level": pd.Categorical(rng.choice(["low", "high"], N), ["low", "high"], ordered=True),
            "day": pd.date_range("2024-01-01", periods=N),
            "hour": pd.date_range("2024-01-01", periods=N, freq="h", tz="Europe/Oslo"),
            "city": rng.choice(["Oslo", "Graz", "Köln"], N),
            "visits": pd.array(rng.integers(0, 90, N), dtype="Int64"),
            "smoker": rng.random(N) < 0.4,
            "small": rng.normal(size=N).astype(np.float32),
        }
    )
    frame.loc[::9, "amount"] = np.nan
    frame.loc[::7, "visits"] = pd.NA
    if library == "polars":
        import polars as pl

        return pl.DataFrame({name: frame[name].tolist() for name in ("few", "city", "day")}).cast(
            {"few": pl.Int16, "city": pl.Enum(["Oslo", "Graz", "Köln"])}
        )
    return frame


def net(**options):
    options = {"max_epochs": 1, "steps_per_epoch": 3, "module__width": 4} | options
    return DenoiserNet(**options)


def sampler(**options):
    defaults = {"denoiser": net(), "baseline": "gaussian", "n_steps": 4, "n_likelihood_steps": 2}
    return DiffusionManifoldSampler(**defaults | {"random_state": 0} | options)


def embedding():
    return AutoencoderEmbedding(2, max_epochs=2, random_state=0)


UNET = {"module": UNet, "module__image_shape": (2, 2), "module__depth": 2}
LOGS = FunctionTransformer(np.exp, np.log, check_inverse=False)
KERNELS = RiemannianKernelSmoother(n_steps=4, random_state=0)
# unfitted estimator, and what it is fitted to
MAKERS = {
    "sampler": lambda: (sampler(), X),
    "sampler, classes": lambda: (sampler(baseline="mixture"), X, Y),
    "sampler, numbers": lambda: (sampler(target="continuous"), X, X[:, 0]),
    "sampler, table": lambda: (sampler(encoder=TableEncoder(missing_indicator=True)), mixed(), Y),
    "sampler, polars": lambda: (sampler(), mixed("polars")),
    "sampler, project": lambda: (sampler(manifold="auto", coupling="project"), CURVE),
    "sampler, latent": lambda: (sampler(manifold=embedding()), CURVE),
    "sampler, Isomap": lambda: (sampler(manifold=Isomap(n_components=2)), CURVE),
    "sampler, PCA": lambda: (sampler(manifold=PCA(2), coupling="project"), CURVE),
    "sampler, U-net": lambda: (sampler(denoiser=net(**UNET)), X),
    "sampler, noise": lambda: (sampler(data_noise="auto", contamination=0.05), CURVE),
    "sampler, solver": lambda: (sampler(solver=SOLVERS["ancestral"]), X),
    "smoother": lambda: (RiemannianKernelSmoother(random_state=0), CURVE),
    "smoother, table": lambda: (KERNELS, mixed(), Y),
    "operator": lambda: (OperatorScoreMatching(), X),
    "levels": lambda: (HierarchicalSampler(levels=(1,), sampler=sampler(), random_state=0), X),
    "detector": lambda: (DiffusionAnomalyDetector(random_state=0), mixed()),
    "detector, some": lambda: (DiffusionAnomalyDetector(method=("neighbors", "kernel")), X),
    "detector, outliers": lambda: (DiffusionAnomalyDetector(contamination=0.1), mixed()),
    "imputer": lambda: (
        DiffusionImputer(sampler=sampler(), n_models=1, n_draws=4, random_state=0),
        mixed(),
    ),
    "imputer, draws": lambda: (
        DiffusionImputer(sampler=sampler(), n_models=2, strategy="draw", random_state=0),
        mixed(),
    ),
    "oversampler": lambda: (DiffusionOversampler(sampler=sampler(), random_state=0), mixed(), Y),
    "encoder": lambda: (TableEncoder(), mixed()),
    "embedding": lambda: (InvertibleEmbedding(Isomap(n_components=2)), CURVE),
    "autoencoder": lambda: (embedding(), CURVE),
    "net": lambda: (net(random_state=0), X),
    "net, SGD": lambda: (net(optimizer=torch.optim.SGD), X),
    "pipeline": lambda: (make_pipeline(LOGS, StandardScaler(), sampler()), X),
    "search": lambda: (GridSearchCV(KERNELS, {"bandwidth": [0.5, 1]}, cv=KFold(2)), X),
    "forest": lambda: (RandomForestRegressor(3, random_state=0), X, X[:, 0]),
}


@cache
def fitted(name):
    """Return a fitted estimator and the rows of its fit."""
    estimator, rows, *y = MAKERS[name]()
    if hasattr(estimator, "fit_resample"):
        estimator.fit_resample(rows, *y)
    else:
        estimator.fit(rows, *y)
    return estimator, rows


def answers(estimator, rows):
    """What a fitted estimator says, by method."""
    some = rows[:9]
    found = {}
    for method in ("score_samples", "predict_pvalue", "explain", "transform", "predict"):
        # a net predicts nothing without its noise
        if hasattr(estimator, method) and not isinstance(estimator, DenoiserNet):
            found[method] = getattr(estimator, method)(some)
    if hasattr(estimator, "sample"):
        found["sample"] = estimator.sample(5, random_state=1)
    if hasattr(estimator, "module_"):
        x = torch.ones(3, 4, dtype=torch.float64)
        found["denoised"] = estimator.denoiser()(x, x).mean.numpy()
    return found
