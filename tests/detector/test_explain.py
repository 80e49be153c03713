"""Which cells are to blame, and what they should have been."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal


def correlated(seed, detect):
    """Rows of six correlated normal columns, their moments, and a detector of them."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(6, 2))
    cov = loadings @ loadings.T + 0.2 * np.eye(6)
    # from the factors: factors of the covariance that a library finds differ between processors
    X = rng.normal(size=(1500, 2)) @ loadings.T + np.sqrt(0.2) * rng.normal(size=(1500, 6))
    X += np.arange(6.0)
    return X[:1000], X[1000:], np.arange(6.0), cov, detect().fit(X[:1000])


@pytest.fixture(scope="module")
def gaussian(detect):
    return correlated(0, detect)


def given_others(rows, mean, cov, j):
    """Mean and variance of a column of a Gaussian given the others."""
    others = np.arange(len(mean)) != j
    slope = np.linalg.solve(cov[np.ix_(others, others)], cov[others, j])
    expected = mean[j] + (rows[:, others] - mean[others]) @ slope
    return expected, cov[j, j] - slope @ cov[others, j]


class TestContributions:
    def test_corrupted_cell_ranks_first(self, gaussian):
        _, rows, _, cov, detector = gaussian
        rng = np.random.default_rng(1)
        bad = rng.integers(6, size=300)
        rows = rows[:300].copy()
        before = rows[np.arange(300), bad]
        rows[np.arange(300), bad] += rng.choice([-4, 4], size=300) * np.sqrt(np.diag(cov)[bad])
        shares = detector.explain(rows).contributions
        assert (shares.argmax(1) == bad).mean() > 0.8
        clean = rows.copy()
        clean[np.arange(300), bad] = before
        assert (
            np.median(detector.explain(clean).contributions.max(1)) < np.median(shares.max(1)) / 3
        )

    def test_is_the_negative_log_density_given_the_others(self, detect, global_random_seed):
        """In standardised columns; narrow kernels are surer than the truth."""
        X, rows, mean, cov, detector = correlated(global_random_seed, detect)
        model, Z = detector._explaining, detector._encoder.encode(rows[:200])
        kernels = detector._kernels
        shares = kernels.given_others(Z[0], model.options.groups)
        agreement, shift = np.empty(6), np.empty(6)
        for j in range(6):
            expected, var = given_others(rows[:200], mean, cov, j)
            surprise = -multivariate_normal(0, var).logpdf(rows[:200, j] - expected)
            truth = surprise - np.log(X[:, j].std())
            agreement[j] = np.corrcoef(shares[:, j], truth)[0, 1]
            shift[j] = np.median(shares[:, j]) - np.median(truth)
        # over tables the mean correlation is 0.53 to 0.61, and the mean shift 0.4 to 0.9
        assert agreement.mean() > 0.4
        assert abs(shift.mean()) < 1.5

    def test_pairs_that_are_wrong_together(self, detect, global_random_seed):
        """Two cells that agree with each other alone: both are among the first three."""
        X = correlated(global_random_seed, detect)[0]
        rng = np.random.default_rng(1)
        double = np.column_stack([X, X[:, :2] + 0.1 * rng.normal(size=(1000, 2))])[
            :, [0, 6, 2, 3, 4, 5]
        ]
        detector = detect().fit(double)
        odd = double[:200].copy()
        odd[:, :2] = double[200:400, :2]
        first = np.argsort(-detector.explain(odd).contributions, axis=1)[:, :3]
        found = np.array([{0, 1} <= set(row) for row in first])
        # by chance one in five
        assert found[np.abs(double[:200, 0] - double[200:400, 0]) > double[:, 0].std()].mean() > 0.5

    def test_a_cell_alone_is_its_own_density(self, detect):
        """Of a single column, the surprise is minus the log-density of the noised kernels."""
        x = np.random.default_rng(0).normal(size=(400, 1))
        detector = detect().fit(3 * x + 5)
        grid = np.linspace(-3, 3, 601)[:, None]
        Z = detector._encoder.encode(3 * (grid * x.std() + x.mean()) + 5)[0]
        alone = detector._kernels.by_themselves(Z, np.zeros(1, dtype=int))
        assert_allclose(np.exp(-alone).sum() * 0.01, 1, atol=0.02)
        assert_allclose(Z, grid, atol=1e-9)

    def test_missing_cells_are_not_to_blame(self, gaussian):
        _, rows, _, _, detector = gaussian
        rows = rows[:20].copy()
        rows[:, 2] = np.nan
        explanation = detector.explain(rows)
        for part in (explanation.contributions, explanation.marginal):
            assert_array_equal(part[:, 2], 0)
            assert np.isfinite(part).all()
            assert (part[:, [0, 1, 3, 4, 5]] != 0).all()

    def test_rows_by_themselves(self, gaussian):
        rows, detector = gaussian[1][:20], gaussian[4]
        whole = detector.explain(rows)
        for i in (0, 7):
            single = detector.explain(rows[i : i + 1])
            for key in ("contributions", "expected", "marginal"):
                assert_allclose(single[key], whole[key][i : i + 1], rtol=1e-9, atol=1e-9)


