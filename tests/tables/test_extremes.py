"""Tests of `TableEncoder` on spikes, heavy tails, and numbers of any size."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm

from skdiffusion._utils.gross import far_out
from skdiffusion.tables.encoder import TableEncoder

pytestmark = pytest.mark.filterwarnings("error")

N = 2000


def columns():
    rng = np.random.default_rng(0)
    spike = rng.random(N) < 0.95
    return {
        "zeros and a tail": np.where(spike, 0.0, rng.lognormal(0, 3, N)),
        "zeros and a tiny tail": np.where(spike, 0.0, 1e-120 * rng.lognormal(0, 3, N)),
        "whole with a tail": np.floor(rng.pareto(0.3, N).clip(0, 2.0**50)),
        "whole and one huge": np.r_[rng.integers(0, 9, N - 1), 1e140],
        "tiny": 1e-140 * rng.normal(size=N),
        "huge": 1e140 * rng.normal(size=N),
        "all magnitudes": rng.choice([-1, 1], N) * 10 ** rng.uniform(-140, 140, N),
    }


COLUMNS = columns()


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("transform", ["auto", "standard", "quantile"])
@pytest.mark.parametrize("name", COLUMNS)
def test_codes_of(name, transform, clip):
    x = COLUMNS[name]
    # in a frame: scikit-learn adds up the numbers of an array, beyond their range
    X = pd.DataFrame({"a": x})
    encoder = TableEncoder(numeric_transform=transform, clip=clip).fit(X)
    Z = encoder.transform(X)
    assert np.isfinite(Z).all()
    # but for cells far off all others, which set no unit
    assert np.abs(Z[~far_out(x)]).max() < 50
    # behind a spike the last code says nothing
    told = ~encoder.void_features(Z)[:, -1]
    assert_array_equal(np.argsort(x[told], kind="stable")[0], np.lexsort((x[told], Z[told, -1]))[0])
    back = encoder.inverse_transform(Z)["a"].to_numpy()
    unit = np.abs(x).max()
    assert_allclose(back / unit, x / unit, rtol=1e-9, atol=1e-12)
    spread = encoder.inverse_transform(encoder.dequantize(Z, random_state=0))["a"]
    assert_array_equal(spread, back)
    codes = 4 * np.random.default_rng(1).normal(size=(500, encoder.n_encoded_))
    drawn = encoder.inverse_transform(codes)["a"]
    assert np.isfinite(drawn).all()
    if clip:
        assert drawn.between(x.min(), x.max()).all()
    assert np.isfinite(encoder.log_volume(X, 0.1)).all()
    beyond = encoder.transform(pd.DataFrame({"a": [-1e150, 0.0, 1e150]}))
    assert np.isfinite(beyond).all()
    assert np.all(np.diff(beyond[~encoder.void_features(beyond)[:, -1], -1]) >= 0)


@pytest.mark.parametrize("name", COLUMNS)
def test_ranks_are_scored(name):
    """The quantile code of a value lies at the middle of its ranks, however far it is out."""
    x = COLUMNS[name]
    Z = TableEncoder(numeric_transform="quantile").fit_transform(pd.DataFrame({"a": x}))[:, 0]
    # cells far off all others have no rank
    regular = ~far_out(x)
    x, Z, N = x[regular], Z[regular], regular.sum()
    below = np.searchsorted(np.sort(x), x)
    upto = np.searchsorted(np.sort(x), x, side="right")
    got = norm.cdf(Z)
    # knots are up to thirty rows apart
    assert np.all(got > below / N - 31 / N)
    assert np.all(got < upto / N + 31 / N)
    assert_allclose(got[upto - below > 0.01 * N], ((below + upto) / (2 * N))[
        upto - below > 0.01 * N], rtol=1e-3)  # fmt: skip


@pytest.mark.parametrize("exponent", [-400, 400])
def test_density_counts_in_units_of_the_column(exponent):
    x = np.random.default_rng(0).normal(size=N)
    plain, scaled = pd.DataFrame({"a": x}), pd.DataFrame({"a": np.ldexp(x, exponent)})
    for transform in ["standard", "quantile"]:
        encoder = TableEncoder(numeric_transform=transform).fit(plain)
        other = TableEncoder(numeric_transform=transform).fit(scaled)
        assert_allclose(other.transform(scaled), encoder.transform(plain), atol=1e-9)
        assert_allclose(
            other.log_volume(scaled, 0.1) + exponent * np.log(2), encoder.log_volume(plain, 0.1),
            atol=1e-9,
        )  # fmt: skip


@pytest.mark.parametrize("transform", ["auto", "quantile"])
def test_spike_and_tail_come_back_in_their_shares(transform):
    """Whether the spike is a category of its own or an atom among the ranks."""
    x = COLUMNS["zeros and a tail"]
    X = pd.DataFrame({"a": x})
    encoder = TableEncoder(numeric_transform=transform).fit(X)
    rng = np.random.default_rng(1)
    codes = rng.normal(size=(100000, encoder.n_encoded_))
    if transform == "auto":
        assert encoder.transforms_ == ["spike"]
        codes[:, 0] = rng.choice(encoder.transform(X)[:, 0], len(codes))
    drawn = encoder.inverse_transform(codes)["a"]
    assert_allclose(np.mean(drawn == 0), np.mean(x == 0), atol=0.003)
    shares = [0.2, 0.5, 0.8, 0.95]
    assert_allclose(np.quantile(drawn[drawn > 0], shares), np.quantile(x[x > 0], shares), rtol=0.3)
    # a value that many rows share counts with its frequency
    sigma = 0.01
    volume = encoder.log_volume(pd.DataFrame({"a": [0.0]}), sigma)[0]
    assert_allclose(np.exp(volume) * np.mean(x == 0) / np.sqrt(2 * np.pi) / sigma, np.mean(x == 0))
