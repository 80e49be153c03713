"""Columns of numbers in standard deviations, constant ones left out."""

import copy
import warnings

import numpy as np

from skdiffusion.tables.lattice import find_lattice

__all__ = ["StandardColumns"]


MAX_STEP = 0.5
"""Numbers recorded in steps up to this many standard deviations count as rounded."""

SAME, MAX_RATIO = 1.05, 10.0
"""Between which ratios of standard deviations a common scale may be better than each its own."""

MAX_ROUNDING = 1e-6
"""Of a step: how far scaled numbers may be from their lattice."""


class StandardColumns:
    """Centre and scale the columns that vary."""

    def __init__(self, X, names, *, common=False):
        # squares of very large or small numbers leave the range of floating point
        unit = np.abs(X).max(0)
        unit[unit == 0] = 1.0
        self.centre, self.spreads = (X / unit).mean(0) * unit, (X / unit).std(0) * unit
        # rounding lends a constant column a tiny spread
        self.varies = self.spreads > 1e-12 * unit
        if not self.varies.any():
            raise ValueError("Every column of X is constant: there is nothing to learn.")
        if not self.varies.all():
            constant = [str(name) for name, v in zip(names, self.varies, strict=True) if not v]
            warnings.warn(
                f"Constant columns count for nothing and stay as they are: {', '.join(constant)}.",
                UserWarning,
                stacklevel=4,
            )
        self.scale = np.where(self.varies, self.spreads, 1.0)
        if common:
            self.scale = self.with_common_scale().scale

    @property
    def may_share_a_unit(self):
        """Whether the standard deviations differ, but by no more than ten times."""
        scale = self.scale[self.varies]
        return bool(SAME < scale.max() / scale.min() <= MAX_RATIO)

    def with_common_scale(self):
        """Return the same columns, all divided by one number."""
        columns = copy.copy(self)
        scale = self.scale[self.varies]
        # divided by the largest, whose square may be out of range
        common = scale.max() * np.sqrt(np.mean((scale / scale.max()) ** 2))
        columns.scale = np.where(self.varies, common, 1.0)
        return columns

    @property
    def n_codes(self):
        """Number of columns that vary."""
        return int(self.varies.sum())

    @property
    def log_volume(self):
        """What the scaling adds to the logarithm of a volume."""
        return float(np.log(self.scale[self.varies]).sum())

    def encode(self, X):
        """Return the columns that vary, standardised; cells that are NaN stay so."""
        return ((X - self.centre) / self.scale)[:, self.varies]

    def spread(self, X, rng):
        """Spread rounded numbers over the cells that round to them."""
        X = X.copy()
        for j in np.flatnonzero(self.varies):
            step = _step(np.unique(X[:, j]), len(X))
            if 0 < step <= MAX_STEP * self.spreads[j]:
                X[:, j] += step * rng.uniform(-0.5, 0.5, len(X))
        return X

    def decode(self, Z):
        """Return rows, with the constants in place."""
        X = np.tile(self.centre, (len(Z), 1))
        X[:, self.varies] += Z * self.scale[self.varies]
        return X

    def gradients(self, Z):
        """Return gradients with respect to rows, from those with respect to codes."""
        gradients = np.zeros((len(Z), len(self.scale)))
        gradients[:, self.varies] = Z / self.scale[self.varies]
        return gradients


def _step(values, n):
    """Return the spacing of rounded numbers, zero for others."""
    if len(values) == n or len(values) < 2:
        return 0.0
    lattice = find_lattice(values)
    if lattice is not None:
        return lattice.step
    step = np.diff(values).min()
    steps = (values - values[0]) / step
    is_lattice = steps[-1] < n and np.abs(steps - np.rint(steps)).max() < MAX_ROUNDING
    return float(step) if is_lattice else 0.0
