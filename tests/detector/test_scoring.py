"""What scores are: sums of calibrated parts, of each row by itself, held out for training rows."""

import pickle

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from skdiffusion import DiffusionAnomalyDetector
from skdiffusion.detection.anomaly_model import METHODS
from skdiffusion.detection.conformal import conformal_pvalues


@pytest.fixture(scope="module")
def hybrid(cancer):
    return DiffusionAnomalyDetector().fit(cancer.X)


class TestOracles:
    def test_one_neighbour_ranks_as_the_distance_to_it(self, cancer, detect):
        scaler = StandardScaler().fit(cancer.X)
        search = NearestNeighbors(n_neighbors=1).fit(scaler.transform(cancer.X))
        rows = np.concatenate([cancer.fresh, cancer.odd])
        distance = search.kneighbors(scaler.transform(rows))[0][:, 0]
        detector = detect(method="neighbors").fit(cancer.X)
        assert_array_equal(np.argsort(-detector.score_samples(rows)), np.argsort(distance))
        held_out = search.kneighbors()[0][:, 0]
        assert_array_equal(
            np.argsort(-detector.training_scores_, kind="stable"),
            np.argsort(np.round(held_out, 9), kind="stable"),
        )

    def test_more_neighbours_rank_as_their_mean_distance(self, cancer, detect):
        scaler = StandardScaler().fit(cancer.X)
        detector = detect(method="neighbors", contamination=0.1).fit(cancer.X)
        n_neighbors = detector._model.scores[0].nearest.n_neighbors
        assert n_neighbors == 50
        search = NearestNeighbors(n_neighbors=n_neighbors).fit(scaler.transform(cancer.X))
        distance = search.kneighbors(scaler.transform(cancer.odd))[0].mean(1)
        scores = detector.score_samples(cancer.odd)
        assert spearmanr(scores, -distance).statistic > 0.99999

    def test_hybrid_is_the_sum_of_its_members_on_one_scale(self, hybrid, cancer):
        rows = np.concatenate([cancer.fresh[:20], cancer.odd[:20]])
        model = hybrid._model
        assert model.options.methods == ("neighbors", "patterns", "kernel")

        def nats(scores, held_out, own=1):
            middle, high = np.quantile(held_out, [0.5, 0.9])
            steps, n = np.unique(held_out), len(held_out) + 1
            rare = -np.log(conformal_pvalues(held_out, steps) - (1 - own) / n)
            inner = own * middle + (1 - own) * np.clip(scores, steps[0], steps[-1])
            bent = [np.arcsinh((x - middle) / (high - middle)) for x in (scores, inner)]
            return np.interp(scores, steps, rare) + 0.2 * (bent[0] - bent[1])

        X = hybrid._encoder.encode(rows)
        parts = [(s.evaluate(X, model.nearest.find(X[0])), s.held_out) for s in model.scores]
        weights = [1, 2, 2, 1, 1]
        total, held_out = (
            sum(w * nats(p[k], p[1]) for w, p in zip(weights, parts, strict=True)) for k in (0, 1)
        )
        assert_allclose(hybrid.score_samples(rows), -nats(total, held_out, own=0), atol=1e-6)

    def test_malignant_tumours_are_unlike_benign_ones(self, hybrid, cancer):
        for detector in (hybrid, cancer.detector):
            scores = [detector.score_samples(rows) for rows in (cancer.odd, cancer.fresh)]
            is_normal = np.repeat([0, 1], [len(part) for part in scores])
            assert roc_auc_score(is_normal, np.concatenate(scores)) > 0.9


