from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import binom

from skdiffusion.detection import benjamini_hochberg_online, conformal_pvalues
from skdiffusion.detection.conformal import benjamini_hochberg


def naive_step_up(numerators, denominator, fdr):
    """Benjamini and Hochberg's procedure in exact arithmetic."""
    m = len(numerators)
    ordered = sorted(Fraction(int(k), denominator) for k in numerators)
    passing = [p for i, p in enumerate(ordered, start=1) if p <= i * fdr / m]
    bound = max(passing, default=Fraction(-1))
    return [Fraction(int(k), denominator) <= bound for k in numerators]


def naive_online(numerators, denominator, fdr, window):
    """The definition in exact arithmetic, count by count."""
    declared = []
    for i, numerator in enumerate(numerators):
        before = numerators[max(i - window + 1, 0) : i]
        bound = Fraction(0)
        for k in range(1, len(before) + 1):
            if sum(Fraction(int(n), denominator) <= k * fdr / window for n in before) >= k:
                bound = k * fdr / window
        declared.append(Fraction(int(numerator), denominator) <= bound)
    return declared


def assert_binomial(hits, n, probability, coverage=1 - 1e-5):
    """The count lies where the binomial distribution puts all but 1e-5 of its mass."""
    low, high = binom.interval(coverage, n, probability)
    assert low <= hits <= high


def assert_at_most_binomial(hits, n, probability, tail=1e-5):
    assert hits <= binom.isf(tail, n, probability)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


class TestConformal:
    @pytest.mark.parametrize("tied", [False, True])
    def test_equals_the_double_loop(self, rng, tied):
        calibration, scores = rng.normal(size=41), rng.normal(size=60)
        if tied:
            calibration, scores = np.round(calibration, 1), np.round(scores, 1)
            assert np.isin(scores, calibration).sum() > 5
        expected = [(1 + sum(c >= s for c in calibration)) / 42 for s in scores]
        assert_array_equal(conformal_pvalues(calibration, scores), expected)

    def test_uniform_on_exchangeable_scores(self, rng):
        # A shift common to all scores of a draw: they are exchangeable, and far from independent.
        n_draws, n = 4000, 19
        draws = rng.normal(size=(n_draws, n + 1)) + 5 * rng.normal(size=(n_draws, 1))
        pvalues = np.array([conformal_pvalues(d[:-1], d[-1:])[0] for d in draws])
        ranks = np.round(pvalues * (n + 1)).astype(int)
        for rank in range(1, n + 2):
            assert_binomial(np.sum(ranks == rank), n_draws, 1 / (n + 1))
            assert_binomial(np.sum(ranks <= rank), n_draws, rank / (n + 1))

    def test_ties_are_conservative(self, rng):
        n_draws, n = 4000, 19
        draws = rng.poisson(1.0, size=(n_draws, n + 1))
        pvalues = np.array([conformal_pvalues(d[:-1], d[-1:])[0] for d in draws])
        for rank in range(1, n + 2):
            level = rank / (n + 1)
            assert_at_most_binomial(np.sum(pvalues <= level + 1e-9), n_draws, level)

    def test_all_tied(self):
        assert_array_equal(conformal_pvalues(np.ones(9), np.ones(3)), np.ones(3))

    def test_more_anomalous_is_never_a_larger_pvalue(self, rng):
        scores = np.sort(rng.normal(size=200))
        pvalues = conformal_pvalues(rng.normal(size=50), scores)
        assert np.all(np.diff(pvalues) <= 0)
        assert len(np.unique(pvalues)) > 20

    def test_range(self, rng):
        calibration = rng.normal(size=99)
        assert_array_equal(conformal_pvalues(calibration, [-1e9, 1e9]), [1, 0.01])

    def test_infinite_scores(self):
        calibration = [1.0, 2.0, np.inf]
        pvalues = conformal_pvalues(calibration, [np.inf, 3.0, -np.inf])
        assert_array_equal(pvalues, [0.5, 0.5, 1.0])

    def test_leaves_its_input_alone_and_takes_no_rows(self):
        calibration = np.array([3.0, 1.0, 2.0])
        assert conformal_pvalues(calibration, []).shape == (0,)
        assert_array_equal(calibration, [3, 1, 2])

    @pytest.mark.parametrize(
        ("calibration", "scores", "message"),
        [
            ([], [1.0], "calibration is empty"),
            ([1.0, np.nan], [1.0], "calibration holds NaN"),
            ([1.0], [np.nan], "scores holds NaN"),
            ([[1.0]], [1.0], "calibration must be an array of 1 axes"),
            ([1.0], [[1.0]], "scores must be an array of 1 axes"),
        ],
    )
    def test_bad_input(self, calibration, scores, message):
        with pytest.raises(ValueError, match=message):
            conformal_pvalues(calibration, scores)


