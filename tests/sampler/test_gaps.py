"""Tables with missing cells: learned from what is there, scored by it, and drawn with gaps."""

import copy
import itertools

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import trapezoid
from scipy.stats import multivariate_normal

from skdiffusion import TableEncoder

MEAN = np.array([3.0, -1.0, 500.0])
CORRELATION = np.array([[1.0, 0.8, 0.3], [0.8, 1.0, -0.2], [0.3, -0.2, 1.0]])
SCALE = np.array([0.1, 1.0, 100.0])
COV = CORRELATION * np.outer(SCALE, SCALE)


@pytest.fixture(scope="module")
def holed(trained):
    """A sampler of a Gaussian, a fifth of whose training cells are missing at random."""
    X = np.random.default_rng(0).multivariate_normal(MEAN, COV, 1500)
    X[np.random.default_rng(1).random(X.shape) < 0.2] = np.nan
    return trained(baseline="gaussian").fit(X)


class TestLearning:
    def test_nearly_the_distribution_of_the_complete_table(self, holed):
        rows = holed.sample(3000, random_state=0)
        assert not np.isnan(rows).any()
        assert_allclose((rows.mean(axis=0) - MEAN) / SCALE, 0, atol=0.1)
        assert_allclose(np.cov(rows.T) / np.outer(SCALE, SCALE), CORRELATION, atol=0.12)

    def test_scores_complete_rows_by_it(self, holed):
        fresh = np.random.default_rng(2).multivariate_normal(MEAN, COV, 200)
        truth = multivariate_normal(MEAN, COV).logpdf(fresh)
        scores = holed.score_samples(fresh)
        assert abs(np.mean(scores - truth)) < 0.05
        # what 1500 rows tell of the moments: .14 to .17 with three seeds
        assert np.mean(np.abs(scores - truth)) < 0.2

    def test_gaps_that_depend_on_what_is_seen_do_not_mislead(self, trained):
        """The second column is missing where the first is large: its mean must not suffer."""
        X = np.random.default_rng(0).multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], 1500)
        X[X[:, 0] > 0.3, 1] = np.nan
        assert np.nanmean(X[:, 1]) < -0.4
        rows = trained(baseline="gaussian").fit(X).sample(2000, random_state=0)
        assert abs(rows[:, 1].mean()) < 0.2
        assert np.corrcoef(rows.T)[0, 1] > 0.8


class TestScoring:
    @pytest.mark.parametrize("kept", [[2], [1, 4]])
    def test_is_by_the_marginal_distribution(self, gaussian, kept):
        rows = np.full((100, 5), np.nan)
        rows[:, kept] = gaussian.fresh[:100, kept]
        mean, cov = gaussian.truth.mean[kept], gaussian.truth.cov[np.ix_(kept, kept)]
        truth = multivariate_normal(mean, cov).logpdf(gaussian.fresh[:100, kept])
        scores = gaussian.sampler.score_samples(rows)
        assert abs(np.mean(scores - truth)) < 0.04 * len(kept)
        assert np.mean(np.abs(scores - truth)) < 0.1 * len(kept)

    def test_chain_rule(self, gaussian, trained, global_random_seed):
        """The joint density less the marginal one is that of a column given the others."""
        # without steps of training the model is the Gaussian of the rows, and the rule alone counts
        sampler = trained(max_epochs=1, baseline="gaussian", random_state=global_random_seed)
        sampler = sampler.set_params(denoiser__lr=0.0).fit(gaussian.X)
        X = gaussian.fresh[:100]
        without = X.copy()
        without[:, 4] = np.nan
        cov, mean = gaussian.truth.cov, gaussian.truth.mean
        gain = np.linalg.solve(cov[:4, :4], cov[:4, 4])
        std = np.sqrt(cov[4, 4] - cov[4, :4] @ gain)
        expected = multivariate_normal(0, std**2).logpdf(
            X[:, 4] - mean[4] - (X - mean)[:, :4] @ gain
        )
        difference = sampler.score_samples(X) - sampler.score_samples(without)
        assert abs(np.mean(difference - expected)) < 0.05
        assert np.corrcoef(difference, expected)[0, 1] > 0.98

    def test_an_empty_row_says_nothing(self, gaussian):
        assert_array_equal(gaussian.sampler.score_samples(np.full((2, 5), np.nan)), 0)

    def test_is_independent_of_other_rows(self, holed):
        sampler = copy.copy(holed).set_params(n_likelihood_steps=5)
        X = np.random.default_rng(3).multivariate_normal(MEAN, COV, 40)
        X[np.random.default_rng(4).random(X.shape) < 0.3] = np.nan
        scores = sampler.score_samples(X)
        order = np.random.default_rng(5).permutation(40)
        assert_allclose(sampler.score_samples(X[order]), scores[order], rtol=0, atol=1e-9)
        alone = np.concatenate([sampler.score_samples(row[None]) for row in X[:4]])
        assert_allclose(alone, scores[:4], rtol=0, atol=1e-9)

    def test_levels_sum_to_one_given_any_cells(self, quick):
        rng = np.random.default_rng(0)
        frame = pd.DataFrame({"x": rng.normal(size=200), "c": rng.choice(list("abc"), 200)})
        frame["d"] = np.where(frame["x"] > 0, "yes", rng.choice(["yes", "no"], 200))
        sampler = quick().fit(frame)
        for x, c in [(np.nan, None), (0.4, None), (np.nan, "b"), (0.4, "b")]:
            one = pd.DataFrame({"x": [x] * 3, "c": [c] * 3, "d": ["yes", "no", None]})
            *each, marginal = sampler.score_samples(one.astype({"d": object, "c": object}))
            assert_allclose(np.exp(each).sum(), np.exp(marginal), rtol=1e-6)


