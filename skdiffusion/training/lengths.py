"""What a net is told: its parameters checked, and how long it trains."""

from numbers import Real
from typing import Any

import numpy as np

from skdiffusion._utils.checks import (
    COUNT,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from skdiffusion.diffusion.schedule import SCHEDULES

#: What a parameter may be.
CONSTRAINTS = {
    "schedule": [StrOptions({"edm", *SCHEDULES})],
    "per_entry": [Interval(Real, 0, 1, closed="both")],
    "patience": [COUNT, None],
    "max_time": [Interval(Real, 0, None, closed="right")],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "steps_per_epoch": [COUNT, StrOptions({"auto"})],
    "max_epochs": [COUNT, StrOptions({"auto"})],
    "batch_size": [COUNT],
    "lr": [Interval(Real, 0, None, closed="left")],
}
#: Prefixes of options of skorch that would have no effect here.
UNUSED = ("dataset__", "iterator_train__", "iterator_valid__", "train_split__")


def check_parameters(net: Any) -> None:
    """Raise for parameters that a net cannot be trained with."""
    validate_parameter_constraints(CONSTRAINTS, vars(net), caller_name="DenoiserNet")
    if not 0 < net.sigma_min < net.sigma_max < np.inf:
        raise ValueError(
            "sigma_min and sigma_max must satisfy 0 < sigma_min < sigma_max, "
            f"got {net.sigma_min!r} and {net.sigma_max!r}."
        )
    if not all(isinstance(j, int) and j >= 0 for j in np.atleast_1d(net.given).tolist()):
        raise ValueError(f"given must be positions of columns, got {net.given!r}.")
    unused = [name for name in vars(net) if name.startswith(UNUSED)]
    unused += ["train_split"] if net.train_split is not None else []
    if unused:
        raise ValueError(
            f"{unused[0]} has no effect: `batch_size`, `steps_per_epoch` and "
            "`validation_fraction` say which rows are in a batch and which are set aside."
        )


def steps_per_epoch(net: Any, n: int) -> int:
    """Return the batches between two validations, of a table of n rows."""
    if net.steps_per_epoch != "auto":
        return int(net.steps_per_epoch)
    return max(-(-n // net.batch_size), min(50, max(10, n // 4)), min(100, n // 80))


def max_epochs(net: Any, n: int) -> int:
    """Return the validations at most."""
    if net.max_epochs != "auto":
        return int(net.max_epochs)
    return int(np.clip(n // 50, 8, 20))
