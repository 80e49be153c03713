"""What the benchmark of the kernel smoother measures: one function for each section.

A section is a function ``measure(case, n, seed, quick)`` that yields ``(method, metric, value)``.
"""

import time
from typing import NamedTuple

import numpy as np
import torch
from sklearn import datasets as sklearn_datasets
from sklearn.decomposition import PCA
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.model_selection import KFold
from sklearn.neighbors import KernelDensity, NearestNeighbors
from sklearn.utils import check_random_state

from benchmarks import _toys
from benchmarks._density import GaussianDensity, GaussianMixtureBIC, KernelDensityCV, SplineFlow
from benchmarks._gaussian_mixtures import (
    gaussian_mixture_log_density,
    gaussian_mixture_score,
    make_gaussian_mixture,
)
from skdiffusion.diffusion import EmpiricalDenoiser, score

N_TEST = 2000
TIMES = (0.02, 0.1, 0.5)

# Raw diffusion kernels: the data themselves, as a round kernel of next to no width.
RAW = {"metric": "euclidean", "bandwidth": (0.0, 1e-3), "background": None}

LIMIT_S = 300  # no larger fit is tried where it could take longer than that


def smoother(seed=0, **params):
    """Return the estimator under test, unfitted."""
    from skdiffusion._smoother import RiemannianKernelSmoother

    return RiemannianKernelSmoother(random_state=seed, **params)


def density_models(seed, quick):
    """Return the estimates to compare, by name.

    Like round kernels, "one_scale" takes the columns as they are: all are in one unit.
    """
    return {
        "kde": KernelDensityCV(random_state=seed),
        "kde_covariance": KernelDensityCV(covariance=True, random_state=seed),
        "gaussian": GaussianDensity(),
        "gmm": GaussianMixtureBIC(max_components=4 if quick else 16, random_state=seed),
        "kernels_only": smoother(seed, standardize=False, background=None),
        "one_scale": smoother(seed, standardize=False),
        "smoother": smoother(seed),
    }


# --- density and sample quality on toys ------------------------------------------------------


def _swissroll(n, seed):
    # A fifth of scikit-learn's size, and thin: noise of 0.05 in the unit returned.
    return sklearn_datasets.make_swiss_roll(n, noise=0.25, random_state=seed)[0] / 5


def _s_curve(n, seed):
    return sklearn_datasets.make_s_curve(n, noise=0.05, random_state=seed)[0]


def _moons(n, seed):
    return sklearn_datasets.make_moons(n, noise=0.1, random_state=seed)[0]


def _circles(n, seed):
    return 3 * sklearn_datasets.make_circles(n, factor=0.5, noise=0.08, random_state=seed)[0]


def _own(make):
    return lambda n, seed: make(n, random_state=seed)


TOYS = {
    "swissroll": (_swissroll, None),
    "s_curve": (_s_curve, None),
    "pinwheel": (_own(_toys.make_pinwheel), _toys.pinwheel_log_density),
    "two_spirals": (_own(_toys.make_two_spirals), _toys.two_spirals_log_density),
    "moons": (_moons, None),
    "eight_gaussians": (
        _own(_toys.make_eight_gaussians),
        _toys.eight_gaussians_log_density,
    ),
    "circles": (_circles, None),
    "checkerboard": (_own(_toys.make_checkerboard), _toys.checkerboard_log_density),
}


def toys(case, n, seed, quick):
    """Held-out log-likelihood, in nats a row."""
    make, log_density = TOYS[case]
    rows = make(n + N_TEST, seed)
    train, test = rows[:n], rows[n:]
    for name, model in density_models(seed, quick).items():
        yield name, "log_lik", model.fit(train).score_samples(test).mean()
    if log_density:
        yield "truth", "log_lik", log_density(test).mean()


def flow(case, n, seed, quick):
    """Held-out log-likelihood of a normalising flow, on the rows of `toys`."""
    rows = TOYS[case][0](n + N_TEST, seed)
    model = SplineFlow(max_epochs=2 if quick else 400, random_state=seed)
    yield "flow", "log_lik", model.fit(rows[:n]).score_samples(rows[n:]).mean()


