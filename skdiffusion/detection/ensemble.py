"""Networks that have seen all training rows but those they judge."""

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold

__all__ = ["assign_folds", "fit_nets", "held_out", "train_on"]


def assign_folds(Z, n_folds, rng):
    """Assign rows to folds, equal rows to the same one."""
    distinct, index = np.unique(Z, axis=0, return_inverse=True)
    fold = np.zeros(len(distinct), dtype=np.intp)
    n_folds = min(n_folds, len(distinct))
    if n_folds > 1:
        splits = KFold(n_folds, shuffle=True, random_state=rng).split(distinct)
        for k, (_, judged) in enumerate(splits):
            fold[judged] = k
    return fold[index.ravel()]


def fit_nets(net, Z, fold, rng, **fit_params):
    """Fit a net for each fold to the rows of the others."""
    nets = []
    for k, seed in enumerate(rng.randint(2**31 - 1, size=fold.max() + 1)):
        own = clone(net)
        if own.random_state is None:
            own.set_params(random_state=int(seed))
        nets.append(own.fit(_seen(Z, fold, k), **fit_params))
    return nets


def train_on(nets, Z, fold):
    """Continue the training of nets, each on the rows of the other folds."""
    for k, net in enumerate(nets):
        net.continue_fit(_seen(Z, fold, k))


def held_out(models, functional, Z, fold):
    """Return what the model that has not seen it says of each training row."""
    parts = [functional(model, Z[fold == k]) for k, model in enumerate(models)]
    values = np.empty((len(Z), *parts[0].shape[1:]))
    for k, part in enumerate(parts):
        values[fold == k] = part
    return values


def _seen(Z, fold, k):
    return Z[fold != k] if fold.any() else Z
