"""Tables that do not fit in memory: other rows in every epoch."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback

from skdiffusion.training.net import DenoiserNet

X = np.random.RandomState(0).normal(size=(80, 2))


class Seen(Callback):
    """Notes the rows of each epoch, those trained on and those validated on."""

    def on_train_begin(self, net, **kwargs):
        self.trained, self.validated = {}, {}

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        rows = self.trained if training else self.validated
        rows.setdefault(len(net.history), []).append(batch[0])


def net(*callbacks, **options):
    settings = {
        "module__width": 8,
        "module__depth": 1,
        "batch_size": 20,
        "steps_per_epoch": 4,
        "max_epochs": 3,
        "random_state": 0,
    }
    return DenoiserNet(callbacks=list(callbacks), **settings | options)


def fresh(epoch):
    """Rows that say of which epoch they are."""
    return np.column_stack([np.full(10 * epoch, 100.0 * epoch), np.arange(10.0 * epoch)])


def test_take_the_place_of_those_trained_on():
    seen = Seen()
    net(seen).fit(X, fresh_rows=fresh)
    rows = torch.from_numpy(X.astype(np.float32))
    first = torch.cat(seen.trained[1])
    assert (first[:, None] == rows).all(2).any(1).all()
    for epoch in (2, 3):
        trained = torch.cat(seen.trained[epoch])
        assert len(trained) == 80
        expected = torch.from_numpy(fresh(epoch)).float()
        assert torch.equal(trained.unique(dim=0), expected)
        assert torch.equal(seen.validated[epoch][0], seen.validated[1][0])


def test_are_asked_for_before_every_epoch_but_the_first():
    asked = []
    net().fit(X, fresh_rows=lambda epoch: asked.append(epoch) or X)
    assert asked == [2, 3]


def test_after_rows_with_gaps():
    rows = X.copy()
    rows[::7, 0] = np.nan
    trained = net().fit(rows, completions=[np.nan_to_num(rows)], fresh_rows=lambda epoch: X)
    assert np.isfinite(trained.history[:, ("train_loss", "valid_loss")]).all()


def test_leave_no_trace():
    """A function of the user's cannot always be copied."""
    trained = net().fit(X, fresh_rows=lambda epoch: X)
    pickle.loads(pickle.dumps(clone(trained))).fit(X)
    assert len(pickle.loads(pickle.dumps(trained)).history) == 3


@pytest.mark.parametrize(
    "rows", [X[:, :1], X[:0], np.full((4, 2), np.nan), np.full((4, 2), np.inf), X[0]]
)
def test_bad_rows(rows):
    trained = net()
    with pytest.raises(ValueError, match="fresh_rows must return finite rows of 2 entries"):
        trained.fit(X, fresh_rows=lambda epoch: rows)
    assert not trained.initialized_
    # and they are not asked for again
    trained.fit(X)


def test_have_no_weights():
    with pytest.raises(ValueError, match="leave out sample_weight"):
        net().fit(X, sample_weight=np.ones(80), fresh_rows=lambda epoch: X)
