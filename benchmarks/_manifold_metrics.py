"""What rows, embeddings and tangent spaces are worth where the manifold is known."""

import warnings

import numpy as np
import ot
import torch
from scipy.linalg import subspace_angles
from scipy.stats import spearmanr
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from benchmarks._manifold_sets import N_DRAWN, N_TANGENTS
from skdiffusion.diffusion.jacobian import principal_directions
from skdiffusion.geometry.planes import local_planes

N_DIRECTIONS = 128
# one sample's own sliced distance varies by half; the reference is a mean
N_REFERENCES = 8
N_EMBEDDED = 1000
N_PAIRS = 200
N_NEIGHBORS = 10
K = 5
# at this many times the noise, or a tenth of the extent of a neighbourhood, tangents are read
TIMES_NOISE, LEAST_LEVEL = 3.0, 0.1


def prdc(real, fake, k=K):
    """Return precision, recall, density and coverage, by Euclidean distances.

    Parameters
    ----------
    real, fake : ndarray of shape (n, d) and (m, d)
        Rows.
    k : int, default=5
        Neighbours that define the ball around a row.

    Returns
    -------
    dict
        The four values.

    References
    ----------
    Naeem, M. F. et al. (2020). Reliable fidelity and diversity metrics for generative models. ICML.
    """
    own_real = NearestNeighbors(n_neighbors=k + 1).fit(real)
    own_fake = NearestNeighbors(n_neighbors=k + 1).fit(fake)
    radius_real = own_real.kneighbors(real)[0][:, -1]
    radius_fake = own_fake.kneighbors(fake)[0][:, -1]
    hits = np.zeros(len(fake))
    recalled = np.zeros(len(real), dtype=bool)
    covered = np.zeros(len(real), dtype=bool)
    for rows in np.array_split(np.arange(len(real)), -(-len(real) // 500)):
        square = (
            (real[rows] ** 2).sum(1)[:, None] + (fake**2).sum(1) - 2 * real[rows] @ fake.T
        ).clip(min=0)
        distance = np.sqrt(square)
        inside = distance <= radius_real[rows][:, None]
        hits += inside.sum(0)
        covered[rows] = inside.any(1)
        recalled[rows] = (distance <= radius_fake).any(1)
    return {
        "precision": float(np.mean(hits > 0)),
        "recall": float(recalled.mean()),
        "density": float(hits.mean() / k),
        "coverage": float(covered.mean()),
    }


def novelty(train, test, fake):
    """Return the median distance to the nearest training row, over that of fresh real rows."""
    search = NearestNeighbors(n_neighbors=1).fit(train)
    lengths = [np.median(search.kneighbors(part)[0]) for part in (fake, test)]
    return float(lengths[0] / lengths[1])


def judge_rows(known, rows, drawn, seed):
    """Return all values about drawn rows; what is not finite counts as drawn at the origin.

    Parameters
    ----------
    known : KnownSet
        The truth.
    rows : Rows
        Real rows.
    drawn : ndarray of shape (n, d)
        Rows to judge, the first 2,000 by everything but the share of a rare mode.
    seed : int
        Of the directions.

    Returns
    -------
    dict
        Values by name.
    """
    finite = np.isfinite(drawn).all(1)
    drawn = np.where(finite[:, None], drawn, 0.0)
    fake = drawn[:N_DRAWN]
    distance = known.manifold.distance(fake)
    return {
        "finite": float(finite.mean()),
        "distance": float(distance.mean()),
        "distance_95": float(np.quantile(distance, 0.95)),
        "sliced": sliced(rows.large, fake, seed),
        **prdc(rows.test, fake),
        "dcr_ratio": novelty(rows.train, rows.test, fake),
        "rare_ratio": known.rare_ratio(drawn) if known.is_rare else np.nan,
    }


def real_sliced(known, rows, seed):
    """Return the sliced distance that samples of real rows have on average."""
    samples = [
        known.manifold.sample(N_DRAWN, noise=known.noise, random_state=100 * seed + 70 + k)
        for k in range(N_REFERENCES)
    ]
    return float(np.mean([sliced(rows.large, X, seed) for X in samples]))


def sliced(A, B, seed):
    """Return the sliced 1-Wasserstein distance."""
    rng = np.random.RandomState(seed)
    return float(ot.sliced_wasserstein_distance(A, B, n_projections=N_DIRECTIONS, p=1, seed=rng))


def judge_embedding(known, train, embedded, seed):
    """Return how well an embedding of the training rows keeps neighbours and geodesics.

    Parameters
    ----------
    known : KnownSet
        The truth.
    train : ndarray of shape (n, d)
        Training rows.
    embedded : ndarray of shape (n, k) or None
        Their coordinates; None gives blanks.
    seed : int
        Of the pairs.

    Returns
    -------
    dict
        Trustworthiness, the rank correlation of Euclidean distances in the embedding with
        geodesics, and their mean relative error in the best unit.
    """
    blank = {"trustworthiness": np.nan, "geodesic_rank": np.nan, "geodesic_error": np.nan}
    if embedded is None or len(embedded) != len(train):
        return blank
    pairs = np.random.RandomState(seed).randint(len(train), size=(2, N_PAIRS))
    length = known.manifold.geodesic_distance(train[pairs[0]], train[pairs[1]])
    straight = np.linalg.norm(embedded[pairs[0]] - embedded[pairs[1]], axis=1)
    some = np.isfinite(length) & (length > 0)
    length, straight = length[some], straight[some]
    unit = np.median(length / np.maximum(straight, np.finfo(float).tiny))
    part = slice(N_EMBEDDED)
    return {
        "trustworthiness": trustworthiness(train[part], embedded[part], n_neighbors=N_NEIGHBORS),
        "geodesic_rank": float(spearmanr(length, straight).statistic),
        "geodesic_error": float(np.mean(np.abs(unit * straight / length - 1))),
    }


def reading_level(known, train):
    """Return the noise level at which tangents are read, in the unit of the table."""
    reach = NearestNeighbors(n_neighbors=50).fit(train).kneighbors(train[:500])[0][:, -1]
    return max(TIMES_NOISE * known.noise, LEAST_LEVEL * float(np.median(reach)))


def tangent_angle(known, train, distribution, seed, n_rows=N_TANGENTS):
    """Return the mean largest angle between true and learned tangent spaces, in degrees.

    Parameters
    ----------
    known : KnownSet
        The truth.
    train : ndarray of shape (n, d)
        Training rows.
    distribution : Distribution, "local" or None
        Denoiser in codes of columns; "local" takes principal components of neighbours instead;
        None gives a blank.
    seed : int
        Of the fresh rows at which the spaces are compared.
    n_rows : int, default=50
        How many there are.

    Returns
    -------
    float
        Degrees.
    """
    if distribution is None:
        return np.nan
    X = known.manifold.sample(n_rows, noise=known.noise, random_state=100 * seed + 50)
    truth, sizes = known.manifold.tangent_basis(X), known.manifold.local_dimension(X)
    if isinstance(distribution, str):
        found = {
            k: local_planes(train, k, n_neighbors=min(max(20, 3 * k), len(train)), queries=X).bases
            for k in np.unique(sizes)
        }
        bases = [found[k][i] for i, k in enumerate(sizes)]
    else:
        whole = distribution.tangents(X, reading_level(known, train))
        bases = [whole[i][:, :k] for i, k in enumerate(sizes)]
    angles = [
        subspace_angles(own[:, np.abs(own).max(0) > 0], basis)[0]
        for own, basis in zip(truth, bases, strict=True)
    ]
    return float(np.degrees(np.mean(angles)))


class Distribution:
    """A denoiser of codes that are each a monotone function of one column.

    Parameters
    ----------
    denoiser : Denoiser
        The denoiser of the codes.
    encode : callable
        From rows to codes.
    """

    def __init__(self, denoiser, encode):
        self.denoiser = denoiser
        self.encode = encode

    def tangents(self, X, level):
        """Return the directions that denoising keeps, in the table, those it keeps most first."""
        Z = np.asarray(self.encode(X), dtype=np.float64)
        step = 1e-3 * X.std(0).mean()
        # the codes per unit of the table, column by column
        slope = np.abs(self.encode(X + step) - self.encode(X - step)) / (2 * step)
        # a coding that bends ends somewhere: beyond it nothing is told
        slope = np.maximum(np.asarray(slope), 1e-3 * np.median(slope))
        sigma = torch.tensor(level * np.exp(np.log(slope).mean()), dtype=torch.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, vectors = principal_directions(self.denoiser, torch.from_numpy(Z), sigma)
        moved = vectors.detach().cpu().numpy() / slope[:, :, None]
        # in order, so that the leading directions stay the leading ones
        return np.linalg.qr(moved)[0]
