"""P-values of normal rows are uniform, and few of those picked out are normal."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import kstest

from skdiffusion.detection.conformal import benjamini_hochberg


def draw(n, seed):
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    rows = np.column_stack([np.cos(angle), np.sin(angle), rng.normal(size=n)])
    return rows + 0.1 * rng.normal(size=rows.shape)


@pytest.fixture(scope="module")
def detectors(detect):
    return [detect().fit(draw(400, seed)) for seed in range(5)]


class TestPvalues:
    @pytest.mark.parametrize("level", [0.01, 0.05, 0.1, 0.5])
    def test_of_normal_rows(self, detectors, level):
        """On average over training sets, whose Beta spread adds to the binomial one."""
        shares = [(d.predict_pvalue(draw(2000, 90 + i)) <= level).mean()
                  for i, d in enumerate(detectors)]  # fmt: skip
        deviation = np.sqrt(level * (1 - level) * (1 / 2000 + 1 / 400) / len(shares))
        assert np.mean(shares) < level + 2.5 * deviation
        # they err to the safe side, and not by much
        assert np.mean(shares) > 0.5 * level - 2.5 * deviation

    def test_are_nearly_uniform(self, detectors):
        pvalues = detectors[1].predict_pvalue(draw(1000, seed=50))
        assert kstest(pvalues, "uniform").statistic < 0.12

    def test_are_ranks_among_held_out_scores(self, detectors):
        detector, rows = detectors[1], draw(50, seed=60)
        scores = detector.score_samples(rows)
        more = (detector.training_scores_[:, None] <= scores).sum(0)
        assert_array_equal(detector.predict_pvalue(rows), (1 + more) / 401)

    def test_far_rows_have_the_least(self, detectors):
        assert detectors[0].predict_pvalue(np.full((1, 3), 50.0)) == 1 / 401

    def test_marked_rows_have_no_part(self, detect):
        X = np.concatenate([draw(100, 0), 9 + draw(10, 1)])
        detector = detect().fit(X, np.repeat([1, -1], [100, 10]))
        assert detector.predict_pvalue(np.full((1, 3), 50.0)) == 1 / 101
        assert (detector.predict_pvalue(X[100:]) == 1 / 101).all()


class TestGaps:
    @pytest.mark.parametrize("columns", [[0], [2], [0, 1]])
    def test_rows_with_gaps_are_judged_as_surely(self, detectors, columns):
        """In the mean over training sets, each pattern calibrated on all 400 rows."""
        labels, small = [], []
        for i, detector in enumerate(detectors):
            rows = draw(800, 200 + i)
            rows[:, columns] = np.nan
            labels.append((detector.predict(rows) == -1).mean())
            small.append((detector.predict_pvalue(rows) <= 0.05).mean())
        spread = np.sqrt(0.05 * 0.95 * (1 / 800 + 1 / 400) / len(detectors))
        assert abs(np.mean(labels) - 0.05) < 2.5 * spread
        assert abs(np.mean(small) - 0.05) < 2.5 * spread

    def test_filled_training_rows_do_not_make_them_bold(self, detect):
        """With 40 % of the cells missing, whole rows are rare and calibrate by filled ones."""
        flagged = []
        for seed in range(5):
            rng = np.random.default_rng(seed)
            X = rng.normal(size=(1000, 1)) + rng.normal(size=(1000, 5))
            gappy = np.where(rng.random((200, 5)) < 0.4, np.nan, X[:200])
            flagged.append((detect(method="neighbors").fit(gappy).predict(X[200:]) == -1).mean())
        spread = np.sqrt(0.05 * 0.95 * (1 / 800 + 1 / 200) / 5)
        assert np.mean(flagged) < 0.05 + 3 * spread


class TestSelect:
    def test_few_are_normal(self, detectors):
        """The mean share of normal rows among those picked, over many tables."""
        shares, found = [], []
        for seed in range(60):
            rng = np.random.default_rng(seed)
            odd = np.column_stack([0.5 * rng.normal(size=(15, 2)) * 0.3, 4 + rng.normal(size=15)])
            rows = np.concatenate([draw(85, 1000 + seed), odd])
            picked = detectors[seed % 5].select(rows, fdr=0.1)
            shares.append(picked[:85].sum() / max(picked.sum(), 1))
            found.append(picked[85:].mean())
        assert np.mean(shares) < 0.1 + 2.5 * np.std(shares) / 60**0.5
        assert np.mean(found) > 0.5

    def test_is_the_procedure_on_the_pvalues(self, detectors):
        rows = np.concatenate([draw(30, seed=70), np.full((4, 3), 5.0)])
        pvalues = detectors[0].predict_pvalue(rows)
        for fdr in (0.05, 0.3):
            picked = detectors[0].select(rows, fdr=fdr)
            assert_array_equal(picked, benjamini_hochberg(pvalues, fdr))
        assert picked[-4:].all()

    @pytest.mark.parametrize("fdr", [0, 1, -0.1])
    def test_bad_rate(self, detectors, fdr):
        with pytest.raises(ValueError, match="must lie between 0 and 1"):
            detectors[0].select(draw(5, 0), fdr=fdr)
