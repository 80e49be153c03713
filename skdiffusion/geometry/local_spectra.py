"""Spectra of neighbourhoods of several sizes, and what they tell of dimension and noise.

Variances grow like the square of the radius along the manifold and like its fourth power across
it; that of the noise stays. Neighbour counts tell the dimension whatever the curvature, but only
roughly in many dimensions, and not below the noise.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma
from scipy.stats import beta
from sklearn.neighbors import NearestNeighbors

Floats = NDArray[np.float64]

_CHUNK = 2**22  # numbers held at once
# How the two kinds of evidence are weighed: chosen on fourteen manifolds at several noise levels,
# none of which is among those of the benchmark.
_MAX_GAP = 3.0
_FULL_GAP = 1.0
_COUNT_WIDTH = 0.15
_FLAT = 1e-3
_MARGIN = 0.2
_BEND = 1.5
_CLEAR = 2.0
_SMALLEST = 10


class Spectra(NamedTuple):
    """Distances and local spectra at some rows."""

    distances: Floats
    sizes: list[int]
    variances: list[Floats]
    n_rows: int

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return self.variances[0].shape[1]


def local_spectra(X: Floats, at: NDArray[np.intp], n_neighbors: int) -> Spectra:
    """Return the spectra of the neighbourhoods of some rows, in sizes that double."""
    d = X.shape[1]
    sizes = [_SMALLEST * 2**i for i in range(20) if _SMALLEST * 2**i <= n_neighbors]
    sizes = sizes or [n_neighbors]
    search = NearestNeighbors(n_neighbors=n_neighbors + 1).fit(X)
    # the neighbours, and the matrix whose eigenvalues are wanted
    n_chunks = -(-len(at) * n_neighbors * (d + min(n_neighbors, d)) // _CHUNK)
    distances, found = [], []
    for rows in np.array_split(at, n_chunks):
        # the first is the row itself
        length, index = (part[:, 1:] for part in search.kneighbors(X[rows]))
        distances.append(length)
        near = (X[index[:, :k]] for k in sizes)
        centred = (rows - rows.mean(1, keepdims=True) for rows in near)
        found.append([_eigenvalues(rows, max(rows.shape[1] - 1, 1)) for rows in centred])
    variances = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    return Spectra(np.concatenate(distances), sizes, variances, len(X))


def _eigenvalues(rows: Floats, freedom: int) -> Floats:
    """Return the eigenvalues (m, d) of ``rows' rows / freedom`` of rows (m, k, d), descending."""
    k, d = rows.shape[1:]
    turned = rows.transpose(0, 2, 1)
    # there are no more than k above zero: those of the inner products
    squares = (rows @ turned if k < d else turned @ rows) / freedom
    values = np.maximum(np.linalg.eigvalsh(squares)[:, ::-1], 0)
    return np.pad(values, ((0, 0), (0, d - values.shape[1])))


