"""`LinearMeasurement`: weighted sums of the numbers of a row, as a condition on rows to draw."""

from typing import Any, NamedTuple

import numpy as np

from skdiffusion._utils.checks import check_noise
from skdiffusion.tables.options import position_of
from skdiffusion.tables.reading import NUMERIC, as_frame
from skdiffusion.tables.vocabulary import as_objects, list_cells


class LinearMeasurement:
    """A linear measurement of rows: known weighted sums of their numbers, with or without noise.

    By ``sample(conditions=...)`` it draws rows that measure so: pixels of known means of blocks,
    parts of a total, a signal behind a blur. A row of the matrix with a single 1 gives a number.

    Parameters
    ----------
    matrix : array-like of shape (m, n_features) or data frame with m rows
        Weights of the columns of the table, a row for each measurement. Of a frame, whose columns
        have names of the table's, columns left out have weight zero.
    values : array-like of shape (m,) or (n_samples, m)
        What was measured: of all rows to draw, or of each, whose number then is that of the rows.
    noise : float or array-like of shape (m,), default=0.0
        Standard deviations of the noise of the measurements, in their units. 0 is exact.

    Raises
    ------
    ValueError
        If shapes disagree, something is not finite or noise is negative. In `sample`, if a column
        with weights is not encoded by mean and scale alone, as by ``numeric_transform="standard"``
        or a number and no relation, or rows pass through an embedding.

    See Also
    --------
    skdiffusion.diffusion.Measured : The denoiser that draws such rows.

    Notes
    -----
    Draws are exact for Gaussian rows and approximate for others. Afterwards whole numbers are
    rounded, and numbers kept to the range of `fit` (``clip`` of the encoder), so that sums differ a
    little from those measured. Each measurement costs a derivative of the network at each step.

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

    def __init__(self, matrix: Any, values: Any, noise: Any = 0.0) -> None:
        frame = as_frame(matrix)
        self.columns = None if frame is None else list(frame.columns)
        self.matrix, self.values = (np.asarray(x, dtype=np.float64) for x in (matrix, values))
        shape, m = self.values.shape, self.matrix.size and len(self.matrix)
        if self.matrix.ndim != 2 or not m or len(shape) not in (1, 2) or shape[-1] != m:
            raise ValueError(
                "Shapes disagree: expected (m, n_features) for matrix and (m,) or (n_samples, m) "
                f"for values, got {self.matrix.shape} and {shape}."
            )
        if not (np.isfinite(self.matrix).all() and np.isfinite(self.values).all()):
            raise ValueError("The matrix and the values of a measurement must be finite.")
        self.noise = np.full(m, check_noise(noise, m, "measurement"))

    @property
    def by_row(self) -> Any:
        """What each row to draw has for itself: its measurements, or nothing."""
        return self.values if self.values.ndim == 2 else None


class Measurement(NamedTuple):
    """A linear measurement of encoded rows."""

    matrix: np.ndarray  # (m, d)
    values: np.ndarray  # (1, m) or (n, m)
    noise: np.ndarray  # (m,)

    def take(self, rows):
        return self if len(self.values) == 1 else self._replace(values=self.values[rows])

    def extended(self, n_features):
        """Return the measurement of rows that have further features behind."""
        return self._replace(matrix=np.pad(self.matrix, ((0, 0), (0, n_features))))


def encode_measurement(encoder, measurement):
    """Return known features (1, d) and the measurement of encoded rows."""
    if hasattr(encoder, "n_latent"):
        raise ValueError(
            "Drawn rows pass through an embedding, and then measure something else: fit with "
            "manifold=None."
        )
    known = np.full((1, encoder.n_encoded_), np.nan)
    matrix = np.zeros((len(measurement.matrix), encoder.n_encoded_))
    values = np.atleast_2d(measurement.values)
    for j, weights in _measured_columns(encoder, measurement).items():
        slope, offset = encoder.codecs_[j].line
        matrix[:, encoder.features_of_column(j)] = slope * weights[:, None]
        values = values - offset * weights
        set_there(known, encoder, j, [0])
    return known, Measurement(matrix, values, measurement.noise)


def set_there(values, encoder, j, rows):
    """Make it known that cells of a column are there, which an indicator may tell."""
    if j in encoder._indicators:
        indicator = np.flatnonzero((encoder.groups_ == j) & encoder.is_indicator_)
        values[np.ix_(rows, indicator)] = encoder._indicators[j].vertices[0]


def _measured_columns(encoder, measurement):
    """Return the positions of columns with weights, and these; raise where they are no numbers."""
    n_features, keys = encoder.n_features_in_, measurement.columns
    if keys is None and measurement.matrix.shape[1] != n_features:
        raise ValueError(
            f"A matrix needs all {n_features} columns, got {measurement.matrix.shape[1]}. Give "
            "some columns as a data frame."
        )
    places = range(n_features)
    if keys is not None:
        places = [position_of(key, encoder._coders, "LinearMeasurement") for key in keys]
    pairs = zip(places, measurement.matrix.T, strict=True)
    measured = {j: weights for j, weights in pairs if weights.any()}
    coders = [encoder._coders[j] for j in measured if encoder._coded[j] is encoder._coders[j]]
    numbers = [coder for coder in coders if coder.kind in NUMERIC and not coder.is_empty]
    scaled = {coder.name for coder in numbers if hasattr(coder.codec, "line")}
    wrong = [name for j in measured if (name := encoder._coders[j].name) not in scaled]
    if wrong:
        raise ValueError(
            f"Columns {list_cells(as_objects(wrong))} cannot be measured: they are no numbers, or "
            'not encoded by mean and scale alone. Give the encoder numeric_transform="standard" or '
            "a number for numbers, and constraints=None where relations encode them."
        )
    return measured
