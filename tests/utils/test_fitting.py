"""A fit that fails leaves no trace."""

from types import SimpleNamespace

import pytest

from skdiffusion._utils.fitting import all_or_nothing


def fitted():
    return SimpleNamespace(alpha=1, old_=2, _private_=3)


class TestAllOrNothing:
    def test_forgets_the_fit_before(self):
        estimator = fitted()
        with all_or_nothing(estimator):
            assert not hasattr(estimator, "old_")
            estimator.new_ = 4
        assert vars(estimator) == {"alpha": 1, "_private_": 3, "new_": 4}

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_forgets_what_failed(self, error):
        estimator = fitted()
        with pytest.raises(error), all_or_nothing(estimator):
            estimator.new_ = 4
            raise error
        assert vars(estimator) == {"alpha": 1, "_private_": 3}