def _mean_nearest(rows, among):
    return NearestNeighbors(n_neighbors=1).fit(among).kneighbors(rows)[0].mean()


def precision(case, n, seed, quick):
    """Mean distances from draws to the nearest true row and back, and for fresh true rows.

    Columns are standardised by the training rows.
    """
    n_draws, n_truth = 1000, 4000
    rows = TOYS[case][0](n + n_draws + n_truth, seed)
    rows = (rows - rows[:n].mean(axis=0)) / rows[:n].std(axis=0)
    train, fresh, truth = np.split(rows, [n, n + n_draws])
    draws = {
        "kde": KernelDensityCV(random_state=seed).fit(train).sample(n_draws, seed),
        "smoother": smoother(seed).fit(train).sample(n_draws, random_state=seed),
        "oracle": fresh,
    }
    for name, sample in draws.items():
        yield name, "draw_to_truth", _mean_nearest(sample, truth)
        yield name, "truth_to_draw", _mean_nearest(truth, sample)


def memory(case, n, seed, quick):
    """Mean distance to the nearest training row, of draws and of held-out rows.

    Columns are standardised by the training rows.
    """
    n_draws = 200 if quick else 1000
    rows = TOYS[case][0](n + n_draws, seed)
    rows = (rows - rows[:n].mean(axis=0)) / rows[:n].std(axis=0)
    train, held_out = rows[:n], rows[n:]
    raw = smoother(seed, **RAW).fit(train)
    noise = check_random_state(seed).standard_normal((n_draws, rows.shape[1]))
    draws = {
        "raw": raw.inverse_transform(noise),
        "kde": KernelDensityCV(random_state=seed).fit(train).sample(n_draws, seed),
        "smoother": smoother(seed).fit(train).sample(n_draws, random_state=seed),
        "held_out": held_out,
    }
    for name, sample in draws.items():
        yield name, "to_train", _mean_nearest(sample, train)


# --- real tables -----------------------------------------------------------------------------

JITTER = 0.01
REAL = {
    "iris": sklearn_datasets.load_iris,
    "wine": sklearn_datasets.load_wine,
    "diabetes": sklearn_datasets.load_diabetes,
    "breast_cancer": sklearn_datasets.load_breast_cancer,
    "digits_5": sklearn_datasets.load_digits,
    "digits_10": sklearn_datasets.load_digits,
    "digits_20": sklearn_datasets.load_digits,
}


def load_real(case, seed):
    """Return standardised rows, or principal components on one scale, with a jitter of 1 %."""
    rows = REAL[case]().data
    if case.startswith("digits"):
        rows = PCA(int(case.split("_")[1]), random_state=0).fit_transform(rows)
        rows = rows / rows.std()
    else:
        rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    return rows + JITTER * check_random_state(seed).standard_normal(rows.shape)


def real(case, n, seed, quick):
    """Log-likelihood of held-out rows over the folds: five, two for digits."""
    rows = load_real(case, seed)
    n_folds = 2 if case.startswith("digits") or quick else 5
    models = density_models(seed, quick)
    totals = dict.fromkeys(models, 0.0)
    for train, test in KFold(n_folds, shuffle=True, random_state=seed).split(rows):
        for name, model in models.items():
            totals[name] += model.fit(rows[train]).score_samples(rows[test]).sum()
    for name, total in totals.items():
        yield name, "log_lik", total / len(rows)


# --- scores against exact mixtures -----------------------------------------------------------

MIXTURES = {f"d={d}": {"n_features": d} for d in (1, 2, 4, 8, 16)} | {
    f"thin d={d}": {"n_features": d, "effective_rank": 2} for d in (3, 8, 16)
}