class TestMethods:
    @pytest.mark.parametrize("name", [*METHODS, "hybrid"])
    def test_every_one_fits_and_tells_far_rows(self, name, pair, detect):
        detector = detect(method=name).fit(pair.X[:200])
        scores = detector.score_samples(pair.X[200:230])
        assert np.isfinite(scores).all()
        assert np.isfinite(detector.training_scores_).all()
        far = detector.score_samples(pair.mean + 30 * pair.scale * np.array([[1.0, -1.0, 1.0]]))
        assert far < scores.min()
        assert detector.transform(pair.X[200:230]).shape == (
            30, len(detector.get_feature_names_out()),
        )  # fmt: skip

    def test_sequence(self, pair, detect):
        """Of any kind, in any order."""
        fitted = [
            detect(method=method).fit(pair.X[:200]).score_samples(pair.X[200:])
            for method in (("neighbors", "kernel"), ["kernel", "neighbors"])
        ]
        assert_allclose(*fitted, rtol=1e-9, atol=1e-9)

    def test_name_alone_or_in_a_sequence(self, pair, detect):
        fitted = [detect(method=m).fit(pair.X[:200]) for m in ("kernel", ["kernel"])]
        assert_array_equal(*[d.score_samples(pair.X[200:]) for d in fitted])


class TestRowsByThemselves:
    @pytest.fixture(params=["hybrid", "gaps"])
    def case(self, request, hybrid, cancer, detect):
        rows = np.concatenate([cancer.fresh[:30], cancer.odd[:30], cancer.X[:30]])
        if request.param == "hybrid":
            return hybrid, rows
        rng = np.random.default_rng(0)
        X = np.where(rng.random(cancer.X.shape) < 0.15, np.nan, cancer.X)
        rows = np.where(rng.random(rows.shape) < 0.15, np.nan, rows)
        return detect().fit(X), np.concatenate([rows[:60], X[:30]])

    @pytest.mark.parametrize("method", ["score_samples", "transform", "predict_pvalue"])
    def test_batch(self, case, method):
        detector, rows = case
        call = getattr(detector, method)
        whole = call(rows)
        single = np.concatenate([call(rows[i : i + 1]) for i in range(0, 90, 7)])
        assert_allclose(single, whole[::7], rtol=1e-9, atol=1e-9)

    def test_order_and_repetition(self, case):
        detector, rows = case
        order = np.random.default_rng(0).permutation(len(rows))
        scores = detector.score_samples(rows)
        assert_allclose(detector.score_samples(rows[order]), scores[order], rtol=1e-9, atol=1e-9)
        assert_array_equal(detector.score_samples(rows), scores)

    def test_scoring_changes_nothing(self, detect):
        """In sixteen columns, up to which the search is a tree, which counts what it is asked."""
        rows = np.random.default_rng(0).normal(size=(130, 16))
        detector = detect().fit(rows[:100])
        before = joblib.hash(pickle.dumps(detector))
        detector.predict(rows)
        detector.predict_pvalue(rows)
        detector.select(rows)
        detector.explain(rows[:5])
        detector.transform(rows)
        detector.sample(3)
        detector.repair(rows[:5])
        assert joblib.hash(pickle.dumps(detector)) == before


