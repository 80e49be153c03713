"""One gross cell is no unit for the others, whatever is decided about a manifold."""

import numpy as np
import pandas as pd
import pytest

from skdiffusion import DenoiserNet, DiffusionManifoldSampler, DiffusionOversampler, TableEncoder


def ridge(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return np.column_stack([x, x + 0.3 * rng.normal(size=n)])


def skewed(n, seed):
    """Columns that are coded by ranks."""
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.lognormal(0, 1, n), rng.normal(200, 20, n)])


def sampler(**options):
    net = DenoiserNet(max_epochs=1, steps_per_epoch=10)
    return DiffusionManifoldSampler(denoiser=net, random_state=0, **options)


def spreads(rows):
    return np.subtract(*np.quantile(rows, [0.75, 0.25], axis=0))


@pytest.mark.parametrize("rows", [ridge, skewed])
@pytest.mark.parametrize("options", [{}, {"manifold": None}], ids=["auto", "none"])
def test_others_are_as_without_it(rows, options):
    X, fresh = rows(300, 0), rows(300, 1)
    clean = sampler(**options).fit(X)
    own = clean.sample(3000, random_state=0)
    for code in (999.0, 1e9, -1e6):
        A = X.copy()
        A[7, 0] = code
        model = sampler(**options).fit(A)
        assert model.score(fresh) == pytest.approx(clean.score(fresh), abs=0.05)
        drawn = model.sample(3000, random_state=0)
        np.testing.assert_allclose(spreads(drawn), spreads(own), rtol=0.05)
        rank, wanted = (pd.DataFrame(r).corr("spearman").iloc[0, 1] for r in (drawn, own))
        assert rank == pytest.approx(wanted, abs=0.03)
        assert model.score_samples(A[7:8]) < model.score_samples(fresh).min() - 50


def test_a_manifold_is_seen_beside_it():
    """Units and dimension are those of the other rows."""
    rng = np.random.default_rng(0)
    t = rng.uniform(0, 6, 300)
    X = np.column_stack([np.cos(t), np.sin(t), t / 3]) + 0.005 * rng.normal(size=(300, 3))
    clean = sampler().fit(X)
    X[7, 2] = 99999.0
    model = sampler().fit(X)
    assert clean.dimension_ == model.dimension_ == 1
    assert clean.coupling_ == model.coupling_
    scales = [[c.scale for c in m.model_.encoder.codecs_] for m in (clean, model)]
    np.testing.assert_allclose(*scales, rtol=0.02)


def test_a_latent_manifold_with_gross_rows():
    X = ridge(300, 0) @ np.random.default_rng(1).normal(size=(2, 3))
    X[7, 2] = 1e9
    drawn = sampler(coupling="latent").fit(X).sample(200, random_state=0)
    assert np.abs(drawn).max() < 50


@pytest.mark.parametrize("transform", ["auto", "standard", "quantile"])
def test_whatever_the_code(transform):
    X = ridge(300, 0)
    X[7, 1] = 1e9
    encoder = TableEncoder(numeric_transform=transform, constraints=None)
    drawn = sampler(encoder=encoder, manifold=None).fit(X).sample(300, random_state=0)
    np.testing.assert_allclose(spreads(drawn), spreads(X), rtol=0.25)


@pytest.mark.parametrize("code", [-999, 10**9, pd.Timestamp("9999-12-31")])
@pytest.mark.parametrize("target", ["classes", "numbers"])
def test_no_synthetic_row_starts_from_one(code, target):
    rng = np.random.default_rng(0)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 90, 300), unit="D")
    X = pd.DataFrame(
        {"x": rng.poisson(30, 300), "day": day.astype("M8[s]"), "z": rng.normal(size=300)}
    )
    name = "day" if isinstance(code, pd.Timestamp) else "x"
    extent = X[name].agg(["min", "max"])
    X.loc[5, name] = code
    y = np.repeat([1, 0], [50, 250]) if target == "classes" else np.repeat([9.0, 0.5], [50, 250])
    y = y if target == "classes" else y + rng.random(300)
    options = {} if target == "classes" else {"relevance": lambda y: (y > 5).astype(float)}
    oversampler = DiffusionOversampler(sampler=sampler(), random_state=0, **options)
    rows, _ = oversampler.fit_resample(X, y)
    assert oversampler.n_synthetic_ == 200
    assert 5 not in oversampler.sample_indices_[300:]
    new, reach = rows[name][300:], extent["max"] - extent["min"]
    assert new.between(extent["min"] - reach, extent["max"] + reach).all()