class TestBenjaminiHochberg:
    @pytest.mark.parametrize("fdr", [Fraction(1, 20), Fraction(1, 10), Fraction(3, 10)])
    def test_equals_the_procedure_in_exact_arithmetic(self, rng, fdr):
        declared = 0
        for _ in range(300):
            m, denominator = rng.integers(1, 40), int(rng.integers(2, 101))
            numerators = np.ceil(denominator * rng.random(m) ** 3).astype(int)
            mask = benjamini_hochberg(numerators / denominator, float(fdr))
            assert_array_equal(mask, naive_step_up(numerators, denominator, fdr))
            declared += mask.sum()
        assert declared > 300

    def test_rounding_does_not_decide(self):
        # The k smallest of m p-values meet the bound k * fdr / m exactly, in numbers whose floats
        # are off by their rounding, now to this side and now to that.
        for m in range(1, 41):
            for k in range(1, m + 1):
                pvalues = np.ones(m)
                pvalues[:k] = k / (10 * m)
                assert_array_equal(benjamini_hochberg(pvalues, 0.1), np.arange(m) < k)

    def test_rate_of_conformal_pvalues(self, rng):
        # With fdr * (n + 1) / m a whole number and no ties, the rate is fdr times the share of
        # normal rows, exactly: Marandon, Lei, Mary and Roquain, Annals of Statistics 52(1), 2024.
        n_draws, n, m, n_anomalies, fdr = 3000, 999, 100, 10, 0.1
        false_share, plain_share, found = np.zeros((3, n_draws))
        for i in range(n_draws):
            scores = rng.normal(size=m)
            scores[:n_anomalies] += 3.5
            pvalues = conformal_pvalues(rng.normal(size=n), scores)
            for share, declared in (
                (false_share, benjamini_hochberg(pvalues, fdr)),
                (plain_share, pvalues <= fdr),
            ):
                share[i] = declared[n_anomalies:].sum() / max(declared.sum(), 1)
            found[i] = benjamini_hochberg(pvalues, fdr)[:n_anomalies].mean()
        error = false_share.std() / n_draws**0.5
        assert abs(false_share.mean() - fdr * (1 - n_anomalies / m)) < 4 * error
        assert error < 0.002
        assert found.mean() > 0.5
        # Declaring every p-value below 0.1 is what the procedure guards against.
        assert plain_share.mean() > 0.3

    def test_smaller_pvalues_are_declared_first(self, rng):
        pvalues = rng.random(200) ** 3
        declared = benjamini_hochberg(pvalues, 0.2)
        assert 0 < declared.sum() < 200
        assert pvalues[declared].max() < pvalues[~declared].min()

    def test_a_higher_rate_declares_more(self, rng):
        pvalues = rng.random(200) ** 3
        few, many = benjamini_hochberg(pvalues, 0.05), benjamini_hochberg(pvalues, 0.3)
        assert np.all(many[few])
        assert many.sum() > few.sum()

    def test_the_resolution_of_few_calibration_rows(self):
        # k rows of m can be declared if k * fdr * (n + 1) >= m.
        n, m, fdr = 99, 50, 0.1
        for k in range(1, 11):
            scores = np.where(np.arange(m) < k, 10.0, -10.0)
            mask = benjamini_hochberg(conformal_pvalues(np.linspace(-1, 1, n), scores), fdr)
            assert mask.sum() == (k if k * fdr * (n + 1) >= m - 1e-9 else 0)

    @pytest.mark.parametrize("fdr", [0, 1, -0.1, 1.5, np.nan])
    def test_bad_rate(self, fdr):
        with pytest.raises(ValueError, match="must lie between 0 and 1, such as"):
            benjamini_hochberg([0.5], fdr)


