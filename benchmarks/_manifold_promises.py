"""What is promised of a manifold that the main runs do not show: noise, outliers, exploration."""

from functools import partial

import numpy as np
from scipy.spatial import cKDTree

from benchmarks._manifold_methods import budgeted_net
from benchmarks._manifold_metrics import judge_rows
from benchmarks._manifold_sets import N_LARGE, draw
from skdiffusion import DiffusionManifoldSampler
from skdiffusion.manifold import explore, interpolate

MORE_NOISE = 0.1
OUTLIERS = 0.05
N_CHOSEN = 50
N_DENSE, N_DRAWS = 5000, 5
# a place is sparse where the tenth of 20,000 real rows is farther than for nine in ten real rows
SPARSE, SPARSE_NEIGHBORS = 0.1, 10
N_PATHS, N_POINTS = 10, 40
ROBUST_SETS, PATH_SETS = ("swiss50", "sphere20"), ("swiss3", "swiss50", "sphere20")


def noisy(known, seed, *, quick=False, n_rows=2000):
    """Yield the distance of samples from the manifold after training on noisy rows.

    Parameters
    ----------
    known : KnownSet
        The set.
    seed : int
        Of rows and methods.
    quick : bool, default=False
        Whether to train for an epoch only.
    n_rows : int, default=2000
        Training rows.

    Yields
    ------
    tuple of (measure, method, value)
        Where a parameter does not exist, the value is a blank.
    """
    rows = draw(known, seed, n_rows=n_rows, noise=MORE_NOISE)
    yield "distance", "real", float(known.manifold.distance(rows.train).mean())
    ways = {
        "none": {"manifold": None},
        "auto": {},
        "auto, data_noise=auto": {"data_noise": "auto"},
        "auto, data_noise known": {"data_noise": MORE_NOISE},
    }
    for name, params in ways.items():
        drawn = _drawn(rows.train, seed, quick, params)
        yield "distance", name, _mean_distance(known, drawn)


def outliers(known, seed, *, quick=False, n_rows=2000):
    """Yield what samples are worth where a twentieth of the rows are outliers."""
    rows = draw(known, seed, n_rows=n_rows)
    rng = np.random.RandomState(seed)
    train = rows.train.copy()
    some = rng.choice(len(train), int(OUTLIERS * len(train)), replace=False)
    covariance = np.cov(train.T) + 1e-12 * np.eye(train.shape[1])
    train[some] = rng.multivariate_normal(train.mean(0), 2 * covariance, size=len(some))
    # across the manifold too: as far as columns spread
    train[some] += rng.normal(size=train[some].shape) * np.sqrt(np.diag(covariance).mean())
    for name, params in {"none": {"manifold": None}, "auto": {}}.items():
        drawn = _drawn(train, seed, quick, params)
        if drawn is None:
            yield "coverage", name, np.nan
            continue
        values = judge_rows(known, rows, drawn, seed)
        limit = 3 * max(np.quantile(known.manifold.distance(rows.test), 0.95), 1e-3)
        yield "coverage", name, values["coverage"]
        yield "on the manifold", name, float(np.mean(known.manifold.distance(drawn) <= limit))


def exploration(known, seed, *, quick=False, n_rows=2000):
    """Yield how landmarks cover the manifold, and how many new rows lie where rows are few."""
    model = _fitted(known, seed, quick, n_rows)
    dense = known.manifold.sample(N_DENSE, random_state=100 * seed + 60)
    neighbors = cKDTree(known.manifold.sample(N_LARGE, random_state=100 * seed + 61))
    limit = np.quantile(neighbors.query(dense, k=SPARSE_NEIGHBORS)[0][:, -1], 1 - SPARSE)

    def gap(points):
        return float(cKDTree(points).query(dense)[0].max())

    def sparse(points):
        on_manifold = known.manifold.project(points)
        return float(np.mean(neighbors.query(on_manifold, k=SPARSE_NEIGHBORS)[0][:, -1] > limit))

    random = [model.sample(N_CHOSEN, random_state=seed + k) for k in range(N_DRAWS)]
    ways = {"largest gap": (gap, False), "in sparse places": (sparse, True)}
    for measure, (judge, avoid_seen) in ways.items():
        yield measure, "none", np.mean([judge(X) for X in random])
        options = {"avoid_seen": avoid_seen, "random_state": seed}
        chosen = _tried(partial(explore, model, N_CHOSEN, **options))
        yield measure, "auto", np.nan if chosen is None else judge(np.asarray(chosen))


def paths(known, seed, *, quick=False, n_rows=2000):
    """Yield how far paths are from the manifold, and how their lengths differ from geodesics."""
    rows, rng = draw(known, seed, n_rows=n_rows), np.random.RandomState(seed)
    model = _fitted(known, seed, quick, n_rows)
    ends = rows.test[rng.permutation(len(rows.test))[: 2 * N_PATHS]].reshape(N_PATHS, 2, -1)
    geodesics = known.manifold.geodesic_distance(ends[:, 0], ends[:, 1])
    own = max(known.manifold.distance(rows.test).mean(), np.finfo(float).eps)
    share = np.linspace(0, 1, N_POINTS)[:, None]
    # without a manifold there is nothing but the straight line
    lines = [a + share * (b - a) for a, b in ends]
    yield from _judged(known, lines, geodesics, own, "none")
    found = _tried(
        lambda: [np.asarray(interpolate(model, a[None], b[None], N_POINTS)) for a, b in ends]
    )
    if found is None:
        yield "distance of paths", "auto", np.nan
        yield "error of lengths", "auto", np.nan
        return
    yield from _judged(known, found, geodesics, own, "auto")


def _judged(known, found, geodesics, own, name):
    distance = np.mean([known.manifold.distance(path).mean() for path in found])
    lengths = np.array([np.linalg.norm(np.diff(path, axis=0), axis=1).sum() for path in found])
    some = np.isfinite(geodesics) & (geodesics > 0)
    yield "distance of paths", name, float(distance)
    if known.noise > 0:
        yield "distance of paths over that of rows", name, float(distance / own)
    yield "error of lengths", name, float(np.mean(np.abs(lengths / geodesics - 1)[some]))


def _fitted(known, seed, quick, n_rows):
    train = draw(known, seed, n_rows=n_rows).train
    return DiffusionManifoldSampler(denoiser=_net(quick), random_state=seed).fit(train)


def _net(quick):
    return budgeted_net(0, 1 if quick else None)


def _drawn(X, seed, quick, params):
    def fit_and_draw():
        model = DiffusionManifoldSampler(denoiser=_net(quick), random_state=seed, **params)
        return model.fit(X).sample(2000, random_state=seed)

    return _tried(fit_and_draw)


def _mean_distance(known, drawn):
    return np.nan if drawn is None else float(known.manifold.distance(drawn).mean())


def _tried(function):
    """Return what a function returns, None where it fails: what is missing leaves a blank."""
    try:
        return function()
    except Exception as error:
        print(f"    failed: {type(error).__name__}: {error}", flush=True)
        return None


SECTIONS = {
    "noise": (noisy, ROBUST_SETS),
    "outliers": (outliers, ROBUST_SETS),
    "exploration": (exploration, (*PATH_SETS, "rare10")),
    "paths": (paths, PATH_SETS),
}
