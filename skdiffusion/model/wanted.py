"""What the rows to draw shall be: how many, on which conditions, with which target."""

from collections.abc import Mapping

import numpy as np

from skdiffusion._utils.checks import check_count
from skdiffusion._utils.systematic import spread
from skdiffusion.tables.conditions import read_conditions


def need_target(model):
    """Raise unless a model has a target."""
    if model.target_encoder is None:
        raise ValueError("There is no target: the estimator was fitted without y.")


def read_wanted(model, n_samples, y, conditions, rng):
    """Return the number of rows to draw, and what is settled about them and the target."""
    if y is not None:
        need_target(model)
    by_row = getattr(conditions, "by_row", conditions)
    for name, given in (("y", y), ("conditions", by_row)):
        # not every frame is an array to NumPy
        shape = getattr(given, "shape", ()) or np.shape(given)
        if shape and not isinstance(given, Mapping):
            if n_samples not in (1, len(given)):
                raise ValueError(f"{name} has {len(given)} entries, but n_samples={n_samples}.")
            n_samples = len(given)
    check_count(n_samples, "n_samples")
    encoder, target_encoder = model.encoder, model.target_encoder
    wanted = read_conditions(encoder, {} if conditions is None else conditions)
    if target_encoder is None:
        return n_samples, wanted, None
    if y is not None:
        y = np.full(n_samples, y) if np.ndim(y) == 0 else y
    elif target_encoder.is_categorical_ and conditions is None:
        y = target_encoder.classes_[spread(target_encoder.class_prior_, n_samples, rng)]
    cells = {} if y is None else target_encoder.known(y)[:, None]
    return n_samples, wanted, read_conditions(target_encoder.encoder_, cells)
