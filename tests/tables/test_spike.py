"""Columns with a spike: what it is, its two features, and the distribution of these."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from scipy.integrate import trapezoid
from scipy.stats import norm

from skdiffusion.tables.conditions import read_conditions
from skdiffusion.tables.encoder import TableEncoder
from skdiffusion.tables.numeric_transforms import find_spike

N, SHARE = 2000, 0.4
RNG = np.random.default_rng(0)
IS_SPIKE = RNG.random(N) < SHARE
DAY = pd.Timestamp("2024-01-01")


def mixed(others, spike=0.0):
    return np.where(IS_SPIKE, spike, others)


def column(cells):
    return pd.DataFrame({"a": cells})


COLUMNS = {
    "inside": mixed(RNG.normal(size=N)),
    "below": mixed(RNG.lognormal(size=N)),
    "above": mixed(RNG.uniform(0, 1, N), 2.0),
    "heavy": mixed(RNG.standard_t(1.2, N)),
    "decimals": mixed(RNG.normal(size=N).round(1), 0.25),
    "integers": mixed(1.0 + RNG.poisson(300, N)).astype(int),
    "whole": mixed(1.0 + RNG.poisson(300, N)),
    "float32": mixed(RNG.normal(size=N), 0.1).astype("float32"),
    "beyond": mixed(RNG.normal(size=N), 1e9),
}
TIMES = {
    "dates": DAY + pd.to_timedelta(mixed(RNG.integers(1, 900, N)), "D"),
    "instants": DAY + pd.to_timedelta(mixed(RNG.uniform(1, 1e6, N), 3e5), "s"),
    "spans": pd.to_timedelta(mixed(RNG.integers(1, 900, N), 30), "min"),
}
every_number = pytest.mark.parametrize("cells", COLUMNS.values(), ids=COLUMNS)
every_column = pytest.mark.parametrize("cells", (COLUMNS | TIMES).values(), ids=[*COLUMNS, *TIMES])


def fit(cells, **options):
    encoder = TableEncoder(**options).fit(column(cells))
    assert encoder.transforms_ == ["spike"]
    return encoder


class TestFindSpike:
    @pytest.mark.parametrize("spike", [0, 17, 50])
    def test_wherever_it_lies(self, spike):
        counts = np.ones(51, dtype=int)
        counts[spike] = 30
        assert find_spike(np.arange(51.0), counts) == spike

    @pytest.mark.parametrize(
        ("counts", "found"),
        [
            ([100] + [1] * 900, 0),  # a tenth of the rows
            ([99] + [1] * 901, None),
            ([100, 30, 30, 30, 30], 0),
            ([100, 33, 33, 33], 0),  # three times any other
            ([100, 34, 34, 34], None),
            ([1000, 5, 5], 0),  # ten other rows
            ([1000, 5, 4], None),
            ([1000, 500], None),  # a flag
        ],
    )
    def test_how_much_it_takes(self, counts, found):
        assert find_spike(np.arange(float(len(counts))), np.array(counts)) == found

    @pytest.mark.parametrize("transform", ["standard", "quantile"])
    def test_only_where_the_transform_is_left_open(self, transform):
        encoder = TableEncoder(numeric_transform=transform).fit(column(COLUMNS["inside"]))
        assert encoder.transforms_ == [transform]

    def test_per_column(self):
        X = pd.DataFrame({"a": COLUMNS["inside"], "b": COLUMNS["inside"]})
        encoder = TableEncoder(numeric_transform={"b": "standard"}, constraints=None).fit(X)
        assert encoder.transforms_ == ["spike", "standard"]
        assert encoder.groups_.tolist() == [0, 0, 1]


@every_column
class TestCodes:
    def test_round_trip(self, cells):
        encoder, X = fit(cells), column(cells)
        back = encoder.inverse_transform(encoder.transform(X))
        assert_frame_equal(back, X, rtol=1e-6, atol=1e-12)
        assert_array_equal(back["a"] == cells[IS_SPIKE][0], IS_SPIKE)

    def test_first_code_is_the_spike_and_nothing_else(self, cells):
        encoder, X = fit(cells), column(cells)
        Z = encoder.transform(X)
        ((columns, vertices),) = encoder.category_blocks()
        assert columns.tolist() == [0]
        assert_array_equal(Z[:, 0], vertices[IS_SPIKE.astype(int), 0])
        assert_allclose([Z[:, 0].mean(), Z[:, 0].var()], [0, 1], atol=1e-9)
        assert_array_equal(encoder.void_features(Z), np.c_[np.zeros(N, bool), IS_SPIKE])
        assert not Z[IS_SPIKE, 1].any()

    def test_second_code_is_that_of_the_others_alone(self, cells):
        encoder = fit(cells)
        Z = encoder.transform(column(cells))
        others = column(cells[~IS_SPIKE])
        alone = TableEncoder().fit(others)
        assert_allclose(Z[~IS_SPIKE, 1:], alone.transform(others), atol=1e-6)

    def test_shares_are_drawn_back(self, cells):
        """The codes of rows in another order give the distribution back, spike and others."""
        encoder = fit(cells)
        spread = encoder.dequantize(encoder.transform(column(cells)), random_state=0)
        drawn = encoder.inverse_transform(np.random.default_rng(0).permutation(spread))["a"]
        assert np.mean(drawn == cells[IS_SPIKE][0]) == IS_SPIKE.mean()

    def test_dequantized_codes_decode_to_the_same(self, cells):
        encoder = fit(cells)
        Z = encoder.transform(column(cells))
        spread = encoder.dequantize(Z, random_state=0)
        again = encoder.dequantize(Z, random_state=1)
        assert_frame_equal(encoder.inverse_transform(spread), encoder.inverse_transform(Z))
        assert_array_equal(spread[:, 0], Z[:, 0])
        assert not np.array_equal(spread[IS_SPIKE, 1], again[IS_SPIKE, 1])

    def test_nothing_is_behind_the_spike_but_the_law_of_the_others(self, cells):
        """A model that takes both codes for independent then is right."""
        encoder = fit(cells)
        spread = encoder.dequantize(encoder.transform(column(cells)), random_state=0)
        behind, elsewhere = spread[IS_SPIKE, 1], spread[~IS_SPIKE, 1]
        shares = [0.1, 0.3, 0.5, 0.7, 0.9]
        error = norm.cdf(np.quantile(behind, shares)) - norm.cdf(np.quantile(elsewhere, shares))
        assert np.abs(error).max() < 0.06

    def test_missing_cells(self, cells):
        X = column(pd.Series(cells).astype("Int64" if cells.dtype == int else cells.dtype))
        X.iloc[::7] = pd.NA if cells.dtype == int else None
        for indicator in (False, True):
            encoder = TableEncoder(missing_indicator=indicator).fit(X)
            assert encoder.n_encoded_ == 2 + indicator
            Z = encoder.transform(X)
            assert np.isnan(Z[::7, :2]).all()
            assert np.isfinite(np.delete(Z, np.s_[::7], axis=0)).all()
            assert not encoder.void_features(Z)[::7].any()
            spread = encoder.dequantize(Z, random_state=0)
            for codes in (Z, spread):
                assert_frame_equal(encoder.inverse_transform(codes), X, rtol=1e-6, atol=1e-12)
            assert (encoder.log_volume(X, 0.1)[::7] == 0).all() != indicator

    def test_names(self, cells):
        assert list(fit(cells).get_feature_names_out()) == ["a_0", "a_1"]


class Exact:
    """The exact distribution of the codes: a blurred flag, and a normal number beside the spike."""

    def __init__(self, encoder, share, distribution):
        self.encoder, self.share, self.distribution = encoder, share, distribution

    def log_prob(self, x, sigma):
        """Log-density of cells, or their log-probability."""
        X = column(x)
        Z = self.encoder.transform(X)
        void = self.encoder.void_features(Z)[:, 1]
        ((_, vertices),) = self.encoder.category_blocks()
        kernels = norm.pdf(Z[:, [0]], vertices[:, 0], sigma)
        flag = kernels @ [1 - self.share, self.share]
        number = np.where(void, 0.0, self.distribution.logpdf(Z[:, 1]))
        return np.log(flag) + number + self.encoder.log_volume(X, sigma)


class TestDensities:
    SHARE = IS_SPIKE.mean()

    @pytest.mark.parametrize("sigma", [0.005, 0.1])
    @pytest.mark.parametrize("spike", [0.0, -9.0])
    def test_the_spike_has_a_probability_and_the_others_a_density(self, sigma, spike):
        """For a share of spikes beside standard normal numbers; together they sum to one."""
        encoder = fit(mixed(norm.rvs(size=N, random_state=0), spike))
        rest = encoder.codecs_[0].rest
        # the code is linear in the number
        distribution = norm((0 - rest.mean) / rest.scale, 1 / rest.scale)
        exact = Exact(encoder, self.SHARE, distribution)
        grid = np.linspace(-7, 7, 4000)
        density = np.exp(exact.log_prob(grid, sigma))
        probability = np.exp(exact.log_prob([spike], sigma))
        assert_allclose(probability, self.SHARE, rtol=1e-6)
        assert_allclose(density, (1 - self.SHARE) * norm.pdf(grid), rtol=1e-5)
        assert_allclose(probability + trapezoid(density, grid), 1, rtol=1e-5)

    @pytest.mark.parametrize("name", ["below", "above", "heavy"])
    def test_with_ranks_as_codes(self, name):
        """Where ranks are scored, standard normal encoded values make the others' distribution."""
        cells = COLUMNS[name]
        encoder = fit(cells)
        assert encoder.codecs_[0].rest.name == "quantile"
        exact = Exact(encoder, self.SHARE, norm())
        low, high = np.quantile(cells[~IS_SPIKE], [0.02, 0.98])
        grid = np.linspace(low, high, 200_001)
        total = trapezoid(np.exp(exact.log_prob(grid, 0.01)), grid)
        assert_allclose(np.exp(exact.log_prob([cells[IS_SPIKE][0]], 0.01)), self.SHARE, rtol=1e-6)
        assert_allclose(total, 0.96 * (1 - self.SHARE), rtol=0.01)

    def test_integers_have_probabilities(self):
        cells = COLUMNS["integers"]
        encoder = fit(cells)
        exact = Exact(encoder, self.SHARE, norm())
        probability = np.exp(exact.log_prob(np.r_[0, np.arange(150, 450)], 0.01))
        assert_allclose(probability[0], self.SHARE, rtol=1e-6)
        assert_allclose(probability.sum(), 1, rtol=0.01)