class TestMarginal:
    def test_ranks_cells_by_how_rare_they_are(self, gaussian):
        """Whatever the others are."""
        _, rows, mean, cov, detector = gaussian
        moved = np.tile(mean, (2, 1))
        moved[:, 3] += [4 * cov[3, 3] ** 0.5, 1.5 * cov[3, 3] ** 0.5]
        marginal = detector.explain(moved).marginal
        assert_array_equal(marginal.argmax(1), 3)
        assert marginal[0, 3] > marginal[1, 3] + 2
        others = detector.explain(np.where(np.arange(6) == 3, moved, rows[:2])).marginal
        assert_allclose(others[:, 3], marginal[:, 3])


class TestRepair:
    def test_few_cells_change_and_no_row_is_reported(self, gaussian):
        _, rows, _, cov, detector = gaussian
        rows = rows[:100].copy()
        bad = np.random.default_rng(1).integers(6, size=100)
        rows[np.arange(100), bad] += 5 * np.sqrt(np.diag(cov)[bad])
        repaired = detector.repair(rows)
        assert (detector.predict(repaired) == 1).all()
        changed = repaired != rows
        assert np.median(changed.sum(1)) == 1
        assert changed[np.arange(100), bad].mean() > 0.8
        normal = detector.predict(rows) == 1
        assert not changed[normal].any()

    def test_frames_keep_their_cells(self, detect):
        rng = np.random.default_rng(0)
        size = rng.normal(50.0, 10.0, 300)
        frame = pd.DataFrame({
            "size": size,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.rint(size), unit="D"),
            "city": np.where(size < 50, "Oslo", "Rome"),
            "gap": np.where(rng.random(300) < 0.2, np.nan, size / 2),
        })  # fmt: skip
        detector = detect().fit(frame)
        odd = frame[:6].assign(city="Mars")
        repaired = detector.repair(odd)
        assert (detector.predict(odd) == -1).all()
        assert (detector.predict(repaired) == 1).all()
        assert set(repaired["city"]) <= {"Oslo", "Rome"}
        assert repaired.dtypes.equals(frame.dtypes)
        same = repaired.drop(columns="city") == odd.drop(columns="city").reset_index(drop=True)
        assert (same | odd.drop(columns="city").isna()).mean().min() > 0.5


class TestExpected:
    def test_is_the_mean_given_the_others(self, gaussian):
        _, rows, mean, cov, detector = gaussian
        found = detector.explain(rows[:300]).expected
        for j in range(6):
            expected, var = given_others(rows[:300], mean, cov, j)
            error = np.sqrt(np.mean((found[:, j] - expected) ** 2))
            # an estimate from a thousand rows is not exact, but far better than the mean
            assert error < np.sqrt(var)
            assert var > 0.5 * cov[j, j] or error < 0.6 * np.sqrt(cov[j, j])

    def test_does_not_depend_on_the_cell(self, gaussian):
        rows, detector = gaussian[1][:30], gaussian[4]
        moved = rows.copy()
        moved[:, 1] = 100.0
        assert_allclose(
            detector.explain(moved).expected[:, 1], detector.explain(rows).expected[:, 1], rtol=1e-9
        )


class TestContainers:
    @pytest.fixture
    def frame(self):
        rng = np.random.default_rng(0)
        size = rng.normal(50.0, 10.0, 300)
        return pd.DataFrame(
            {
                "size": size,
                "count": np.rint(size / 5).astype(int),
                "city": np.where(size < 50, "Oslo", "Rome"),
                "flag": size > 50,
            },
            index=np.arange(300) + 1000,
        )

    def test_frame_in_frame_out(self, frame, detect):
        detector = detect().fit(frame)
        explanation = detector.explain(frame[:9])
        for part in explanation.values():
            assert isinstance(part, pd.DataFrame)
            assert list(part.columns) == list(frame.columns)
            assert len(part) == 9
        assert explanation.expected.dtypes.equals(frame.dtypes)
        assert all(dtype == np.float64 for dtype in explanation.contributions.dtypes)
        assert set(explanation.expected["city"]) <= {"Oslo", "Rome"}

    def test_a_wrong_level_is_corrected(self, frame, detect):
        detector = detect().fit(frame)
        large = pd.DataFrame({"size": [65.0], "count": [13], "city": ["Oslo"], "flag": [True]})
        explanation = detector.explain(large)
        assert explanation.contributions.iloc[0].idxmax() == "city"
        assert explanation.expected["city"].item() == "Rome"

    def test_names_of_its_parts(self, frame, detect):
        assert set(detect().fit(frame).explain(frame[:1])) == {
            "contributions", "expected", "marginal",
        }  # fmt: skip
