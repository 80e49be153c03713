"""What detectors learn, from whom, and that their networks have a part in it."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from torch import nn

from skdiffusion import DenoiserNet
from skdiffusion.nets import PlainMLP
from skdiffusion.training.presets import judging_net


class Zero(PlainMLP):
    """Gives zero, whatever it has learned."""

    def forward(self, inputs, log_sigma):
        return 0 * super().forward(inputs, log_sigma)


class Constant(nn.Module):
    """Learns the mean and nothing else."""

    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(n_outputs))

    def forward(self, inputs, log_sigma):
        return self.mean.expand(len(inputs), -1)


class Identity(nn.Module):
    """Gives back what comes in."""

    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, inputs, log_sigma):
        return inputs * self.gain


class TestCollapse:
    """Rows of the curve against rows of shuffled cells, by the network alone."""

    SKILL = 0.9

    @pytest.fixture
    def skill(self, detect, shuffled):
        def measure(method, net):
            detector = detect(method=method, denoiser=net).fit(shuffled.X)
            return roc_auc_score(shuffled.is_odd[::3], -detector.score_samples(shuffled.rows[::3]))

        return measure

    @pytest.fixture
    def net(self):
        return judging_net().set_params(max_epochs=3, steps_per_epoch=60, module__width=64)

    def test_trained(self, skill, net):
        assert skill("denoise", net) > self.SKILL

    @pytest.mark.parametrize(
        "options",
        [
            {"lr": 0.0},
            {"module": Zero},
            {"module": Constant, "module__width": None},
            {"module": Identity, "module__width": None},
        ],
        ids=["untrained", "zero", "constant", "identity"],
    )
    def test_collapsed(self, skill, net, options):
        if options.get("module__width", 0) is None:
            options = {"module": options["module"]}
            net = clone(judging_net()).set_params(max_epochs=1, steps_per_epoch=50)
        # an identity, of no error at all, tells less than nothing
        assert skill("denoise", net.set_params(**options)) < 0.65 < self.SKILL

    def test_the_network_has_a_part_in_the_hybrid(self, detect, shuffled, net):
        trained, untrained = (
            detect(method="hybrid", denoiser=clone(net).set_params(lr=lr)).fit(shuffled.X)
            for lr in (1e-3, 0.0)
        )
        own = [name.startswith("denoise") for name in trained.get_feature_names_out()]
        profiles = [d.transform(shuffled.rows)[:, own].mean(1) for d in (trained, untrained)]
        skills = [roc_auc_score(shuffled.is_odd, profile) for profile in profiles]
        assert skills[0] > self.SKILL
        assert skills[1] < 0.65
        plain = detect(method=("neighbors", "kernel")).fit(shuffled.X)
        parts = trained.score_samples(shuffled.rows) - plain.score_samples(shuffled.rows)
        assert roc_auc_score(shuffled.is_odd, -parts) > self.SKILL

    def test_the_default_net_learns(self):
        """The preset as it is, for a tenth of its steps."""
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(300, 1)) * np.ones((1, 4)) + 0.1 * rng.normal(size=(300, 4))
        net = judging_net().set_params(max_epochs=3, random_state=0).fit(rows)
        losses = net.history[:, "train_loss"]
        assert losses[-1] < 0.5 * losses[0]


def planted(n_odd=15, seed=0):
    """Rows, and a narrow cluster of anomalies among them, smaller than a neighbourhood."""
    rng = np.random.default_rng(seed)
    odd = np.array([3.0, -3.0, 3.0, -3.0, 0.0]) + 0.05 * rng.normal(size=(n_odd, 5))
    return np.concatenate([rng.normal(size=(500 - n_odd, 5)), odd]), np.arange(500) >= 500 - n_odd


class TestContamination:
    def test_finds_a_cluster_where_the_nearest_neighbour_does_not(self, detect):
        X, is_odd = planted()
        robust = detect(method="hybrid", contamination=0.03).fit(X)
        naive = detect(method="neighbors").fit(X)
        assert roc_auc_score(is_odd, -robust.training_scores_) > 0.99
        assert roc_auc_score(is_odd, -naive.training_scores_) < 0.3
        labels = robust.fit_predict(X)
        assert (labels[is_odd] == -1).mean() > 0.9

    @pytest.mark.parametrize("method", ["neighbors", "kernel"])
    def test_each_part_withstands_it(self, detect, method):
        X, is_odd = planted()
        detector = detect(method=method, contamination=0.03).fit(X)
        assert roc_auc_score(is_odd, -detector.training_scores_) > 0.95

    def test_training_leaves_out_the_worst_rows(self, detect, monkeypatch):
        asked = []

        def net(*, robust=False):
            asked.append(robust)
            return judging_net(robust=robust).set_params(max_epochs=1, steps_per_epoch=2)

        monkeypatch.setattr("skdiffusion.detection.anomaly_model.judging_net", net)
        X, _ = planted()
        for contamination, robust in [("auto", False), (0, False), (0.1, True)]:
            detector = detect(method="denoise", contamination=contamination).fit(X)
            nets = detector._model.nets
            assert asked.pop() is robust
            assert [n.criterion_.trim for n in nets] == [0.2 * robust] * 3
            assert nets[0].sigma_max == (2.0 if robust else 0.2)

    @pytest.mark.parametrize(("n", "k"), [(40, 39), (300, 50), (900, 90), (6000, 500)])
    def test_number_of_neighbours(self, detect, n, k):
        X = np.random.default_rng(0).normal(size=(n, 2))
        detector = detect(method="neighbors", contamination=0.1).fit(X)
        assert detector._model.rows.n_neighbors == k
        assert detect(method="neighbors").fit(X)._model.rows.n_neighbors == 1


class TestLabels:
    @pytest.fixture
    def table(self):
        """Normal rows with anomalies that the norm tells, but no correlation."""
        rng = np.random.default_rng(0)
        X = rng.normal(size=(200, 4))
        odd = rng.normal(size=(30, 4)) + 6
        return np.concatenate([X, odd]), np.repeat([1, -1], [200, 30]), rng.normal(size=(30, 4)) + 6

    def test_marked_rows_are_not_learned(self, table, detect):
        X, y, fresh = table
        marked, without = detect().fit(X, y), detect().fit(X[:200])
        blind = detect().fit(X)
        assert_allclose(marked._model.Z.shape, (200, 4))
        assert np.median(marked.score_samples(fresh)) < np.median(blind.score_samples(fresh)) - 1
        assert (marked.predict(fresh) == -1).all()
        assert len(marked.training_scores_) == 230
        assert (marked.training_scores_[200:] < marked.offset_).all()
        # columns are standardised with them, scores are alike in rank
        assert (without.predict(fresh) == -1).all()

    def test_marked_rows_do_not_enter_the_threshold(self, table, detect):
        X, y, _ = table
        detector = detect().fit(X, y)
        assert abs((detector.predict(X[:200]) == -1).mean() - 0.05) <= 1 / 200
        assert len(detector._model.held_out) == 200

    def test_weights_move_to_what_tells_them(self, detect, short_net):
        """Anomalies off the line that the training rows are near: distances are blind to them."""
        rng = np.random.default_rng(0)
        line = rng.normal(size=(400, 1)) * np.ones((1, 2))
        X = line + 0.02 * rng.normal(size=(400, 2))
        odd = rng.normal(size=(40, 1)) * np.ones((1, 2)) + [0.15, -0.15]
        y = np.repeat([1, -1], [400, 40])
        detector = detect(method=("denoise", "kernel"), denoiser=short_net)
        detector.fit(np.concatenate([X, odd]), y)
        denoise, kernel = detector._model.weights
        assert kernel > 1.3 > 0.7 > denoise
        assert_allclose(denoise + kernel, 2)
        few = detect(method=("denoise", "kernel"), denoiser=short_net)
        few.fit(np.concatenate([X, odd[:2]]), y[:402])
        assert 1 < few._model.weights[1] < kernel
        none = detect(method=("denoise", "kernel"), denoiser=short_net).fit(X)
        assert_array_equal(none._model.weights, [1, 1])

    @pytest.mark.filterwarnings("ignore:y holds")
    @pytest.mark.parametrize("labels", [[1, 0], [5, 7], ["a", "b"], [True, False], [0.5, 2.0]])
    def test_other_labels_mean_nothing(self, table, detect, labels):
        X = table[0]
        with_labels = detect().fit(X, np.resize(labels, len(X)))
        assert_array_equal(with_labels.training_scores_, detect().fit(X).training_scores_)

    def test_as_a_column(self, table, detect):
        X, y, _ = table
        column = detect().fit(X, y[:, None])
        assert_array_equal(column.training_scores_, detect().fit(X, y).training_scores_)


class TestPartialFit:
    @pytest.mark.parametrize("method", [("neighbors", "kernel"), "hybrid"])
    def test_what_was_anomalous_becomes_normal(self, method, detect, short_net):
        rng = np.random.default_rng(0)
        X, other = rng.normal(size=(200, 3)), 8 + rng.normal(size=(200, 3))
        detector = detect(method=method, denoiser=short_net).fit(X)
        row = np.full((1, 3), 8.1)
        assert detector.predict(row) == -1
        old = detector._model
        assert detector.partial_fit(other) is detector
        assert detector.predict(row) == 1
        assert len(detector.training_scores_) == 400
        assert_array_equal(detector.score_samples(np.concatenate([X, other])),
                           detector.training_scores_)  # fmt: skip
        assert len(old.Z) == 200

    def test_of_an_unfitted_one_is_fit(self, detect):
        X = np.random.default_rng(0).normal(size=(60, 3))
        assert_array_equal(
            detect().partial_fit(X).training_scores_, detect().fit(X).training_scores_
        )

    def test_joins_the_memory(self, detect):
        """Neighbours in the scale of the first rows."""
        X = np.random.default_rng(0).normal(size=(120, 3))
        detector = detect(method="neighbors").fit(X[:60]).partial_fit(X[60:])
        Z = detector._encoder.encode(X)
        assert_array_equal(detector._model.Z, Z)

    def test_labels(self, detect):
        rng = np.random.default_rng(0)
        X, odd = rng.normal(size=(120, 3)), 5 + rng.normal(size=(20, 3))
        detector = detect().fit(X[:60])
        y = np.repeat([1, -1, 1], [30, 20, 30])
        detector.partial_fit(np.concatenate([X[60:90], odd, X[90:]]), y)
        assert len(detector._model.Z) == 120
        assert len(detector._model.anomalies) == 20
        assert_array_equal(detector._marked, np.r_[np.zeros(60), y] == -1)
        assert (detector.training_scores_[90:110] < detector.offset_).all()

    def test_networks_train_on(self, detect, short_net):
        X = np.random.default_rng(0).normal(size=(120, 3))
        detector = detect(method="denoise", denoiser=short_net).fit(X[:60])
        before = [net.module_.net.leave.weight.detach().clone() for net in nets_of(detector)]
        detector.partial_fit(X[60:])
        weights = [net.module_.net.leave.weight for net in nets_of(detector)]
        moved = [(now - old).norm().item() for now, old in zip(weights, before, strict=True)]
        sizes = [old.norm().item() for old in before]
        # from where they were: new weights would be as far off as they are large
        assert all(0 < step < 0.5 * size for step, size in zip(moved, sizes, strict=True))

    def test_rows_one_by_one_are_shared_out(self, detect):
        """Each network is to learn from two thirds of the new rows, however they come."""
        X = np.random.default_rng(0).normal(size=(60, 2))
        detector = detect(method="neighbors").fit(X[:30])
        for row in X[30:]:
            detector.partial_fit(row[None])
        assert_array_equal(np.bincount(detector._model.fold), [20, 20, 20])

    def test_copies_stay_in_their_fold(self, detect):
        """Or the network that judges a row would have seen its copy."""
        X = np.random.default_rng(0).normal(size=(90, 3))
        model = detect(method="neighbors").fit(X[:60]).partial_fit(X[30:])._model
        assert_array_equal(model.fold[60:90], model.fold[30:60])

    @pytest.mark.parametrize(
        "bad", [np.full((3, 3), np.inf), np.zeros((3, 2)), np.zeros((0, 3))],
        ids=["infinite", "columns", "empty"],
    )  # fmt: skip
    def test_bad_rows_leave_it_as_it_was(self, detect, bad):
        X = np.random.default_rng(0).normal(size=(60, 3))
        detector = detect().fit(X)
        model, scores = detector._model, detector.score_samples(X + 1)
        with pytest.raises(ValueError):
            detector.partial_fit(bad)
        assert detector._model is model
        assert_array_equal(detector.score_samples(X + 1), scores)

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_a_failed_training_leaves_it_as_it_was(self, detect, short_net, monkeypatch, error):
        X = np.random.default_rng(0).normal(size=(60, 3))
        detector = detect(method="hybrid", denoiser=short_net).fit(X)
        model, scores = detector._model, detector.score_samples(X + 1)
        before = [weight.detach().clone() for weight in weights_of(detector)]
        get_loss, batches = DenoiserNet.get_loss, iter(range(30))

        def fail(*args, **kwargs):
            # when one network is done and the next is on its way
            if next(batches) == 25:
                raise error
            return get_loss(*args, **kwargs)

        monkeypatch.setattr(DenoiserNet, "get_loss", fail)
        with pytest.raises(error):
            detector.partial_fit(X + 2)
        assert detector._model is model
        for weight, old in zip(weights_of(detector), before, strict=True):
            assert torch.equal(weight, old)
        assert_array_equal(detector.score_samples(X + 1), scores)
        assert len(detector.training_scores_) == 60


def nets_of(detector):
    nets = detector._model.nets
    return nets


def weights_of(detector):
    return [weight for net in nets_of(detector) for weight in net.module_.parameters()]


class TestFailedFit:
    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_leaves_it_unfitted(self, detect, short_net, monkeypatch, error):
        X = np.random.default_rng(0).normal(size=(60, 3))
        detector = detect(method="hybrid", denoiser=short_net).fit(X)

        def fail(*args, **kwargs):
            raise error

        monkeypatch.setattr(DenoiserNet, "get_loss", fail)
        with pytest.raises(error):
            detector.fit(X)
        assert not [name for name in vars(detector) if name.endswith("_")]
