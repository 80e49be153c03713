"""A fit that fails leaves no trace."""

import pytest
from sklearn.base import BaseEstimator

from skdiffusion._utils.fitting import all_or_nothing


class Estimator(BaseEstimator):
    def __init__(self, alpha=1):
        self.alpha = alpha


def fitted():
    estimator = Estimator()
    estimator.old_, estimator._old, estimator._sklearn_output_config = 2, 3, {}
    return estimator


class TestAllOrNothing:
    def test_forgets_the_fit_before(self):
        estimator = fitted()
        with all_or_nothing(estimator):
            assert not hasattr(estimator, "old_")
            estimator.new_ = 4
        assert vars(estimator) == {"alpha": 1, "_sklearn_output_config": {}, "new_": 4}

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_forgets_what_failed(self, error):
        estimator = fitted()
        with pytest.raises(error), all_or_nothing(estimator):
            estimator.new_ = 4
            raise error
        assert vars(estimator) == {"alpha": 1, "_sklearn_output_config": {}}
