"""What every coupling has to do, whatever it draws: repeat itself, score, condition, and refuse."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.decomposition import PCA

from benchmarks.known_manifolds import Embedded, SwissRoll

COUPLINGS = ["latent", "project"]
NAMES = [f"x{j}" for j in range(6)]
ROLL = Embedded(SwissRoll(), 6)
X = ROLL.sample(150, noise=0.05, random_state=0)
FRESH = ROLL.sample(100, noise=0.05, random_state=1)
Y = np.where(X[:, 0] > np.median(X[:, 0]), "right", "left")


def small(quick, **options):
    """Make an embedding that is quick to fit, where there has to be one."""
    if options.get("coupling") == "latent":
        options.setdefault("manifold", PCA(3))
    return quick(**{"manifold": "auto"} | options)


@pytest.mark.parametrize("coupling", COUPLINGS)
class TestEvery:
    def test_the_same_for_the_same_seed(self, quick, coupling):
        first, second = (small(quick, coupling=coupling).fit(X) for _ in range(2))
        draws = [s.sample(5, random_state=1) for s in (first, second, first)]
        np.testing.assert_array_equal(draws[0], draws[1])
        np.testing.assert_array_equal(draws[0], draws[2])
        assert not np.array_equal(first.sample(5, random_state=2), draws[0])

    def test_score_and_latents(self, quick, coupling):
        sampler = small(quick, coupling=coupling).fit(X)
        scores = sampler.score_samples(FRESH[:3])
        assert np.isfinite(scores).all()
        alone = [sampler.score_samples(row[None])[0] for row in FRESH[:3]]
        np.testing.assert_allclose(scores, alone, rtol=1e-7, atol=1e-7)
        U = sampler.transform(FRESH[:3])
        assert U.shape == (3, len(sampler.get_feature_names_out()))
        again = pickle.loads(pickle.dumps(sampler))
        np.testing.assert_array_equal(again.score_samples(FRESH[:3]), scores)
        np.testing.assert_array_equal(again.transform(FRESH[:3]), U)
        fine = sampler.set_params(n_likelihood_steps=24)
        back = fine.inverse_transform(fine.transform(FRESH[:3]))
        if coupling == "latent":
            # up to what the embedding leaves out
            numbers = sampler.model_.encoder.encoder.transform(FRESH[:3])
            kept = sampler.model_.encoder.restore(sampler.model_.encoder.reencode(numbers))
            expected = sampler.model_.encoder.encoder.inverse_transform(kept)
            np.testing.assert_allclose(back, expected, atol=0.05)
        else:
            np.testing.assert_allclose(back, FRESH[:3], atol=0.05)

    def test_classes(self, quick, coupling):
        sampler = small(quick, coupling=coupling).fit(X, Y)
        _, y = sampler.sample(200, return_y=True, random_state=0)
        share = (Y == "left").mean()
        assert (y == "left").mean() == pytest.approx(share, abs=0.01)
        apart = [sampler.sample(200, y=k, random_state=0)[:, 0].mean() for k in ("left", "right")]
        assert apart[1] - apart[0] > 0.5
        assert sampler.sample_y(X[:3], 4, random_state=0).shape == (3, 4)

    def test_numeric_target(self, quick, coupling):
        sampler = small(quick, coupling=coupling).fit(X, X[:, 0] + 3)
        rows, y = sampler.sample(100, return_y=True, random_state=0)
        assert np.corrcoef(rows[:, 0], y)[0, 1] > 0.7
        apart = [sampler.sample(100, y=y, random_state=0)[:, 0].mean() for y in (2.5, 3.5)]
        assert apart[1] > apart[0]

    def test_frames(self, quick, coupling):
        frame = pl.DataFrame(dict(zip(NAMES, X.T, strict=True)))
        sampler = small(quick, coupling=coupling).fit(frame)
        drawn = sampler.sample(4, random_state=0)
        assert isinstance(drawn, pl.DataFrame)
        assert list(drawn.columns) == NAMES
        assert np.isfinite(drawn.to_numpy()).all()
        back = sampler.inverse_transform(sampler.transform(frame[:3]))
        assert isinstance(back, pl.DataFrame)

    def test_conditions(self, quick, coupling):
        sampler = small(quick, coupling=coupling).fit(X)
        conditions = {0: X[3, 0], 1: (0.0, None)}
        if coupling == "latent":
            with pytest.raises(ValueError, match="coupling='project'"):
                sampler.sample(5, conditions=conditions)
            return
        drawn = sampler.sample(20, conditions=conditions, random_state=0)
        np.testing.assert_allclose(drawn[:, 0], X[3, 0])
        assert (drawn[:, 1] >= 0).all()

    def test_categories_beside_numbers(self, quick, coupling):
        frame = pd.DataFrame(X, columns=NAMES).assign(side=Y)
        frame.loc[::9, "side"] = None
        sampler = small(quick, coupling=coupling).fit(frame)
        drawn = sampler.sample(200, random_state=0)
        assert set(drawn["side"]) == {"left", "right"}
        sides = drawn.groupby("side")["x0"].mean()
        assert sides["right"] > sides["left"]
        assert np.isfinite(sampler.score_samples(frame.dropna()[:3])).all()

    def test_missing_numbers(self, quick, coupling):
        gaps = X.copy()
        gaps[::5, 2] = np.nan
        sampler = small(quick, coupling=coupling)
        with pytest.raises(ValueError, match="missing"):
            sampler.fit(gaps)
        assert not hasattr(sampler, "model_")