@every_column
class TestBounds:
    """The numbers beside a spike stay among those observed, on its side as well."""

    @pytest.mark.parametrize("seed", range(5))
    def test_of_what_is_drawn(self, cells, seed):
        encoder = fit(cells)
        Z = 4 * np.random.default_rng(seed).normal(size=(500, 2))
        drawn = encoder.inverse_transform(Z)["a"]
        beside = drawn[drawn != cells[IS_SPIKE][0]]
        others = pd.Series(cells[~IS_SPIKE])
        assert beside.between(others.min(), others.max()).all()
        assert {others.min(), others.max()} <= set(beside)

    def test_of_ranges(self, cells):
        """Between the spike and the others there is no cell."""
        encoder, spike = fit(cells), cells[IS_SPIKE][0]
        others = np.sort(cells[~IS_SPIKE])
        if others[0] < spike < others[-1]:
            return
        near = others[0] if spike < others[0] else others[-1]
        middle = [spike + share * (near - spike) for share in (0.3, 0.6)]
        with pytest.raises(ValueError, match="No cell of column 'a'"):
            read_conditions(encoder, {"a": tuple(sorted(middle))})
        read = read_conditions(encoder, {"a": tuple(sorted([middle[0], others[N // 4]]))})
        Z = np.c_[
            np.full(200, encoder.transform(column(others[:1]))[0, 0]), np.linspace(-4, 4, 200)
        ]
        assert 0 < read.are_met(encoder, Z).mean() < 1


@pytest.mark.parametrize("name", ["inside", "above", "heavy", "beyond"])
def test_no_bounds_where_cells_are_not_clipped(name):
    encoder = fit(COLUMNS[name], clip=False)
    flag = encoder.codecs_[0].vertices[0, 0]
    drawn = encoder.inverse_transform(np.array([[flag, -9.0], [flag, 9.0]]))["a"]
    others = pd.Series(COLUMNS[name][~IS_SPIKE])
    assert not drawn.between(others.min(), others.max()).any()
