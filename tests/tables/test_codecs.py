"""Tests of the codecs of single columns."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import trapezoid
from scipy.special import logsumexp, ndtri
from scipy.stats import expon, kstest, norm, rankdata, wasserstein_distance

from skdiffusion.tables.codecs import SimplexCodec, StandardCodec
from skdiffusion.tables.lattice import find_lattice
from skdiffusion.tables.numeric_transforms import choose_transform
from skdiffusion.tables.quantile import QuantileCodec, find_atoms, repeats


def fit(codec, x):
    values, counts = np.unique(x, return_counts=True)
    return codec(values, counts, find_lattice(values))


def draws(kind, n=600, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "normal": lambda: rng.normal(size=n),
        "heavy": lambda: rng.standard_t(1.5, size=n),
        "zeros": lambda: np.where(rng.random(n) < 0.5, 0.0, rng.lognormal(size=n)),
        "two spikes": lambda: np.where(
            rng.random(n) < 0.5, rng.choice([-1.0, 1.0], n), rng.uniform(-1, 1, n)
        ),
        "few values": lambda: rng.choice([0.1234, 1.7, np.pi, 20.0], n),
        "counts": lambda: rng.poisson(2.0, n).astype(float),
        "gaps": lambda: rng.choice([0.0, 3.0, 4.0, 90.0], n),
        "many counts": lambda: rng.poisson(30.0, n).astype(float),
        "decimals": lambda: rng.normal(size=n).round(1),
        "many integers": lambda: rng.lognormal(5, 2, n).round(),
        "two values": lambda: (rng.random(n) < 0.03).astype(float),
    }[kind]()


DRAWS = [
    "normal",
    "heavy",
    "zeros",
    "two spikes",
    "few values",
    "counts",
    "gaps",
    "many counts",
    "decimals",
    "many integers",
    "two values",
]


def mid_codes(x):
    """Gaussian scores of the average ranks."""
    return norm.ppf((rankdata(x) - 0.5) / len(x))


def find_points(x):
    """Which cells hold a value that stays a point, the rows of such a value, and their share."""
    values, position, counts = np.unique(x, return_inverse=True, return_counts=True)
    share = counts[position] / len(x)
    width = share / norm.pdf(mid_codes(x))
    return find_atoms(counts, find_lattice(values))[position] & (width >= 0.2)


def blurred_log_density(at, points, sigma):
    """Log-density of equally likely points blurred by Gaussian noise."""
    log_normal = norm.logpdf(at[:, None], loc=points, scale=sigma)
    return logsumexp(log_normal, axis=1) - np.log(len(points))


class TestLattice:
    @pytest.mark.parametrize(
        ("values", "step"),
        [
            ([0, 1, 5], 1),
            ([3, 253, 1003], 250),
            ([0.1, 0.2, 0.7], 0.1),
            ([0.005, 0.02, 0.03], 0.005),
            ([-12.34, 7.66, 8.16], 0.5),
            ([1e6, 1e6 + 0.01, 1e6 + 0.05], 0.01),
        ],
    )
    def test_step(self, values, step):
        assert_allclose(find_lattice(np.array(values, dtype=float)).step, step)

    @pytest.mark.parametrize("values", [[2.0], [0, np.sqrt(2), np.pi], [1, 1 + 1e-12], [0, 1e300]])
    def test_none(self, values):
        assert find_lattice(np.array(values, dtype=float)) is None

    def test_random_floats_have_none(self):
        rng = np.random.default_rng(0)
        assert all(find_lattice(np.sort(rng.normal(size=20))) is None for _ in range(200))

    def test_single_precision(self):
        values = np.array([0.1, 0.3, 12.7], dtype=np.float32)
        lattice = find_lattice(values.astype(float), float(np.finfo(np.float32).eps))
        assert_allclose(lattice.step, 0.2)

    @pytest.mark.parametrize("shift", [0.0, np.pi])
    def test_snap_is_exact(self, shift):
        values = np.arange(-50, 80) / 10 - shift
        lattice = find_lattice(values)
        noise = np.random.default_rng(0).uniform(-0.049, 0.049, len(values))
        assert_array_equal(lattice.snap(values + noise), values)

    def test_snap_between_and_beyond(self):
        lattice = find_lattice(np.array([0.1, 0.2, 0.9]))
        assert_allclose(lattice.snap(np.array([0.52, 1.21, -3.08])), [0.5, 1.2, -3.1])


COUNTS = [[5, 5], [97, 3], [5, 5, 5], [60, 25, 10, 5], [1] * 40]


class TestSimplex:
    @pytest.mark.parametrize("counts", COUNTS)
    def test_regular(self, counts):
        vertices = SimplexCodec(np.array(counts)).vertices
        gaps = np.linalg.norm(vertices[:, None] - vertices, axis=2)[
            ~np.eye(len(counts), dtype=bool)
        ]
        assert_allclose(gaps, gaps[0])

    @pytest.mark.parametrize("counts", COUNTS)
    def test_moments(self, counts):
        codes = SimplexCodec(np.array(counts)).encode(np.repeat(np.arange(len(counts)), counts))
        assert_allclose(codes.mean(axis=0), 0, atol=1e-9)
        assert_allclose(codes.var(axis=0).mean(), 1)

    def test_rare_levels_stay_near(self):
        codec = SimplexCodec(np.array([10**6, 1]))
        assert np.abs(codec.vertices).max() < 12

    def test_coordinates_are_spread(self):
        assert np.abs(SimplexCodec(np.full(100, 7)).vertices).max() < 1.5

    @pytest.mark.parametrize("counts", COUNTS)
    def test_nearest_vertex(self, counts):
        codec = SimplexCodec(np.array(counts))
        z = 5 * np.random.default_rng(0).normal(size=(300, codec.n_encoded))
        squares = ((z[:, None] - codec.vertices) ** 2).sum(axis=2)
        assert_array_equal(codec.decode(z), squares.argmin(axis=1))


@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize("codec", [StandardCodec, QuantileCodec])
class TestNumericCodecs:
    def test_round_trip(self, codec, kind):
        x = draws(kind)
        codec = fit(codec, x)
        back = codec.decode(codec.encode(x))
        assert_allclose(back, x, rtol=1e-9, atol=1e-9)
        if codec.lattice is not None:
            assert_array_equal(back, x)

    def test_monotone(self, codec, kind):
        x = draws(kind)
        codec = fit(codec, x)
        span = np.ptp(x)
        grid = np.unique(np.r_[x, np.linspace(x.min() - 2 * span, x.max() + 2 * span, 4001)])
        z = codec.encode(grid)[:, 0]
        assert np.isfinite(z).all()
        assert np.all(np.diff(z) > 0)
        assert np.all(np.diff(codec.decode(np.linspace(-9, 9, 4001)[:, None])) >= 0)

    def test_values_beyond_are_far_out(self, codec, kind):
        x = draws(kind)
        codec = fit(codec, x)
        z = codec.encode(x)[:, 0]
        beyond = np.array([x.min() - np.ptp(x), x.max() + np.ptp(x)])
        low, high = codec.encode(beyond)[:, 0]
        assert low < z.min() - 0.5
        assert high > z.max() + 0.5
        assert np.isfinite(codec.log_volume(beyond, 0.1)).all()

    def test_log_volume_is_the_derivative(self, codec, kind):
        codec = fit(codec, draws(kind))
        if codec.lattice is not None or kind == "few values":
            pytest.skip("discrete")
        grid = np.random.default_rng(1).uniform(-3, 3, 500) + 1e-4
        step = 1e-7
        slope = (codec.encode(grid + step) - codec.encode(grid - step))[:, 0] / (2 * step)
        got = np.exp(codec.log_volume(grid, 0.1))
        # All but the few points next to a knot.
        assert np.mean(np.isclose(got, slope, rtol=1e-4)) > 0.99

    def test_dequantize(self, codec, kind):
        x = draws(kind)
        codec = fit(codec, x)
        z = codec.encode(x)
        for seed in range(5):
            spread = codec.dequantize(z, np.random.RandomState(seed))
            assert_array_equal(codec.decode(spread), codec.decode(z))


class TestStandard:
    def test_moments(self):
        x = draws("counts")
        codec = fit(StandardCodec, x)
        assert_allclose([codec.mean, codec.scale], [x.mean(), x.std()])

    def test_spread_is_uniform(self):
        x = np.repeat([3.0, 7.0, 8.0], 2000)
        codec = fit(StandardCodec, x)
        spread = codec.dequantize(codec.encode(x), np.random.RandomState(0))[:, 0]
        offset = spread * codec.scale + codec.mean - x
        assert kstest(offset + 0.5, "uniform").pvalue > 0.01


class TestQuantile:
    @pytest.mark.parametrize(
        "kind",
        ["normal", "heavy", "zeros", "two spikes", "many counts", "decimals", "many integers"],
    )
    def test_spread_codes_are_gaussian(self, kind):
        x = draws(kind, n=3000)
        codec = fit(QuantileCodec, x)
        spread = codec.dequantize(codec.encode(x), np.random.RandomState(0))[:, 0]
        is_point = find_points(x)
        assert np.mean(~is_point) > 0.2
        # Ranks among the rows that are no points: uniform if all other codes are Gaussian.
        below = np.searchsorted(np.sort(x[is_point]), x[~is_point]) / len(x)
        rank = (norm.cdf(spread[~is_point]) - below) / np.mean(~is_point)
        assert kstest(rank, "uniform").pvalue > 0.01

    @pytest.mark.parametrize("kind", ["many counts", "decimals"])
    def test_narrow_atom_is_spread_over_its_ranks(self, kind):
        x = draws(kind, n=3000)
        codec = fit(QuantileCodec, x)
        spread = codec.dequantize(codec.encode(x), np.random.RandomState(0))[:, 0]
        value = np.median(x)
        assert not find_points(x)[x == value].any()
        within = (norm.cdf(spread[x == value]) - np.mean(x < value)) / np.mean(x == value)
        assert kstest(within, "uniform").pvalue > 0.01

    @pytest.mark.parametrize("kind", DRAWS)
    def test_points_keep_their_codes(self, kind):
        x = draws(kind, n=3000)
        codec = fit(QuantileCodec, x)
        z = codec.encode(x)
        spread = codec.dequantize(z, np.random.RandomState(0))
        is_point = find_points(x)
        assert_allclose(spread[is_point, 0], mid_codes(x)[is_point], atol=1e-12)
        _, position, counts = np.unique(x, return_inverse=True, return_counts=True)
        is_discrete = (counts[position] > 1) | (codec.lattice is not None)
        assert_array_equal(spread[:, 0] != z[:, 0], is_discrete & ~is_point)

    @pytest.mark.parametrize("kind", DRAWS)
    def test_generated_codes_of_points_stay(self, kind):
        x = draws(kind, n=3000)
        codec = fit(QuantileCodec, x)
        z = np.random.default_rng(1).normal(size=(2000, 1))
        back = codec.decode(z)
        on_point = np.isin(back, x[find_points(x)])
        spread = codec.dequantize(z, np.random.RandomState(0))
        assert_array_equal(spread[on_point], z[on_point])
        assert_array_equal(codec.decode(spread), back)

    @pytest.mark.parametrize(("size", "is_point"), [(78, False), (82, True)])
    def test_width_decides(self, size, is_point):
        # In the middle of a column a share p is sqrt(2 pi) p wide: 0.2 at p = 0.0798.
        rest = np.random.default_rng(0).uniform(1, 2, (1000 - size) // 2)
        x = np.r_[np.zeros(size), rest, -rest]
        codec = fit(QuantileCodec, x)
        z = codec.encode(x)
        moved = (codec.dequantize(z, np.random.RandomState(0)) != z)[:, 0]
        assert_array_equal(moved, (x == 0) & (not is_point))
        zero, sigma = np.zeros(1), 1e-3
        wanted = np.sqrt(2 * np.pi) * (sigma if is_point else size / 1000)
        assert_allclose(np.exp(codec.log_volume(zero, sigma)), wanted)

    def test_wide_and_narrow_atoms_in_one_column(self):
        # One share is narrow in the middle and wide in the tail.
        smooth = np.random.default_rng(0).uniform(-3, 3, 920)
        x = np.r_[np.full(40, 0.5), np.full(40, 3.0), smooth]
        codec = fit(QuantileCodec, x)
        z = codec.encode(x)
        spread = codec.dequantize(z, np.random.RandomState(0))
        assert_array_equal((spread != z)[:, 0], x == 0.5)
        assert len(np.unique(spread[x == 0.5])) == 40
        assert_array_equal(codec.decode(spread), codec.decode(z))
        narrow, wide = codec.log_volume(np.array([0.5, 3.0]), 0.01)
        assert_allclose(np.exp(narrow), 0.04 / norm.pdf(z[x == 0.5][0, 0]))
        assert_allclose(np.exp(wide), np.sqrt(2 * np.pi) * 0.01)

    @pytest.mark.parametrize("kind", ["normal", "few values", "many counts"])
    def test_draws_of_later_columns_do_not_depend_on_the_cells(self, kind):
        x = draws(kind)
        codec = fit(QuantileCodec, x)
        rng, other = np.random.RandomState(0), np.random.RandomState(0)
        codec.dequantize(codec.encode(x), rng)
        codec.dequantize(codec.encode(np.full(len(x), x[0])), other)
        assert rng.uniform() == other.uniform()

    def test_decoded_normals_follow_the_sample(self):
        z = np.random.default_rng(1).normal(size=(20000, 1))
        for kind in DRAWS:
            x = draws(kind, n=3000)
            codec = fit(QuantileCodec, x)
            got = codec.decode(z)
            at = np.unique(x)
            got = np.searchsorted(np.sort(got), at, side="right") / len(got)
            want = np.searchsorted(np.sort(x), at, side="right") / len(x)
            assert np.abs(got - want).max() < 0.02, kind

    def test_atom_is_an_interval_of_ranks(self):
        x = np.r_[np.full(300, 2.5), np.random.default_rng(0).uniform(3, 4, 600), np.full(100, 4.5)]
        codec = fit(QuantileCodec, x)
        assert_allclose(codec.encode(np.array([2.5, 4.5]))[:, 0], ndtri([0.15, 0.95]))
        inside = ndtri([1e-9, 0.01, 0.29999, 0.90001, 0.99, 1 - 1e-9])[:, None]
        assert_array_equal(codec.decode(inside), [2.5, 2.5, 2.5, 4.5, 4.5, 4.5])
        between = codec.decode(ndtri([0.30001, 0.6, 0.89999])[:, None])
        assert np.all((between >= 3) & (between <= 4))

    @pytest.mark.parametrize("kind", ["few values", "counts", "gaps", "two values"])
    def test_probabilities_of_points(self, kind):
        x = draws(kind, n=5000)
        assert find_points(x).all()
        values, counts = np.unique(x, return_counts=True)
        codec, sigma = fit(QuantileCodec, x), 0.02
        points = codec.dequantize(codec.encode(x), np.random.RandomState(0))[:, 0]
        log_q = blurred_log_density(codec.encode(values)[:, 0], points, sigma)
        log_p = log_q + codec.log_volume(values, sigma)
        assert_allclose(np.exp(log_p), counts / counts.sum())

    def test_probabilities_of_wide_and_narrow_atoms(self):
        x = draws("many counts", n=5000)
        values, counts = np.unique(x, return_counts=True)
        codec, sigma = fit(QuantileCodec, x), 0.005
        is_point = find_points(x)
        at = codec.encode(values)[:, 0]
        point_values = np.isin(values, x[is_point])
        assert 2 < point_values.sum() < len(values) - 10
        # Blurring by so little changes the Gaussian density of what is spread only next to points.
        log_q = norm.logpdf(at)
        points = codec.encode(x[is_point])[:, 0]
        blurred = blurred_log_density(at, points, sigma) + np.log(is_point.mean())
        log_q[point_values] = blurred[point_values]
        log_p = log_q + codec.log_volume(values, sigma)
        assert_allclose(np.exp(log_p), counts / counts.sum())
        assert_allclose(logsumexp(log_p), 0, atol=1e-9)

    @pytest.mark.parametrize("kind", ["few values", "counts", "many counts"])
    def test_much_noise_makes_points_run_together(self, kind):
        x = draws(kind)
        codec = fit(QuantileCodec, x)
        points = np.unique(x[find_points(x)])
        share = np.mean(x[:, None] == points, axis=0)
        spread = codec.dequantize(codec.encode(x), np.random.RandomState(0))[:, 0]
        at = codec.encode(points)[:, 0]
        last = share
        for sigma in [0.02, 0.05, 0.1, 0.2, 0.5]:
            p = np.exp(blurred_log_density(at, spread, sigma) + codec.log_volume(points, sigma))
            assert np.all(p >= last * (1 - 1e-9))
            if sigma <= 0.05:
                assert_allclose(p, share, rtol=0.05)
            last = p
        assert np.all(np.isfinite(last))

    def test_density_of_the_continuous_part(self):
        x = np.random.default_rng(0).exponential(size=20000)
        codec = fit(QuantileCodec, x)
        grid = np.linspace(0.02, 3, 4000)
        log_p = norm.logpdf(codec.encode(grid)[:, 0]) + codec.log_volume(grid, 0.1)
        ratio = np.exp(log_p) / expon.pdf(grid)
        # Thirty rows between two knots make the density uncertain by a sixth of its size.
        assert ratio.std() < 0.25
        assert_allclose(ratio.reshape(10, 400).mean(axis=1), 1, atol=0.1)

    @pytest.mark.parametrize(("share", "is_point"), [(0.04, False), (0.5, True)])
    def test_mixed_measure_sums_to_one(self, share, is_point):
        rng = np.random.default_rng(0)
        x = np.where(rng.random(5000) < share, 0.0, rng.exponential(size=5000) - 0.5)
        codec, sigma = fit(QuantileCodec, x), 0.005
        zero, p_zero = np.zeros(1), np.mean(x == 0)
        assert find_points(x).any() == is_point
        log_q = norm.logpdf(codec.encode(zero)[:, 0])
        if is_point:
            log_q = np.log(p_zero) + norm.logpdf(0, scale=sigma)
        atom = np.exp(log_q + codec.log_volume(zero, sigma))
        assert_allclose(atom, p_zero)
        total = atom
        for part in (x[x < 0], x[x > 0]):
            # The middles of 200000 cells: none of them is the atom.
            edges = np.linspace(part.min(), part.max(), 200001)
            grid = (edges[1:] + edges[:-1]) / 2
            log_p = norm.logpdf(codec.encode(grid)[:, 0]) + codec.log_volume(grid, sigma)
            total = total + trapezoid(np.exp(log_p), grid)
        assert_allclose(total, 1, atol=0.01)

    @pytest.mark.parametrize("n", [2, 3, 5, 10, 20])
    def test_tails_of_few_rows(self, n):
        x = np.sort(np.random.default_rng(n).normal(size=n))
        codec = fit(QuantileCodec, x)
        z = codec.encode(np.r_[x[0] - 3, x[0] - 0.3, x, x[-1] + 0.3, x[-1] + 3])[:, 0]
        assert np.all(np.diff(z) > 0)

    @pytest.mark.parametrize("step", [1, 250])
    def test_probabilities_of_common_integers(self, step):
        x = step * np.random.default_rng(0).lognormal(6, 1, 3000).round()
        codec = fit(QuantileCodec, x)
        grid = np.arange(x.min(), x.max() + step, step)
        log_p = norm.logpdf(codec.encode(grid)[:, 0]) + codec.log_volume(grid, 0.1)
        assert_allclose(np.exp(logsumexp(log_p)), 1, atol=0.01)

    def test_unseen_value_counts_as_a_neighbour(self):
        codec = fit(QuantileCodec, 1e4 * draws("few values"))
        new = np.array([0.9e4])
        p = np.exp(norm.logpdf(codec.encode(new)[:, 0]) + codec.log_volume(new, 0.1))
        assert 0.1 < p[0] < 0.5

    def test_unseen_values_are_less_likely_the_further_out(self):
        for kind in DRAWS:
            x = draws(kind)
            codec = fit(QuantileCodec, x)
            out = x.max() + np.ptp(x) * np.arange(1, 30)
            log_p = norm.logpdf(codec.encode(out)[:, 0]) + codec.log_volume(out, 0.1)
            assert np.all(np.diff(log_p) < 0), kind

    def test_number_of_knots_is_limited(self):
        codec = fit(QuantileCodec, draws("normal", n=6000))
        assert len(codec.anchor_x) == 201 + 6  # one per thirty rows, and three more in each tail

    @pytest.mark.parametrize("n", [150, 1000, 10000])
    def test_heavy_tails_keep_their_size(self, n):
        x = np.random.default_rng(0).lognormal(0, 2, n)
        z = np.random.default_rng(1).normal(size=(200000, 1))
        got = np.clip(fit(QuantileCodec, x).decode(z), x.min(), x.max())
        assert wasserstein_distance(got, x) < 0.05 * x.std()
        assert_allclose(got.std(), x.std(), rtol=0.2)

    def test_atoms(self):
        rng = np.random.default_rng(0)
        values, counts = np.unique(np.r_[np.zeros(50), rng.normal(size=950)], return_counts=True)
        assert_array_equal(values[find_atoms(counts)], [0.0])

    def test_all_values_where_one_more_row_would_repeat_one(self):
        """But whole numbers, and the points of a lattice most of which occur, have others."""
        rng = np.random.default_rng(0)
        seen = rng.choice(400, 1000)
        for unit, tied in ((rng.normal(size=400), True), (np.arange(400), False)):
            values, counts = np.unique(unit[seen], return_counts=True)
            lattice = find_lattice(values)
            assert find_atoms(counts, lattice).all() == tied
            if tied:
                assert choose_transform(values, counts, lattice) == "quantile"

    def test_repeating_is_judged_by_values_seen_once(self):
        """Against the rows that were held out."""
        rng = np.random.default_rng(0)
        for n_values in (100, 300, 1000, 3000):
            seen, new = rng.choice(n_values, (2, 1000))
            counts = np.unique(seen, return_counts=True)[1]
            share = np.isin(new, seen).mean()
            if abs(share - 0.5) > 0.1:
                assert repeats(counts, None) == (share > 0.5)


class TestChoice:
    @pytest.mark.parametrize(
        ("kind", "transform"),
        [
            ("normal", "standard"),
            ("heavy", "quantile"),
            ("zeros", "quantile"),
            ("two spikes", "quantile"),
            ("few values", "quantile"),
            ("counts", "quantile"),
            ("many integers", "quantile"),
        ],
    )
    def test_choice(self, kind, transform):
        assert choose_transform(*np.unique(draws(kind), return_counts=True)) == transform

    @pytest.mark.parametrize("n", [3, 5, 12])
    def test_few_rows_prove_no_spike(self, n):
        values, counts = np.unique(np.arange(n) // 2, return_counts=True)
        assert choose_transform(values, counts) == "standard"

    @pytest.mark.parametrize("sign", [1, -1])
    def test_one_sharp_end(self, sign):
        """A half-normal spread by a normal ends sharply or not, and is no more skew than 1."""
        rng = np.random.default_rng(0)
        half = np.abs(rng.normal(size=2000))
        sharp, blunt = np.sort(sign * half), np.sort(sign * half + rng.normal(size=2000))
        assert choose_transform(sharp, np.ones(2000)) == "quantile"
        assert choose_transform(blunt, np.ones(2000)) == "standard"

    def test_few_rows_prove_no_sharp_end(self):
        assert choose_transform(np.linspace(0, 1, 99), np.ones(99)) == "standard"
        assert choose_transform(np.linspace(0, 1, 101), np.ones(101)) == "quantile"

    @pytest.mark.parametrize("sign", [1, -1])
    def test_skewness_of_either_sign(self, sign):
        x = np.sort(sign * np.random.default_rng(0).beta(1, 5, size=4000))
        assert choose_transform(x, np.ones(4000)) == "quantile"

    def test_units_do_not_matter(self):
        for kind in DRAWS:
            values, counts = np.unique(draws(kind), return_counts=True)
            choice = choose_transform(values, counts)
            assert choose_transform(1e-6 * values + 3, counts) == choice, kind