def noise_variance(spectra: Spectra, dimension: int) -> float:
    """Return the variance across a manifold that is left in neighbourhoods of no extent."""
    across = spectra.n_columns - dimension
    if across < 1:
        return 0.0
    values, extents = [], []
    tail = -(-across // 2)
    for k, variances in zip(spectra.sizes, spectra.variances, strict=True):
        freedom = k - 1 - dimension
        if k - 1 <= 2 * dimension + 5 or (share := _tail_share(across, freedom, tail)) < 0.05:
            continue
        mean = variances.mean(0)
        values.append(mean[-tail:].mean() * (k - 1) / freedom / share)
        extents.append(mean[:dimension].sum())
    # rows closer than the noise are neighbours because theirs is alike: it looks smaller there
    clear = [i for i, value in enumerate(values) if extents[i] > _CLEAR * across * value]
    first = clear[0] if clear else len(values) - 1
    first = min(first, len(values) - 2)
    if first < 0:
        return 0.0
    values, powers = values[first:], np.array(extents[first:]) ** _BEND
    starts = [
        values[i]
        - max(values[i + 1] - values[i], 0.0) * powers[i] / max(powers[i + 1] - powers[i], 1e-300)
        for i in range(min(2, len(values) - 1))
    ]
    return float(max(min([max(starts), *values]), 0.0))


@lru_cache(maxsize=256)
def _tail_share(d: int, freedom: int, tail: int) -> float:
    """Mean of the smallest variances of white noise of unit variance, by simulation."""
    rng = np.random.RandomState(0)
    white = rng.normal(size=(40, freedom, d))
    return float(_eigenvalues(white, freedom)[:, d - tail :].mean())


def count_dimension(
    spectra: Spectra,
    noise: float = 0.0,
    across: int = 0,
    *,
    pool: NDArray[np.intp] | None = None,
    start: int = 5,
) -> Floats:
    """Return the dimension at which the number of rows grows with the distance."""
    base = 2 * noise * across
    first, second, reaching = _count_range(spectra, base, start)
    near = spectra.distances[:, first - 1] ** 2 - base
    far = spectra.distances[:, second - 1] ** 2 - base
    if not reaching.any():
        near, reaching = np.maximum(near, 0.1 * base), far > 0.1 * base
    if not reaching.any():
        return np.full(1 if pool is None else len(near), float(spectra.n_columns))
    logs = np.zeros(len(near))
    logs[reaching] = 0.5 * np.log(np.maximum(far[reaching] / near[reaching], 1 + 1e-9))
    count = _pooled(reaching.astype(float), pool)
    slope = _pooled(logs, pool) / np.maximum(count, 1e-9)
    slope = np.where(count > 0, slope, logs.sum() / reaching.sum())
    raw = (digamma(second) - digamma(first)) / np.maximum(slope, 1e-9)
    return _corrected(raw, first / spectra.n_rows, second / spectra.n_rows)


def _count_range(spectra: Spectra, base: float, start: int) -> tuple[int, int, NDArray[np.bool_]]:
    """Return two neighbours, and which rows have the first of them beyond the noise."""
    limit = spectra.distances.shape[1]
    firsts = [start * 2**i for i in range(5) if start * 2 ** (i + 2) <= limit]
    candidates = []
    for first in [*firsts, max(limit // 4, 1)]:
        reaching = spectra.distances[:, first - 1] ** 2 > 1.5 * base
        candidates.append((first, min(max(4 * first, 2), limit), reaching))
        if reaching.mean() >= 0.85:
            break
    return max(candidates, key=lambda candidate: candidate[2].mean())


def _corrected(raw: Floats, low: float, high: float) -> Floats:
    true = np.concatenate([np.arange(0.5, 3, 0.05), np.arange(3, 150, 0.5)])
    if high >= 1:
        return raw
    near, far = (beta.ppf(share, true / 2, true / 2) for share in (low, high))
    seen = np.log(high / low) / (0.5 * np.log(far / near))
    return np.interp(raw, seen, true)


def select_dimension(
    spectra: Spectra,
    counted: Floats,
    noise: float,
    rank: int,
    *,
    width: float = _COUNT_WIDTH,
    pool: NDArray[np.intp] | None = None,
) -> NDArray[np.intp]:
    """Return the dimension that the spectra support, near the one that was counted."""
    gaps = np.minimum(_largest_gaps(spectra, noise, pool), _MAX_GAP)
    gaps[:, rank - 1] = _FULL_GAP
    gaps[:, rank:] = -np.inf
    orders = np.log(np.arange(1, gaps.shape[1] + 1))
    misfit = (orders - np.log(counted)[:, None]) / width
    return np.argmax(gaps - 0.5 * misfit**2, axis=1) + 1


def _largest_gaps(spectra: Spectra, noise: float, pool: NDArray[np.intp] | None) -> Floats:
    d = spectra.n_columns
    found = []
    for k, variances in zip(spectra.sizes, spectra.variances, strict=True):
        # what noise alone reaches in so few rows, by Marchenko and Pastur
        edge = ((1 + np.sqrt(d / k)) ** 2 - 1 + _MARGIN) * noise
        padded = np.pad(variances, ((0, 0), (0, 1))) - noise
        floor = _FLAT * variances[:, :1] + np.finfo(float).tiny
        logs = np.log(np.maximum(padded, edge) + floor)
        gaps = logs[:, :-1] - logs[:, 1:]
        gaps = _pooled(gaps, pool)
        # the least variances of so few rows fall to zero whatever the data
        gaps[:, 2 * np.arange(1, d + 1) + 5 > k] = -np.inf
        found.append(gaps)
    best = np.max(found, axis=0)
    return np.where(np.isfinite(best), best, 0.0)


def _pooled(values: Floats, pool: NDArray[np.intp] | None) -> Floats:
    """Return the means over the rows of each pool, or over all rows."""
    if pool is None:
        return np.asarray(values.mean(0, keepdims=True))
    # one column at a time: the values of all pools would not fit in memory
    return np.asarray(sum(values[column] for column in pool.T) / pool.shape[1])