class TestOnline:
    @pytest.mark.parametrize("fdr", [Fraction(1, 20), Fraction(1, 10), Fraction(3, 10)])
    @pytest.mark.parametrize("window", [2, 7, 20, 100])
    def test_equals_the_double_loop(self, rng, fdr, window):
        declared = 0
        for _ in range(5):
            denominator = int(rng.integers(500, 2001))
            numerators = np.ceil(denominator * rng.random(60) ** 5).astype(int)
            mask = benjamini_hochberg_online(numerators / denominator, float(fdr), window=window)
            assert_array_equal(mask, naive_online(numerators, denominator, fdr, window))
            declared += mask.sum()
        assert 0 < declared < 5 * 60

    def test_rounding_does_not_decide(self):
        # After k p-values of 0 comes one that meets the bound k * fdr / window exactly. The float
        # 0.3 is below 3 / 10, so that products with it are often too small.
        for window in range(2, 41):
            for k in range(1, window):
                bound, options = 3 * k / (10 * window), {"window": window, "history": np.zeros(k)}
                assert benjamini_hochberg_online([bound], 0.3, **options).all()
                assert not benjamini_hochberg_online([bound * (1 + 1e-9)], 0.3, **options).any()

    def test_later_rows_change_nothing(self, rng):
        pvalues = rng.random(80) ** 5
        declared = benjamini_hochberg_online(pvalues, 0.2, window=25)
        assert 0 < declared.sum() < 80
        for n in range(81):
            assert_array_equal(benjamini_hochberg_online(pvalues[:n], 0.2, window=25), declared[:n])
            others = np.append(pvalues[:n], np.zeros(30))
            assert_array_equal(benjamini_hochberg_online(others, 0.2, window=25)[:n], declared[:n])

    @pytest.mark.parametrize("n_earlier", [0, 1, 10, 24, 25, 60, 80])
    def test_history_goes_on_from_an_earlier_call(self, rng, n_earlier):
        pvalues = rng.random(80) ** 5
        earlier, later = pvalues[:n_earlier], pvalues[n_earlier:]
        chunks = [
            benjamini_hochberg_online(earlier, 0.2, window=25),
            benjamini_hochberg_online(later, 0.2, window=25, history=earlier),
        ]
        declared = benjamini_hochberg_online(pvalues, 0.2, window=25)
        assert_array_equal(np.concatenate(chunks), declared)

    def test_history_tells(self):
        # The same row is declared or not by what came before it.
        assert benjamini_hochberg_online([0.01], window=4, history=[0.001, 0.001]).all()
        assert not benjamini_hochberg_online([0.01], window=4, history=[0.001, 0.5, 0.5, 0.5]).any()

    @pytest.mark.parametrize("share", [0.1, 0.03])
    def test_rate_of_conformal_pvalues(self, global_random_seed, share):
        rng = np.random.default_rng(global_random_seed)
        n_streams, n, m, fdr = 20, 1000, 1500, 0.1
        false_share, plain_share = np.zeros((2, n_streams))
        n_found = n_anomalies = 0
        for i in range(n_streams):
            anomalous = rng.random(m) < share
            pvalues = conformal_pvalues(rng.normal(size=n), rng.normal(size=m) + 4 * anomalous)
            declared = benjamini_hochberg_online(pvalues, fdr)
            false_share[i] = declared[~anomalous].sum() / max(declared.sum(), 1)
            plain_share[i] = (pvalues[~anomalous] <= fdr).sum() / (pvalues <= fdr).sum()
            n_found += declared[anomalous].sum()
            n_anomalies += anomalous.sum()
        error = false_share.std(ddof=1) / n_streams**0.5
        assert false_share.mean() <= fdr + 3 * error
        # A wide spread would make the bound above an easy one.
        assert error < 0.04
        assert n_found >= n_anomalies / 2
        # Declaring every p-value below 0.1 is what the procedure guards against.
        assert plain_share.mean() > 0.3

    @pytest.mark.parametrize("window", [1, 0, -5, 2.5])
    def test_bad_window(self, window):
        with pytest.raises(ValueError, match=f"window={window} must be a whole number of at least"):
            benjamini_hochberg_online([0.5, 0.2], window=window)

    @pytest.mark.parametrize("part", ["pvalues", "history"])
    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            ([1.5, *[0.5] * 9], "must lie between 0 and 1"),
            ([-0.1], "must lie between 0 and 1"),
            ([np.nan], "holds NaN"),
            ([[0.5]], "must be an array of 1 axes"),
        ],
    )
    def test_bad_pvalues(self, part, bad, message):
        parts = {"pvalues": [0.5], "history": [0.5] * 9} | {part: bad}
        with pytest.raises(ValueError, match=f"{part} {message}"):
            benjamini_hochberg_online(**parts, window=3)

    @pytest.mark.parametrize("fdr", [0, 1, np.nan])
    def test_bad_rate(self, fdr):
        with pytest.raises(ValueError, match="must lie between 0 and 1, such as"):
            benjamini_hochberg_online([], fdr=fdr)
