"""Rows that are drawn given weighted sums of their columns."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA

from skdiffusion import OperatorScoreMatching, RiemannianKernelSmoother, TableEncoder
from skdiffusion.tables import Inequality, LinearMeasurement

STANDARD = TableEncoder(numeric_transform="standard", clip=False)


def table(n=300):
    """Numbers with a constant one and whole ones between them, and a category."""
    rng = np.random.default_rng(0)
    level = rng.normal(size=n)
    return pd.DataFrame(
        {
            "a": level + 0.3 * rng.normal(size=n),
            "same": 7.0,
            "count": rng.poisson(40 + 5 * np.clip(level, -2, 2)),
            "city": np.where(level > 0, "Oslo", "Bern"),
            "b": 100 + 10 * rng.normal(size=n),
        }
    )


@pytest.fixture(scope="module")
def frame():
    return table()


@pytest.fixture(scope="module")
def sampler(quick, frame):
    return quick(encoder=STANDARD).fit(frame)


class TestDistribution:
    @pytest.mark.parametrize("noise", [0.0, np.array([0.05, 20.0])], ids=["exact", "noisy"])
    def test_is_that_of_a_gaussian_given_the_measurement(self, gaussian, noise, global_random_seed):
        matrix = np.array([[10.0, 1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0, 1.0]])
        mean, cov, values = gaussian.truth.mean, gaussian.truth.cov, np.array([30.0, 540.0])
        noise_cov = np.diag(np.broadcast_to(noise, 2) ** 2)
        gain = cov @ matrix.T @ np.linalg.inv(matrix @ cov @ matrix.T + noise_cov)
        mean, cov = mean + gain @ (values - matrix @ mean), cov - gain @ matrix @ cov
        rows = gaussian.sampler.sample(
            1000,
            conditions=LinearMeasurement(matrix, values, noise),
            random_state=global_random_seed,
        )
        std = np.sqrt(np.diag(cov))
        assert_allclose((rows.mean(axis=0) - mean) / std, 0, atol=0.15)
        assert_allclose(rows.std(axis=0) / std, 1, atol=0.12)
        assert_allclose(np.corrcoef(rows.T), cov / np.outer(std, std), atol=0.12)

    def test_of_a_selected_column_is_that_given_its_cell(self, gaussian):
        selected = LinearMeasurement(np.eye(5)[[3]], [14.0])
        rows = gaussian.sampler.sample(1000, conditions=selected, random_state=0)
        assert_allclose(rows[:, 3], 14.0, atol=1e-6)
        given = gaussian.sampler.sample(1000, conditions={3: 14.0}, random_state=0)
        std = gaussian.X.std(axis=0)
        assert_allclose((rows.mean(axis=0) - given.mean(axis=0)) / std, 0, atol=0.1)
        assert_allclose(rows.std(axis=0) / std, given.std(axis=0) / std, atol=0.1)

    def test_of_a_class(self, blobs, trained):
        """The sum says how far out a row lies; the class, in which direction."""
        sampler = trained(max_epochs=10, encoder=STANDARD).fit(blobs.X, blobs.y)
        total = LinearMeasurement([[1.0, 1.0]], [4.5])
        rows = sampler.sample(200, conditions=total, y="green", random_state=0)
        assert_allclose(rows.sum(axis=1), 4.5, atol=1e-6)
        assert np.mean(blobs.class_of(rows) == "green") > 0.95
        assert_allclose(rows.mean(axis=0), [4.25, 0.25], atol=0.15)

    def test_of_kernels(self, gaussian):
        encoder = clone(STANDARD).set_params(constraints=None)
        smoother = RiemannianKernelSmoother(bandwidth=0.3, encoder=encoder, random_state=0)
        smoother.fit(gaussian.X[:300, 1:3])
        rows = smoother.sample(500, conditions=LinearMeasurement([[1, 1]], [0.5]), random_state=0)
        assert_allclose(rows.sum(axis=1), 0.5, atol=1e-6)
        cov, mean = gaussian.truth.cov[1:3, 1:3], gaussian.truth.mean[1:3]
        gain = cov.sum(axis=1) / cov.sum()
        assert_allclose(rows.mean(axis=0), mean + gain * (0.5 - mean.sum()), atol=0.25)

    def test_of_kernels_on_a_column_that_never_changes(self, gaussian):
        """Which says nothing, alone and beside others."""
        smoother = RiemannianKernelSmoother(bandwidth=0.3, encoder=STANDARD, random_state=0)
        smoother.fit(np.column_stack([gaussian.X[:300, 1:3], np.full(300, 2.0)]))
        for matrix, values in (([[0, 0, 1]], [2.0]), ([[1, 1, 0], [0, 0, 1]], [0.5, 2.0])):
            measured = LinearMeasurement(matrix, values)
            rows = smoother.sample(20, conditions=measured, random_state=0)
            assert_allclose(rows @ np.transpose(matrix), [values] * 20, atol=1e-6)


class TestUnits:
    def test_constants_and_columns_of_other_scales(self, sampler):
        matrix = pd.DataFrame({"b": [1.0, 0.0], "same": [1.0, 1.0], "a": [3.0, 1.0]})
        measured = LinearMeasurement(matrix, [115.0, 7.5])
        rows = sampler.sample(20, conditions=measured, random_state=0)
        assert_allclose(rows["b"] + rows["same"] + 3 * rows["a"], 115.0, atol=1e-6)
        assert_allclose(rows["a"], 0.5, atol=1e-6)
        assert rows["count"].nunique() > 5

    def test_whole_numbers_are_rounded(self, sampler):
        measured = LinearMeasurement(pd.DataFrame({"count": [1.0], "a": [1.0]}), [45.25])
        rows = sampler.sample(50, conditions=measured, random_state=0)
        assert (rows["count"] == rows["count"].round()).all()
        sums = rows["count"] + rows["a"]
        assert np.abs(sums - 45.25).max() <= 0.5 + 1e-6
        assert np.abs(sums - 45.25).max() > 1e-3

    @pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
    def test_by_name(self, sampler, frame, library):
        whole = np.zeros((1, 5))
        whole[0, [0, 4]] = 2.0, -1.0
        by_position = sampler.sample(
            5, conditions=LinearMeasurement(whole, [-90.0]), random_state=0
        )
        named = LinearMeasurement(library({"b": [-1.0], "a": [2.0]}), [-90.0])
        pd.testing.assert_frame_equal(
            sampler.sample(5, conditions=named, random_state=0), by_position
        )

    def test_columns_that_have_gaps_are_drawn_without(self, quick, frame):
        numbers = frame[["a", "b"]]
        gappy = numbers.mask(np.random.default_rng(1).random(numbers.shape) < 0.4)
        encoder = TableEncoder(numeric_transform="standard", clip=False, missing_indicator=True)
        sampler = quick(encoder=encoder).fit(gappy)
        only_a = LinearMeasurement([[1.0, 0.0]], [0.5])
        rows = sampler.sample(100, conditions=only_a, random_state=0)
        assert_allclose(rows["a"], 0.5, atol=1e-6)
        assert 10 < rows["b"].isna().sum() < 90


class TestNumberOfRows:
    MATRIX = np.array([[1.0, 1.0, 0.0, 0.0, 0.0]])

    def test_is_that_of_the_values(self, gaussian):
        values = np.linspace(2, 4, 7)[:, None]
        rows = gaussian.sampler.sample(
            conditions=LinearMeasurement(self.MATRIX, values), random_state=0
        )
        assert_allclose(rows @ self.MATRIX.T, values, atol=1e-6)

    def test_another_number(self, gaussian):
        measured = LinearMeasurement(self.MATRIX, np.zeros((3, 1)))
        with pytest.raises(ValueError, match="conditions has 3 entries, but n_samples=2"):
            gaussian.sampler.sample(2, conditions=measured)

    def test_rows_do_not_depend_on_chunks(self, gaussian, monkeypatch):
        values = np.linspace(2, 4, 40)[:, None]
        measured = LinearMeasurement(self.MATRIX, values)
        whole = gaussian.sampler.sample(conditions=measured, random_state=0)
        monkeypatch.setattr("skdiffusion.model.drawing.MAX_ELEMENTS", 5 * 17)
        parts = gaussian.sampler.sample(conditions=measured, random_state=0)
        assert_allclose(parts, whole, rtol=1e-5)

    def test_the_same_seed_draws_the_same(self, sampler):
        measured = LinearMeasurement(np.eye(5)[[0]], [0.3])
        one, other = (sampler.sample(9, conditions=measured, random_state=3) for _ in range(2))
        assert_array_equal(one.to_numpy(), other.to_numpy())


class TestRefused:
    @pytest.mark.parametrize("column", ["city", "count"])
    def test_columns_of_other_codes(self, quick, frame, column):
        encoder = TableEncoder(numeric_transform={"count": "quantile"})
        measured = LinearMeasurement(pd.DataFrame({column: [1.0], "a": [1.0]}), [1.0])
        with pytest.raises(ValueError, match=rf"Columns '{column}' cannot be .*numeric_transform="):
            quick(encoder=encoder).fit(frame).sample(3, conditions=measured)

    def test_columns_in_relations(self, quick, frame):
        ends = pd.DataFrame({"low": frame["a"], "high": frame["a"] + frame["b"] ** 2})
        relation = [Inequality("low", "high")]
        encoder = TableEncoder(numeric_transform="standard", constraints=relation)
        sampler = quick(encoder=encoder).fit(ends)
        with pytest.raises(ValueError, match=r"Columns 'high' cannot be.*constraints=None"):
            sampler.sample(3, conditions=LinearMeasurement([[1.0, 1.0]], [1.0]))
        low = sampler.sample(3, conditions=LinearMeasurement([[1.0, 0.0]], [0.5]))["low"]
        assert_allclose(low, 0.5, atol=1e-6)

    def test_embeddings(self, quick, gaussian):
        sampler = quick(encoder=STANDARD, manifold=PCA(2)).fit(gaussian.X[:200])
        with pytest.raises(ValueError, match="manifold=None"):
            sampler.sample(3, conditions=LinearMeasurement(np.ones((1, 5)), [1.0]))

    def test_boxes(self, gaussian):
        model = OperatorScoreMatching(degree=2, random_state=0).fit(gaussian.X[:100, :2])
        with pytest.raises(ValueError, match="use DiffusionManifoldSampler"):
            model.sample(3, conditions=LinearMeasurement([[1.0, 1.0]], [3.0]))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (([1.0, 2.0], [1.0]), "Shapes disagree"),
            (([[1.0, 2.0]], [1.0, 2.0]), "Shapes disagree"),
            (([[np.nan, 2.0]], [1.0]), "must be finite"),
            (([[1.0, 2.0]], [1.0], [0.1, 0.1]), "each of 1 measurements"),
            (([[1.0, 2.0]], [1.0], -1.0), "not negative"),
        ],
    )
    def test_wrong(self, options, message):
        with pytest.raises(ValueError, match=message):
            LinearMeasurement(*options)

    def test_columns_that_are_not_there(self, sampler):
        with pytest.raises(ValueError, match="needs all 5 columns"):
            sampler.sample(conditions=LinearMeasurement([[1.0]], [1.0]))
        named = LinearMeasurement(pd.DataFrame({"z": [1.0]}), [1.0])
        with pytest.raises(ValueError, match="names the column 'z'"):
            sampler.sample(conditions=named)