class TestTrainingRows:
    @pytest.mark.parametrize("contamination", ["auto", 0.1])
    def test_a_hair_is_no_jump(self, cancer, detect, contamination):
        """The same rows with a rounding error get about the same scores and flags."""
        detector = detect(contamination=contamination).fit(cancer.X)
        flags = detector.predict(cancer.X) == -1
        assert flags.mean() == pytest.approx(0.05 if contamination == "auto" else 0.1, abs=0.01)
        for rows in (cancer.X + 1e-6, cancer.X.astype(np.float32), cancer.X * (1 + 1e-7)):
            scores = detector.score_samples(rows)
            assert_allclose(scores, detector.training_scores_, atol=0.05)
            assert (detector.predict(rows) == -1).mean() == pytest.approx(flags.mean(), abs=0.01)

    def test_scores_are_continuous(self, hybrid, cancer):
        """On the way from one training row to the next, in small steps."""
        share = np.linspace(0, 1, 4001)[:, None]
        far = int(np.argmin(hybrid.training_scores_))
        scores = hybrid.score_samples((1 - share) * cancer.X[far] + share * cancer.X[5])
        assert scores[0] == hybrid.training_scores_[far]
        assert scores[-1] == hybrid.training_scores_[5]
        assert np.abs(np.diff(scores)).max() < 0.05 * np.ptp(scores)

    def test_have_their_held_out_scores(self, hybrid, cancer):
        assert_array_equal(hybrid.score_samples(cancer.X), hybrid.training_scores_)
        order = np.random.default_rng(0).permutation(250)[:40]
        assert_array_equal(hybrid.score_samples(cancer.X[order]), hybrid.training_scores_[order])

    def test_are_not_their_own_neighbours(self, detect):
        """At distance zero all would be alike; a row far from the others is not."""
        X = np.random.default_rng(0).normal(size=(100, 3))
        X[0] = 20.0
        detector = detect(method="neighbors").fit(X)
        far = detector.score_samples(X[:1])
        # beyond it there is itself alone, of 100 rows and a new one
        assert far < np.log(2 / 101)
        assert far < detector.training_scores_[1:].min() - 0.2
        assert detector.score_samples(X).std() > 0.1

    @pytest.mark.parametrize("name", METHODS)
    def test_are_judged_as_new_rows_are(self, name, detect):
        """Held-out scores of training rows are distributed as the scores of new rows."""
        rows = np.random.default_rng(0).normal(size=(1200, 4))
        detector = detect(method=name).fit(rows[:400])
        train, new = detector.training_scores_, detector.score_samples(rows[400:])
        assert abs(np.median(train) - np.median(new)) < 0.1
        assert abs((new < np.quantile(train, 0.1)).mean() - 0.1) < 0.05

    def test_fit_predict_is_predict(self, cancer, hybrid, detect):
        for detector in (detect(), detect(contamination=0.1), detect(contamination=0)):
            labels = detector.fit_predict(cancer.X)
            assert_array_equal(labels, detector.predict(cancer.X))
            assert set(labels) <= {-1, 1}
        again = clone(hybrid).fit_predict(cancer.X)
        assert_array_equal(again, hybrid.predict(cancer.X))

    def test_copies_are_not_recognised(self, detect):
        """In a table full of copies, to be equal to a row is to be normal."""
        X = np.random.default_rng(0).normal(size=(50, 2))
        detector = detect(method="neighbors").fit(np.concatenate([X, X[:25]]))
        scores = detector.score_samples(X)
        assert_allclose(scores, scores[0])
        # held out, half of the rows have their copy in memory and half have not
        assert (detector.training_scores_[:25] == detector.training_scores_[50:]).all()
        assert detector.training_scores_[25:50].max() < detector.training_scores_[:25].min()


class TestThreshold:
    def test_decision_function(self, cancer):
        detector, rows = cancer.detector, cancer.odd
        decision = detector.decision_function(rows)
        assert_array_equal(decision, detector.score_samples(rows) - detector.offset_)
        assert_array_equal(detector.predict(rows), np.where(decision < 0, -1, 1))

    @pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
    def test_share(self, cancer, detect, share):
        labels = detect(contamination=share).fit_predict(cancer.X)
        assert abs((labels == -1).mean() - share) <= 1 / len(labels)

    def test_auto_is_one_in_twenty(self, cancer, detect):
        assert abs((detect().fit_predict(cancer.X) == -1).mean() - 0.05) <= 1 / 250

    def test_zero_reports_no_training_row(self, cancer, detect):
        detector = detect(contamination=0).fit(cancer.X)
        assert (detector.predict(cancer.X) == 1).all()
        assert detector.offset_ == pytest.approx(detector.training_scores_.min())
        assert (detector.predict(cancer.odd) == -1).any()

    def test_scale(self, cancer):
        """The logarithm of the share of rows that are as anomalous."""
        scores = cancer.detector.training_scores_
        assert np.median(scores) == pytest.approx(-np.log(2), abs=0.02)
        expected = np.log(np.arange(1, 251) / 251)
        assert_allclose(np.sort(scores), expected, atol=1e-5)


