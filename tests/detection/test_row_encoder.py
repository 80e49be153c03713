"""Encoded rows for distances, whatever the order of columns, and the cells that are filled."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion.detection.row_encoder import DEPARTURE, FURTHER_OUT, RowEncoder


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


def features_of(encoder, column):
    return np.flatnonzero(encoder.groups == column)


class TestRowEncoder:
    def test_columns_of_the_features(self, frame):
        encoder = RowEncoder(frame, "from_dtype")
        assert sorted(encoder.groups.tolist()) == [0, 1, 1, 2, 3, 4]
        assert encoder.encode(frame).shape == (2, 80, 6)

    def test_numbers_are_standardised(self, frame):
        encoder = RowEncoder(frame, "from_dtype")
        Z = encoder.encode(frame)[0]
        expected = (frame["x"] - frame["x"].mean()) / frame["x"].std(ddof=0)
        assert_allclose(Z[:, features_of(encoder, 0)[0]], expected)
        assert_array_equal(Z[:, [*features_of(encoder, 2), *features_of(encoder, 4)]], 0)

    def test_ranks_of_numbers_alone(self, frame):
        encoder = RowEncoder(frame, "from_dtype")
        linear, ranked = encoder.encode(frame)
        is_x = encoder.groups == 0
        assert_array_equal(linear[:, ~is_x], ranked[:, ~is_x])
        assert_array_equal(np.argsort(linear[:, is_x], axis=0), np.argsort(ranked[:, is_x], axis=0))
        assert np.abs(np.diff(np.sort(ranked[:, is_x], axis=0)[38:42], axis=0)).max() < 0.05

    def test_far_is_far(self, frame):
        """In both coordinates, encoded numbers go on beyond those of training."""
        encoder = RowEncoder(frame, "from_dtype")
        far = encoder.encode(frame[:1].assign(x=5 + 300))[:, 0, encoder.groups == 0]
        assert (far > 50).all()

    def test_levels_are_equally_far_apart(self, frame):
        encoder = RowEncoder(frame, "from_dtype")
        Z = encoder.encode(frame)[0, [0, 60, 75]][:, features_of(encoder, 1)]
        distances = np.linalg.norm(Z - np.roll(Z, 1, axis=0), axis=1)
        assert_allclose(distances, distances[0])

    def test_levels_never_seen(self, frame):
        encoder = RowEncoder(frame, "from_dtype")
        level, same = features_of(encoder, 1), features_of(encoder, 4)
        seen = encoder.encode(frame)[0]
        new = encoder.encode(frame[:1].assign(level="z", same="other"))[0, 0]
        assert_allclose(new[level], FURTHER_OUT * seen[75, level])
        assert np.linalg.norm(seen[:, level] - new[level], axis=1).min() > 0.3
        assert_array_equal(new[same], DEPARTURE)

    def test_departures_have_no_unit(self, frame):
        encoder = RowEncoder(frame, "from_dtype")
        one = features_of(encoder, 2)
        departed = [encoder.encode(frame[:1].assign(one=4 + x))[0, 0, one] for x in (1e-3, -7)]
        assert_array_equal(np.ravel(departed), [DEPARTURE, -DEPARTURE])

    def test_order_of_columns(self, frame):
        """Features come in one order, whatever that of the columns."""
        order = [3, 1, 4, 0, 2]
        first, second = (RowEncoder(table, "from_dtype") for table in (frame, frame.iloc[:, order]))
        assert_allclose(first.encode(frame), second.encode(frame.iloc[:, order]))
        assert_array_equal(first.groups[[0, 1, 4, 5]], np.array(order)[second.groups][[0, 1, 4, 5]])

    def test_missing_stays_missing(self, frame):
        frame["x"] = frame["x"].where(np.arange(80) != 7)
        frame["level"] = frame["level"].where(np.arange(80) != 9)
        encoder = RowEncoder(frame, "from_dtype")
        X = encoder.encode(frame)
        assert np.isnan(X[:, 7, encoder.groups == 0]).all()
        assert np.isnan(X[:, 9, encoder.groups == 1]).all()
        assert np.isnan(X).sum() == 2 * (1 + 2)

    def test_round_trip(self, frame):
        encoder = RowEncoder(frame, "from_dtype")
        back = encoder.decode(encoder.encode(frame)[0])
        pd.testing.assert_frame_equal(back, frame, check_exact=False)

    def test_integers_come_back_whole(self):
        frame = pd.DataFrame({"n": [1, 4, 9], "x": [0.5, 1.5, 9.0]})
        encoder = RowEncoder(frame, "from_dtype")
        back = encoder.decode(encoder.encode(frame)[0] + 0.01)
        assert back["n"].tolist() == [1, 4, 9]
        assert back.dtypes.equals(frame.dtypes)


class TestComplete:
    def test_draws_hold_to_what_is_there(self):
        """Filled numbers are spread about their mean given the others, as those that are there."""
        rng = np.random.default_rng(0)
        x = rng.normal(size=1500)
        table = np.column_stack([x, 0.8 * x + 0.6 * rng.normal(size=1500)])
        gaps = table.copy()
        gaps[rng.random(1500) < 0.4, 1] = np.nan
        encoder = RowEncoder(gaps, None)
        X = encoder.encode(gaps)
        missing = np.isnan(X[0])
        filled = encoder.complete(X, np.random.RandomState(0))
        assert_array_equal(filled[:, ~missing], X[:, ~missing])
        here = encoder.decode(filled[0])[missing.any(1)]
        assert_allclose(np.corrcoef(here.T)[0, 1], 0.8, atol=0.05)
        assert_allclose(here[:, 1].std(), 1, atol=0.1)

    def test_categories_are_some_that_exist(self, frame):
        frame["level"] = frame["level"].where(np.arange(80) % 4 > 0)
        encoder = RowEncoder(frame, "from_dtype")
        X = encoder.encode(frame)
        level = features_of(encoder, 1)
        filled = encoder.complete(X, np.random.RandomState(0))[0][:, level]
        there = np.unique(X[0][~np.isnan(X[0][:, level]).any(1)][:, level].round(9), axis=0)
        assert len(np.unique(np.concatenate([there, filled.round(9)]), axis=0)) == len(there) == 3

    def test_nothing_to_fill(self, frame):
        encoder = RowEncoder(frame, "from_dtype")
        X = encoder.encode(frame)
        assert encoder.complete(X, None) is X