def scores(case, n, seed, quick):
    """Relative Fisher error of the score at each time, and held-out log-likelihood.

    All in coordinates standardised by the training rows, where the data follow the
    Ornstein-Uhlenbeck process of unit stationary variance.
    """
    rows, distribution = make_gaussian_mixture(n + N_TEST, random_state=seed, **MIXTURES[case])
    mean, scale = rows[:n].mean(axis=0), rows[:n].std(axis=0)
    rows = (rows - mean) / scale
    distribution["means"] = (distribution["means"] - mean) / scale
    distribution["covariances"] = distribution["covariances"] / np.outer(scale, scale)
    train, test = rows[:n], rows[n:]
    kde = KernelDensityCV(random_state=seed).fit(train)
    # the background is of the family of the truth, so what the kernels do is told apart
    ours = {
        "kernels_only": smoother(seed, background=None).fit(train),
        "smoother": smoother(seed).fit(train),
    }
    for name, model in ({"kde": kde} | ours).items():
        yield name, "log_lik", model.score_samples(test).mean()
    yield "truth", "log_lik", gaussian_mixture_log_density(test, **distribution).mean()
    noise = check_random_state(seed).standard_normal(test.shape)
    for t in TIMES:
        alpha, sigma = np.exp(-t), np.sqrt(-np.expm1(-2 * t))
        noisy = alpha * test + sigma * noise
        truth = gaussian_mixture_score(noisy, **_diffused(distribution, t))
        estimates = {
            "raw": _kernel_score(train, noisy, t, 0.0),
            "kde": _kernel_score(train, noisy, t, kde.bandwidth_),
            "gaussian": _gaussian_score(train, noisy, t),
        } | {name: model.score_field(noisy, t=t) for name, model in ours.items()}
        for name, estimate in estimates.items():
            error = ((estimate - truth) ** 2).sum() / (truth**2).sum()
            yield name, f"fisher t={t}", error


def _diffused(distribution, t):
    """The mixture after time t of the Ornstein-Uhlenbeck process."""
    shrink = np.exp(-2 * t)
    covariances = shrink * distribution["covariances"] + (1 - shrink) * np.eye(
        distribution["means"].shape[1]
    )
    return {
        "weights": distribution["weights"],
        "means": np.exp(-t) * distribution["means"],
        "covariances": covariances,
    }


def _kernel_score(train, noisy, t, bandwidth):
    """Score of round kernels of such a width around the rows, after time t."""
    alpha, tau2 = np.exp(-t), np.expm1(2 * t)
    sigma = torch.tensor(np.sqrt(tau2 + bandwidth**2))
    at = torch.from_numpy(noisy / alpha)
    return score(EmpiricalDenoiser(torch.from_numpy(train)), at, sigma).numpy() / alpha


def _gaussian_score(train, noisy, t):
    """Score of the Gaussian with mean and covariance of the rows, after time t."""
    mean, covariance = train.mean(axis=0), np.atleast_2d(np.cov(train.T, bias=True))
    distribution = {"weights": [1.0], "means": mean[None], "covariances": covariance[None]}
    return gaussian_mixture_score(noisy, **_diffused(distribution, t))


# --- imputation ------------------------------------------------------------------------------


def _thin_mixture(n, seed):
    return make_gaussian_mixture(n, 8, effective_rank=2, random_state=seed)[0]


# On the Swiss roll two columns tell next to nothing of the third; on thin components all do.
IMPUTED = {"swissroll": _swissroll, "thin_mixture": _thin_mixture}


def impute(case, n, seed, quick):
    """Root mean squared error of one missing entry a row, in units of the column's deviation.

    For what is within reach, `knn_many` is given 50,000 other rows.
    """
    n_test, n_many = 500, 5000 if quick else 50_000
    rows = IMPUTED[case](n + n_test + n_many, seed)
    rows = (rows - rows[:n].mean(axis=0)) / rows[:n].std(axis=0)
    train, test, many = np.split(rows, [n, n + n_test])
    column = check_random_state(seed).randint(rows.shape[1], size=n_test)
    holes = test.copy()
    holes[np.arange(n_test), column] = np.nan
    imputers = {
        "mean": SimpleImputer().fit(train).transform,
        "knn": KNNImputer().fit(train).transform,
        "iterative": IterativeImputer(random_state=seed).fit(train).transform,
        "smoother": smoother(seed).fit(train).impute,
        "knn_many": KNNImputer(n_neighbors=50).fit(many).transform,
    }
    for name, fill in imputers.items():
        errors = (fill(holes) - test)[np.arange(n_test), column]
        yield name, "rmse", np.sqrt((errors**2).mean())


