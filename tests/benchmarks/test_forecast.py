"""The score of the forecast benchmark, of forecasts that are draws."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from benchmarks.forecast import crps

RNG = np.random.default_rng(0)


class TestCrps:
    def test_of_a_normal_forecast(self):
        """Gneiting and Raftery (2007), equation 5: its closed form."""
        y = np.array([-1.0, 0.0, 2.5])
        expected = y * (2 * norm.cdf(y) - 1) + 2 * norm.pdf(y) - 1 / np.sqrt(np.pi)
        draws = RNG.normal(size=(3, 200_000))
        assert_allclose(crps(y, draws), expected, atol=0.01)

    def test_by_all_pairs(self):
        y, draws = RNG.normal(size=5), RNG.normal(size=(5, 7))
        pairs = np.abs(draws[:, :, None] - draws[:, None]).sum((1, 2)) / (7 * 6)
        expected = np.abs(draws - y[:, None]).mean(1) - pairs / 2
        assert_allclose(crps(y, draws), expected)

    def test_does_not_depend_on_the_number_of_draws(self):
        y, draws = RNG.normal(size=20_000), RNG.normal(size=(20_000, 50))
        assert_allclose(crps(y, draws[:, :2]).mean(), crps(y, draws).mean(), atol=0.02)

    def test_of_one_value_is_the_absolute_error(self):
        assert_allclose(crps([1.0], [[3.0, 3.0, 3.0]]), [2.0])

    def test_bad_input(self):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            crps([1.0, 2.0], [[3.0, 3.0]])
        with pytest.raises(ValueError, match="minimum of 2"):
            crps([1.0], [[3.0]])
