"""`LinearMeasurement`: weighted sums of the numbers of a row, as a condition on rows to draw."""

from typing import NamedTuple

import numpy as np

from skdiffusion._utils.checks import check_noise
from skdiffusion.tables.options import position_of
from skdiffusion.tables.reading import NUMERIC, as_frame


class LinearMeasurement:
    """A linear measurement of rows: known weighted sums of their numbers, with or without noise.

    Given to ``sample(conditions=...)``, it draws rows that would measure so: the pixels of which
    the means of blocks are known, parts of a known total, a signal behind a known blur. A row of
    the matrix with a single 1 makes the number of that column known.

    Parameters
    ----------
    matrix : array-like of shape (m, n_features) or data frame with m rows
        Weights of the columns of the table, a row for each measurement. Of a frame, whose columns
        have names of the table's, columns left out have weight zero.
    values : array-like of shape (m,) or (n_samples, m)
        What was measured: the same for all rows to draw, or for each of them, whose number then is
        the number of rows.
    noise : float or array-like of shape (m,), default=0.0
        Standard deviation of the noise of the measurements, in their units; by default they are
        exact.

    Raises
    ------
    ValueError
        If shapes disagree, something is not finite or noise is negative. In `sample`, if a column
        with weights is not encoded by its mean and a scale, as with ``numeric_transform="standard"``
        or a number, or not by itself, or rows pass through an embedding.

    See Also
    --------
    skdiffusion.diffusion.Measured : The denoiser that draws such rows.

    Notes
    -----
    Draws are from the distribution of rows given the measurement, exactly where rows are Gaussian
    and else approximately. Then whole numbers are rounded, and numbers kept to the range of `fit`
    (``clip`` of the encoder), so that sums differ a little from those measured.

    Draws cost as many derivatives of the network at each step as there are measurements.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import DenoiserNet, DiffusionManifoldSampler, TableEncoder
    >>> from skdiffusion.tables import LinearMeasurement
    >>> X = np.random.RandomState(0).normal(size=(200, 3))
    >>> sampler = DiffusionManifoldSampler(
    ...     denoiser=DenoiserNet(max_epochs=1),
    ...     encoder=TableEncoder(numeric_transform="standard", clip=False),
    ...     random_state=0,
    ... ).fit(X)
    >>> total = LinearMeasurement([[1.0, 1.0, 1.0]], [2.5])
    >>> rows = sampler.sample(5, conditions=total, random_state=0)
    >>> rows.sum(axis=1).round(3)
    array([2.5, 2.5, 2.5, 2.5, 2.5])
    """

    def __init__(self, matrix, values, noise=0.0):
        frame = as_frame(matrix)
        self.columns = None if frame is None else list(frame.columns)
        self.matrix = np.asarray(matrix, dtype=np.float64)
        self.values = np.asarray(values, dtype=np.float64)
        shapes = self.matrix.shape, self.values.shape
        if self.matrix.ndim != 2 or self.values.ndim not in (1, 2) or shapes[1][-1] != shapes[0][0]:
            raise ValueError(
                "matrix must be of shape (m, n_features) and values of shape (m,) or "
                f"(n_samples, m), got {shapes[0]} and {shapes[1]}."
            )
        if not (np.isfinite(self.matrix).all() and np.isfinite(self.values).all()):
            raise ValueError("The matrix and the values of a measurement must be finite.")
        self.noise = np.full(shapes[0][0], check_noise(noise, shapes[0][0], "measurement"))

    @property
    def by_row(self):
        """What each row to draw has for itself: its measurements, or nothing."""
        return self.values if self.values.ndim == 2 else None


class Measurement(NamedTuple):
    """A linear measurement of encoded rows."""

    matrix: np.ndarray  # (m, d)
    values: np.ndarray  # (1, m), or (n, m)
    noise: np.ndarray  # (m,)

    def take(self, rows):
        """Return the measurement of some rows."""
        return self if len(self.values) == 1 else self._replace(values=self.values[rows])

    def extended(self, n_features):
        """Return the measurement of rows that have further features behind."""
        return self._replace(matrix=np.pad(self.matrix, ((0, 0), (0, n_features))))


def encode_measurement(encoder, measurement):
    """Return what a measurement in the units of the table is of encoded rows."""
    if hasattr(encoder, "n_latent"):
        raise ValueError(
            "Drawn rows pass through an embedding, after which they do not measure what they did: "
            "fit with manifold=None."
        )
    weights = _weights(encoder, measurement)
    places = np.flatnonzero(weights.any(axis=0))
    _refuse_others(encoder, places)
    matrix = np.zeros((len(weights), encoder.n_encoded_))
    values = np.atleast_2d(measurement.values)
    for j in places:
        slope, offset = encoder.codecs_[j].line
        matrix[:, encoder.features_of_column(j)] = weights[:, [j]] * slope
        values = values - weights[:, j] * offset
    return places, Measurement(matrix, values, measurement.noise)


def _weights(encoder, measurement):
    """Return the weights of all columns of the table (m, n_features)."""
    n_features, columns = encoder.n_features_in_, measurement.columns
    given = measurement.matrix
    if columns is None and given.shape[1] != n_features:
        raise ValueError(
            f"The matrix of a measurement needs all {n_features} columns, got {given.shape[1]}. "
            "Give some columns as a data frame."
        )
    weights = np.zeros((len(given), n_features))
    for k, key in enumerate(range(n_features) if columns is None else columns):
        j = k if columns is None else position_of(key, encoder._coders, "LinearMeasurement")
        weights[:, j] = given[:, k]
    return weights


def _refuse_others(encoder, places):
    """Raise unless columns are numbers that are encoded each by itself, by mean and scale."""
    own = {j: encoder._coders[j] for j in places}
    bound = [coder.name for j, coder in own.items() if encoder._coded[j] is not coder]
    others = [
        coder.name
        for coder in own.values()
        if coder.kind not in NUMERIC or coder.is_empty or not hasattr(coder.codec, "line")
    ]
    if others:
        raise ValueError(
            f"Columns {others} cannot be measured: they are no numbers, or not encoded by mean and "
            'scale. Give the encoder numeric_transform="standard" or a number for numbers.'
        )
    if bound:
        raise ValueError(
            f"Columns {bound} cannot be measured: they are encoded by what a relation to others "
            "leaves open. Give the encoder constraints=None, or numeric_transform="
            '"standard" where that depends on a category.'
        )