# --- seconds ---------------------------------------------------------------------------------


def _clock(action, *args, repeats=1):
    """Return the fastest of a few runs, in wall seconds, and the last result."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = action(*args)
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def _sizes(quick):
    return (200, 400) if quick else (1000, 3000, 10_000, 30_000, 100_000)


def seconds(case, n, seed, quick):
    """Wall seconds: of fits with selection, of fits with given bandwidths, and of 1,000 scores.

    The bandwidths and neighbours given are those chosen at the first size.
    """
    sizes = _sizes(quick)
    if case == "swissroll":
        rows = _swissroll(sizes[-1] + 1000, seed)
    else:
        d = int(case.removeprefix("d="))
        rows, _ = make_gaussian_mixture(sizes[-1] + 1000, d, random_state=seed)
    test, rows = rows[:1000], rows[1000:]
    smoother(seed).fit(rows[:100])  # the first fit of a process loads code
    chosen, with_selection, given = None, _Guard(), _Guard()
    for size in sizes:
        train = rows[:size]
        if with_selection.allows(size):
            fit_s, model = _clock(smoother(seed).fit, train)
            with_selection.note(size, fit_s)
            chosen = chosen or {
                "bandwidth": tuple(model.bandwidth_),
                "n_neighbors": model.n_neighbors_,
                "background": model.background_ or None,
            }
            yield "smoother", f"fit with selection, n={size}", fit_s
        if given.allows(size):
            fit_s, model = _clock(smoother(seed, **chosen).fit, train)
            given.note(size, fit_s)
            yield "smoother", f"fit, bandwidths given, n={size}", fit_s
            score_s, _ = _clock(model.score_samples, test, repeats=2)
            yield "smoother", f"score, n={size}", score_s
        tree = KernelDensity(bandwidth=0.3).fit(train)
        yield "kde", f"score, n={size}", _clock(tree.score_samples, test, repeats=2)[0]


class _Guard:
    """Keeps a series of growing sizes from taking for ever."""

    def __init__(self):
        self.size, self.seconds = 1, 0.0

    def note(self, size, seconds):
        self.size, self.seconds = size, seconds

    def allows(self, size):
        """Whether a cost that grows with the square of the size stays below the limit."""
        return self.seconds * (size / self.size) ** 2 < LIMIT_S


class Section(NamedTuple):
    """A section: its function, its cases with numbers of training rows, and default seeds."""

    measure: object
    cells: list
    n_seeds: int
    quick_cells: list


SECTIONS = {
    "toys": Section(toys, [(c, n) for n in (200, 1000) for c in TOYS], 5, [("moons", 60)]),
    "flow": Section(flow, [(c, n) for n in (200, 1000) for c in TOYS], 1, [("moons", 60)]),
    "precision": Section(
        precision,
        [("swissroll", 200), ("swissroll", 1000), ("s_curve", 200)],
        3,
        [("swissroll", 60)],
    ),
    "memory": Section(memory, [("moons", 300), ("swissroll", 300)], 3, [("moons", 60)]),
    "real": Section(real, [(c, 0) for c in REAL], 1, [("iris", 0)]),
    "scores": Section(scores, [(c, 500) for c in MIXTURES], 5, [("d=2", 60), ("thin d=3", 60)]),
    "impute": Section(impute, [(c, 1000) for c in IMPUTED], 3, [("swissroll", 60)]),
    "time": Section(
        seconds, [(f"d={d}", 0) for d in (2, 5, 10)] + [("swissroll", 0)], 1, [("d=2", 0)]
    ),
}