@pytest.fixture(scope="module")
def informative(trained):
    """The second column is missing where the first is large, the level now and then."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=1200)
    y = x + 0.5 * rng.normal(size=1200)
    y[rng.random(1200) < 1 / (1 + np.exp(-3 * (x - 0.5)))] = np.nan
    level = np.where(rng.random(1200) < 0.15, None, rng.choice(["a", "b"], 1200))
    frame = pd.DataFrame({"x": x, "y": y, "level": level})
    sampler = trained(max_epochs=15, encoder=TableEncoder(missing_indicator=True))
    return frame, sampler.fit(frame)


class TestGenerating:
    def test_shares_of_gaps(self, informative):
        frame, sampler = informative
        rows = sampler.sample(2000, random_state=0)
        assert (rows.dtypes == frame.dtypes).all()
        assert_allclose(rows.isna().mean(), frame.isna().mean(), atol=0.04)

    def test_where_they_are(self, informative):
        frame, sampler = informative
        rows = sampler.sample(2000, random_state=0)
        for low, high in [(-9, 0), (0.2, 0.8), (1, 9)]:
            drawn, seen = (
                table.loc[table["x"].between(low, high), "y"].isna().mean()
                for table in (rows, frame)
            )
            assert abs(drawn - seen) < 0.15

    def test_what_is_there(self, informative):
        frame, sampler = informative
        rows, seen = (t.dropna(subset="y") for t in (sampler.sample(3000, random_state=0), frame))
        assert abs(rows["y"].mean() - seen["y"].mean()) < 0.2
        assert abs(rows[["x", "y"]].corr().iloc[0, 1] - seen[["x", "y"]].corr().iloc[0, 1]) < 0.1

    def test_off_means_complete_rows(self, quick, informative):
        rows = quick().fit(informative[0][:100]).sample(200, random_state=0)
        assert not rows.isna().any(axis=None)

    def test_gaps_answer_to_conditions(self, informative):
        _, sampler = informative
        high, low = (
            sampler.sample(300, conditions={"x": value}, random_state=0)["y"].isna().mean()
            for value in (1.2, -0.5)
        )
        assert high > 0.75
        assert low < 0.15

    def test_a_gap_is_scored_by_its_probability(self, informative):
        """Missing and there, whatever is there, have the probability of the rest together."""
        frame, sampler = informative
        sampler = copy.copy(sampler).set_params(n_likelihood_steps=10)
        grid = np.linspace(-5, 5, 61)
        shares = []
        for x in (-0.5, 0.5, 1.2):
            rows = pd.DataFrame({"x": x, "y": np.append(grid, np.nan), "level": "a"})
            *there, gap = np.exp(sampler.score_samples(rows))
            total = trapezoid(there, grid) + gap
            density = np.mean(frame["x"].between(x - 0.3, x + 0.3)) / 0.6
            assert abs(total / (density * np.mean(frame["level"] == "a")) - 1) < 0.3
            shares.append(gap / total)
        # the network is coarse where a number is unknown, but tells where gaps are likely
        assert shares[0] < 0.3
        assert shares[0] + 0.1 < shares[1] < shares[2] - 0.1

    def test_levels_and_their_gap_sum_to_one(self, quick):
        rng = np.random.default_rng(0)
        frame = pd.DataFrame(
            {"c": rng.choice(["a", "b", None], 300), "d": rng.choice(["u", "v", "w", None], 300)},
            dtype=object,
        )
        sampler = quick(encoder=TableEncoder(missing_indicator=True)).fit(frame)
        cells = itertools.product(["a", "b", None], ["u", "v", "w", None])
        every = pd.DataFrame(list(cells), columns=["c", "d"], dtype=object)
        assert_allclose(np.exp(sampler.score_samples(every)).sum(), 1, rtol=1e-6)
        shares = frame.isna().value_counts(normalize=True)
        scores = pd.Series(np.exp(sampler.score_samples(every))).groupby(
            [every["c"].isna(), every["d"].isna()]
        )
        for key, share in shares.items():
            assert abs(scores.sum()[key] - share) < 0.06
