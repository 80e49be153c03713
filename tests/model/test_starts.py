"""Where draws start: near rows of `fit` that have the categories asked for."""

import numpy as np
import pytest

from skdiffusion import DenoiserNet, DiffusionManifoldSampler, TableEncoder
from skdiffusion.metrics import GowerScaler, dcr_ratio, exact_copies
from skdiffusion.model.starts import Starts
from skdiffusion.tables.conditions import Conditions

NET = DenoiserNet(max_epochs=2, module__width=32, module__depth=1)


def rows(n, seed):
    """A ring in two columns of five, whose third column is a class."""
    rng = np.random.RandomState(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    ring = np.c_[np.cos(angle), np.sin(angle)] + 0.05 * rng.normal(size=(n, 2))
    return np.c_[ring, rng.normal(size=(n, 3))], (angle > np.pi).astype(int)


class TestChoose:
    STARTS = Starts(np.c_[np.arange(6.0), [0, 0, 1, 1, 1, 2]], 0.3, np.array([False, True]))

    def chosen(self, *values, n=60, least=1):
        conditions = Conditions(np.array(values, dtype=float))
        return self.STARTS.choose(conditions, n, np.random.RandomState(0), least)

    def test_each_row_as_often_as_any_other(self):
        np.testing.assert_array_equal(np.bincount(self.chosen([np.nan, np.nan])), 10)

    def test_rows_of_the_category(self):
        np.testing.assert_array_equal(np.unique(self.chosen([np.nan, 1])), [2, 3, 4])

    def test_no_row_of_the_category(self):
        assert self.chosen([np.nan, 7]) is None

    def test_too_few_rows_of_the_category(self):
        assert self.chosen([np.nan, 0], least=2) is not None
        assert self.chosen([np.nan, 2], least=2) is None

    def test_given_numbers(self):
        assert self.chosen([2.0, 1]) is None

    def test_each_draw_by_its_own_conditions(self):
        found = self.chosen([np.nan, 2], [np.nan, np.nan], [np.nan, 0], n=3)
        assert found[0] == 5
        assert found[2] in (0, 1)
        assert self.chosen([np.nan, 2], [1.0, np.nan], n=2) is None

    def test_weights(self):
        starts = Starts(self.STARTS.rows, 0.3, self.STARTS.is_category, None, np.arange(6.0))
        free = Conditions(np.full((1, 2), np.nan))
        counts = np.bincount(starts.choose(free, 150, np.random.RandomState(0)))
        np.testing.assert_array_equal(counts, 10 * np.arange(6))


@pytest.fixture(scope="module")
def crossed():
    """Rows with so many categories that hardly two have the same."""
    rng = np.random.RandomState(0)
    codes = rng.randint(4, size=(600, 10))
    counts = rng.poisson(1 + 3 * codes[:, 0])
    return np.c_[codes, counts, rng.normal(codes[:, 1], 0.3), rng.normal(size=600)]


@pytest.fixture(scope="module", params=range(3))
def drawn(request, crossed):
    encoder, seed = TableEncoder(categorical_features=range(10)), request.param
    sampler = DiffusionManifoldSampler(denoiser=NET, encoder=encoder, random_state=seed)
    sampler.fit(crossed)
    assert sampler.model_.starts.is_kept.any()
    return sampler.sample(600, random_state=seed)


class TestTrees:
    def test_rows_are_new(self, crossed, drawn):
        assert exact_copies(crossed, drawn) == 0
        before, after = (
            np.unique(rows[:, :10], axis=0) for rows in (crossed, np.concatenate([crossed, drawn]))
        )
        assert len(after) > len(before) + 300

    def test_relations_are_kept(self, crossed, drawn):
        for rows in (crossed, drawn):
            assert np.corrcoef(rows[:, 0], rows[:, 10])[0, 1] > 0.75
            assert np.corrcoef(rows[:, 1], rows[:, 11])[0, 1] > 0.85
            assert abs(np.corrcoef(rows[:, 1], rows[:, 12])[0, 1]) < 0.15

    def test_only_numbers_that_repeat_are_copied(self, crossed, drawn):
        """And the ends of a column."""
        assert np.isin(drawn[:, 10], crossed[:, 10]).all()
        assert np.isin(drawn[:, 11:], crossed[:, 11:]).mean() < 0.01


class TestRatio:
    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("ratio", [0.4, 0.85])
    def test_draws_are_as_new_as_asked(self, ratio, seed):
        X, y = rows(400, seed)
        sampler = DiffusionManifoldSampler(
            denoiser=NET, dcr_ratio=ratio, manifold=None, random_state=seed
        ).fit(X, y)
        assert sampler.dcr_ratio_ == pytest.approx(ratio, rel=0.15)
        drawn = np.column_stack(sampler.sample(400, return_y=True, random_state=seed))
        real, fresh = np.c_[X, y], np.column_stack(rows(400, seed + 100))
        points = map(GowerScaler([5]).fit(real).transform, (real, fresh, drawn))
        assert dcr_ratio(*points) == pytest.approx(ratio, rel=0.3)
        assert exact_copies(real, drawn) == 0

    def test_none_starts_from_noise(self):
        X, y = rows(100, 0)
        sampler = DiffusionManifoldSampler(denoiser=NET, dcr_ratio=None, random_state=0).fit(X, y)
        assert sampler.model_.starts is None
        assert np.isnan(sampler.dcr_ratio_)

    def test_equal_rows_have_no_ratio(self):
        X = np.tile(np.eye(3), (30, 1))
        sampler = DiffusionManifoldSampler(denoiser=NET, random_state=0).fit(X)
        assert sampler.model_.starts is None
        assert np.isnan(sampler.dcr_ratio_)

    def test_a_class_has_draws_of_its_own(self):
        """Far nearer to the class's half of the ring than a net of two epochs comes by itself."""
        X, y = rows(400, 0)
        sampler = DiffusionManifoldSampler(denoiser=NET, manifold=None, random_state=0).fit(X, y)
        drawn = sampler.sample(200, y=1, random_state=0)
        assert np.mean(drawn[:, 1] < 0.1) > 0.95


class TestTreesOfFewColumns:
    def test_rows_that_trees_can_only_copy(self):
        """Every combination of two categories is there: nothing new can be drawn."""
        X = np.stack(np.meshgrid(range(4), range(4)), axis=2).reshape(-1, 2).repeat(10, axis=0)
        encoder = TableEncoder(categorical_features=[0, 1])
        sampler = DiffusionManifoldSampler(denoiser=NET, encoder=encoder, random_state=0)
        drawn = sampler.fit(X).sample(160, random_state=0)
        assert exact_copies(X, drawn) == 1
