from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import binom

from skdiffusion.detection import benjamini_hochberg, conformal_pvalues


def naive_cross_conformal(calibration, fold, scores):
    """The definition, count by count."""
    pvalues = []
    for row in scores:
        count = 1
        for value, k in zip(calibration, fold, strict=True):
            count += value >= row[k]
        pvalues.append(count / (len(calibration) + 1))
    return pvalues


def naive_step_up(numerators, denominator, fdr):
    """Benjamini and Hochberg's procedure in exact arithmetic."""
    m = len(numerators)
    ordered = sorted(Fraction(int(k), denominator) for k in numerators)
    passing = [p for i, p in enumerate(ordered, start=1) if p <= i * fdr / m]
    bound = max(passing, default=Fraction(-1))
    return [Fraction(int(k), denominator) <= bound for k in numerators]


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


class TestCrossConformal:
    @pytest.mark.parametrize("n_folds", [1, 3, 30])
    @pytest.mark.parametrize("decimals", [1, 8])
    def test_equals_the_double_loop(self, rng, n_folds, decimals):
        calibration = np.round(rng.normal(size=30), decimals)
        fold = rng.permutation(np.arange(30) % n_folds)
        scores = np.round(rng.normal(size=(25, n_folds)), decimals)
        pvalues = conformal_pvalues(calibration, scores, fold=fold)
        assert_array_equal(pvalues, naive_cross_conformal(calibration, fold, scores))

    def test_one_fold_is_split_conformal(self, rng):
        calibration, scores = rng.normal(size=20), rng.normal(size=30)
        pvalues = conformal_pvalues(calibration, scores[:, None], fold=np.zeros(20, int))
        assert_array_equal(pvalues, conformal_pvalues(calibration, scores))

    def test_detectors_that_agree_pool_their_folds(self, rng):
        calibration, scores = rng.normal(size=20), rng.normal(size=30)
        fold = rng.permutation(np.arange(20) % 4)
        pvalues = conformal_pvalues(calibration, np.tile(scores[:, None], 4), fold=fold)
        assert_array_equal(pvalues, conformal_pvalues(calibration, scores))

    def test_each_fold_has_its_own_scale(self, rng):
        # What one detector says is never compared with what another one says.
        calibration, fold = rng.normal(size=30), np.arange(30) % 3
        scores, factor = rng.normal(size=(25, 3)), np.array([1.0, 10.0, 1000.0])
        scaled = conformal_pvalues(calibration * factor[fold], scores * factor, fold=fold)
        assert_array_equal(scaled, conformal_pvalues(calibration, scores, fold=fold))

    def test_a_fold_without_rows_adds_nothing(self, rng):
        calibration, fold = rng.normal(size=20), np.arange(20) % 2 * 2
        scores = rng.normal(size=(5, 4))
        expected = conformal_pvalues(calibration, scores[:, [0, 2]], fold=fold // 2)
        assert_array_equal(conformal_pvalues(calibration, scores, fold=fold), expected)

    @pytest.mark.parametrize("n_folds", [2, 5, 20])
    def test_validity(self, rng, n_folds):
        # The detector: the distance from the mean of the rows it was fitted on, in one of its
        # dimensions, so that the folds' detectors differ but not by much.
        n_draws, n = 3000, 20
        fold = np.arange(n) % n_folds
        draws = rng.normal(size=(n_draws, n + 1))
        total, size = draws[:, :n].sum(axis=1), n - n // n_folds
        inside = np.stack([draws[:, :n][:, fold == k].sum(axis=1) for k in range(n_folds)], axis=1)
        centres = (total[:, None] - inside) / size
        calibration = np.abs(draws[:, :n] - centres[:, fold])
        scores = np.abs(draws[:, n:] - centres)
        pvalues = np.array(
            [
                conformal_pvalues(c, s[None], fold=fold)[0]
                for c, s in zip(calibration, scores, strict=True)
            ]
        )
        for level in (1 / 21, 2 / 21, 5 / 21, 10 / 21):
            hits = np.sum(pvalues <= level + 1e-9)
            bound = 2 * (level + (1 - level) * (n_folds - 1) / (n + n_folds))
            assert_at_most_binomial(hits, n_draws, min(bound, 1))
            # Here the detectors agree, so the level itself is nearly kept.
            assert_at_most_binomial(hits, n_draws, 1.2 * level)
            assert hits >= binom.ppf(1e-5, n_draws, 0.7 * level)

    @pytest.mark.parametrize(
        ("fold", "message"),
        [
            ([0, 1], "for each of the 3 calibration scores"),
            ([0, 1, 2], "a whole number from 0 to 1"),
            ([0, 1, -1], "a whole number from 0 to 1"),
            ([0.0, 1.0, 0.5], "a whole number from 0 to 1"),
        ],
    )
    def test_bad_fold(self, fold, message):
        with pytest.raises(ValueError, match=message):
            conformal_pvalues([1.0, 2.0, 3.0], [[1.0, 2.0]], fold=fold)

    def test_bad_scores(self):
        with pytest.raises(ValueError, match="scores must be an array of 2 axes"):
            conformal_pvalues([1.0], [1.0], fold=[0])
        with pytest.raises(ValueError, match="scores holds NaN"):
            conformal_pvalues([1.0], [[np.nan]], fold=[0])
        with pytest.raises(ValueError, match="calibration is empty"):
            conformal_pvalues([], [[1.0]], fold=[])


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

    def test_no_rows(self):
        mask = benjamini_hochberg([])
        assert mask.shape == (0,)
        assert mask.dtype == bool

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

    @pytest.mark.parametrize(
        ("pvalues", "message"),
        [
            ([1.5], "pvalues must lie between"),
            ([-0.1], "pvalues must lie between"),
            ([np.nan], "pvalues holds NaN"),
            ([[0.5]], "pvalues must be an array of 1 axes"),
        ],
    )
    def test_bad_pvalues(self, pvalues, message):
        with pytest.raises(ValueError, match=message):
            benjamini_hochberg(pvalues)