class TestTransform:
    def test_profile(self, hybrid, cancer):
        profile = hybrid.transform(cancer.fresh)
        names = list(hybrid.get_feature_names_out())
        assert names == [
            "neighbors", "patterns_linear", "patterns_ranked", "kernel_linear", "kernel_ranked",
        ]  # fmt: skip
        assert profile.shape == (len(cancer.fresh), len(names))
        # larger for more anomalous rows
        assert (hybrid.transform(cancer.odd).mean(0) > profile.mean(0)).all()

    def test_training_rows_are_held_out(self, hybrid, cancer, detect):
        """A profile of distances to oneself would be constant."""
        profile = hybrid.transform(cancer.X)
        n = len(profile)
        assert_allclose(np.median(profile, axis=0), np.log(2), atol=5 / n)
        tenth = np.log(10) + 0.2 * np.arcsinh(1)
        assert_allclose(np.quantile(profile, 0.9, axis=0), tenth, atol=20 / n)
        assert_array_equal(detect().fit_transform(cancer.X), cancer.detector.transform(cancer.X))


class TestSample:
    def test_is_like_the_training_rows(self, pair):
        rows = pair.detector.sample(2000, random_state=0)
        assert_allclose(rows.mean(0), pair.X.mean(0), atol=0.1 * pair.scale.max())
        assert_allclose(np.corrcoef(rows.T)[0, 1], 0.95, atol=0.03)
        assert_allclose(rows.std(0) / pair.scale, 1, atol=0.1)

    def test_of_contaminated_rows_is_normal(self, detect):
        rng = np.random.default_rng(0)
        X = np.concatenate([rng.normal(size=(180, 2)), 12 + 0.3 * rng.normal(size=(20, 2))])
        rows = detect(contamination=0.1).fit(X).sample(500, random_state=0)
        assert (rows < 6).all()


class TestInvariance:
    @pytest.mark.parametrize("contamination", ["auto", 0.1])
    def test_units_and_orders(self, detect, contamination, global_random_seed):
        """Neither the units of columns nor the order of columns and rows make a difference."""
        rng = np.random.default_rng(global_random_seed)
        X = rng.normal(size=(160, 1)) + rng.exponential(size=(160, 7)) ** 1.5
        X[:, 2] = np.rint(X[:, 2])
        if contamination == "auto":
            # a copy of a column, which a forest takes for one of two
            X = np.column_stack([X, X[:, 3]])
        d = X.shape[1]
        rows = X[:20] + 0.1 * rng.normal(size=(20, d))
        detector = detect(contamination=contamination).fit(X)
        columns, order = rng.permutation(d), rng.permutation(160)
        unit, shift = 10.0 ** rng.uniform(-6, 6, d), rng.normal(size=d)
        other = detect(contamination=contamination).fit((unit * (X + shift))[order][:, columns])
        assert_allclose(
            other.score_samples((unit * (rows + shift))[:, columns]), detector.score_samples(rows),
            rtol=1e-7, atol=1e-7,
        )  # fmt: skip
        assert_allclose(
            other.training_scores_, detector.training_scores_[order], rtol=1e-7, atol=1e-7
        )

    @pytest.mark.parametrize("code", [999.0, 1e9])
    def test_a_gross_cell_changes_little(self, detect, code, global_random_seed):
        """One code for a missing cell among 300 rows; far rows are found as before."""
        rng = np.random.default_rng(global_random_seed)
        X, rows = rng.normal(size=(300, 3)), rng.normal(size=(400, 3))
        is_far = np.arange(400) >= 300
        rows[is_far, 1] += 4
        gross = np.concatenate([X, [[0.0, code, 0.0]]])
        areas = [
            roc_auc_score(is_far, -detect().fit(table).score_samples(rows)) for table in (X, gross)
        ]
        assert abs(areas[0] - areas[1]) < 0.02
        assert areas[0] > 0.95
