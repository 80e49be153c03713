"""Encoded rows for distances, and the cells that are filled."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion.detection.row_encoder import FURTHER_OUT, GapFiller, RowEncoder


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "x": rng.normal(5, 3, 80),
            "level": np.repeat(["a", "b", "c"], [60, 15, 5]),
            "one": 4.0,
            "flag": np.arange(80) % 2 == 0,
            "same": "only",
        }
    )


class TestRowEncoder:
    def test_columns_of_the_features(self, frame):
        encoder = RowEncoder(frame, "from_dtype")
        assert encoder.groups.tolist() == [0, 1, 1, 3, 2, 4]
        assert encoder.encode(frame).shape == (80, 6)

    def test_numbers_are_standardised(self, frame):
        Z = RowEncoder(frame, "from_dtype").encode(frame)
        assert_allclose(Z[:, 0], (frame["x"] - frame["x"].mean()) / frame["x"].std(ddof=0))
        assert_array_equal(Z[:, [4, 5]], 0)

    def test_far_is_far(self, frame):
        """Unlike ranks, encoded numbers go on beyond those of training."""
        encoder = RowEncoder(frame, "from_dtype")
        far = encoder.encode(frame[:1].assign(x=5 + 3e6))
        assert far[0, 0] > 5e5

    def test_levels_are_equally_far_apart(self, frame):
        encoder = RowEncoder(frame, "from_dtype")
        Z = encoder.encode(frame)[[0, 60, 75]][:, 1:3]
        distances = np.linalg.norm(Z - np.roll(Z, 1, axis=0), axis=1)
        assert_allclose(distances, distances[0])

    def test_levels_never_seen(self, frame):
        encoder = RowEncoder(frame, "from_dtype")
        seen, new = encoder.encode(frame), encoder.encode(frame[:1].assign(level="z", same="other"))
        rarest = seen[75, 1:3]
        assert_allclose(new[0, 1:3], FURTHER_OUT * rarest)
        nearest = np.linalg.norm(seen[:, 1:3] - new[0, 1:3], axis=1).min()
        assert nearest > 0.3
        assert new[0, 5] == 1

    def test_missing_stays_missing(self, frame):
        frame["x"] = frame["x"].where(np.arange(80) != 7)
        Z = RowEncoder(frame, "from_dtype").encode(frame)
        assert np.isnan(Z[7, 0])
        assert np.isnan(Z).sum() == 1
        assert abs(np.nanmean(Z[:, 0])) < 1e-12

    def test_round_trip(self, frame):
        encoder = RowEncoder(frame, "from_dtype")
        back = encoder.decode(encoder.encode(frame))
        pd.testing.assert_frame_equal(back, frame, check_exact=False)

    def test_integers_come_back_whole(self):
        frame = pd.DataFrame({"n": [1, 4, 9], "x": [0.5, 1.5, 9.0]})
        encoder = RowEncoder(frame, "from_dtype")
        back = encoder.decode(encoder.encode(frame) + 0.01)
        assert back["n"].tolist() == [1, 4, 9]
        assert back.dtypes.equals(frame.dtypes)


@pytest.fixture(scope="module")
def normal():
    rng = np.random.default_rng(0)
    cov = np.array([[1.0, 0.8, 0.1], [0.8, 1.0, 0.3], [0.1, 0.3, 1.0]])
    return rng.multivariate_normal(np.zeros(3), cov, size=4000), cov


class TestGapFiller:
    def test_fills_in_the_mean_given_the_others(self, normal):
        Z, cov = normal
        gaps = np.where(np.random.default_rng(1).random(Z.shape) < 0.1, np.nan, Z)
        fill = GapFiller(gaps)
        row = np.array([[1.0, np.nan, -0.5], [np.nan, np.nan, 1.0], [0.3, -1.2, 0.0]])
        one = np.linalg.solve(cov[np.ix_([0, 2], [0, 2])], cov[[0, 2], 1]) @ [1.0, -0.5]
        expected = [[1.0, one, -0.5], [0.1, 0.3, 1.0], [0.3, -1.2, 0.0]]
        assert_allclose(fill(row), expected, atol=0.06)

    def test_knows_what_is_there(self, normal):
        Z, _ = normal
        rows = Z[:50].copy()
        rows[::2, 1] = np.nan
        filled = GapFiller(Z)(rows)
        assert_array_equal(filled[~np.isnan(rows)], rows[~np.isnan(rows)])
        assert np.isfinite(filled).all()
        assert np.isnan(rows).sum() == 25

    def test_rounds_undo_the_means(self, normal):
        """Filled with means, columns would seem less correlated than they are."""
        Z, _ = normal
        gaps = Z.copy()
        gaps[np.random.default_rng(1).random(4000) < 0.5, 0] = np.nan
        cov = GapFiller(gaps).gaussian.cov.numpy()
        naive = np.cov(np.where(np.isnan(gaps), 0, gaps).T)
        slope, naive_slope = cov[0, 1] / cov[1, 1], naive[0, 1] / naive[1, 1]
        assert abs(slope - 0.8) < 0.1 < abs(naive_slope - 0.8)

    def test_empty_row(self, normal):
        Z, _ = normal
        assert_allclose(GapFiller(Z)(np.full((1, 3), np.nan))[0], Z.mean(0), atol=1e-3)
