"""`TableEncoder`: mixed tables as real vectors, and back."""

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skdiffusion._utils.checks import COUNT, Interval, RealNotInt, Seed, StrOptions
from skdiffusion._utils.fitting import all_or_nothing
from skdiffusion.tables.column_encoding import ColumnEncoding
from skdiffusion.tables.frames import TableInput, read_table, validate_table


class TableEncoder(ColumnEncoding, TableInput, TransformerMixin, BaseEstimator):
    r"""Encode a table of mixed columns as real vectors, and decode them exactly.

    Each encoded feature has about mean 0 and variance 1. The way back gives the columns, data types
    and container that `fit` has seen, and only values that can occur: categories that exist,
    integers where there were integers, decimals as fine as recorded. Empty columns stay empty.

    ====================  ============  =======================================================
    column                features      encoded as
    ====================  ============  =======================================================
    constant              0             put back by `inverse_transform`
    numeric               1             standardised value, or Gaussian score of its rank
    date or duration      1             the same, of the time since the earliest
    either, with spike    2             whether it is the spike, and else which number
    ordered categories    1             Gaussian score of the rank
    boolean               1             two points
    :math:`L` categories  L - 1         vertices of a regular simplex; the nearest is decoded
    ====================  ============  =======================================================

    Parameters
    ----------
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Which columns hold categories rather than numbers: those of strings, categories and objects
        other than numbers and times; none; or those of the names, positions or mask given, among
        which columns of strings must be. Boolean columns are always boolean.
    numeric_transform : {"auto", "standard", "quantile"}, float or dict, default="auto"
        How numbers, dates and durations are encoded.

        - "standard": minus the mean, over the standard deviation: for smooth columns.
        - "quantile": the Gaussian score of the rank, with an interval for each value that many
          rows share: for spikes, few values, heavy tails and sharp ends.
        - "auto": two features for a column with a spike, a value that makes a tenth of the rows
          and occurs three times as often as any other. Else, and for the numbers beside the spike,
          "quantile" for columns of which one value makes a tenth, whose values occur five times or
          more on average, that end sharply, whose skewness exceeds 1 or whose excess kurtosis
          exceeds 3; "standard" for the others.
        - a number: minus the mean, over this number.
        - dict: one of these per column name or position; "auto" for columns left out.

    clip : bool, default=True
        Whether decoded numbers and times keep to the range seen in `fit`.
    ordinal_features : dict or None, default=None
        By name or position increasing lists of categories, beside the ordered ones of pandas.
    missing_indicator : bool, default=False
        Whether a column with gaps gets one more feature, which tells missing cells from others:
        generated rows then have gaps. Otherwise gaps are to be filled.
    min_frequency : int, float or None, default=None
        Categories that occur less often than this, or in a smaller share of the observed cells of
        their column, are rare and share one vertex. None gives each its own.
    constraints : "auto", None or list of constraints, default="auto"
        Relations between columns that decoded rows have to meet, among those of
        :mod:`skdiffusion.tables`. What they determine is not encoded, or as what they leave open.
        "auto" takes those that :func:`~skdiffusion.tables.discover_constraints` finds, but for
        those whose coding would lose cells beside gaps, or a spike.
    identifiers : "auto", None or dict, default="auto"
        Columns that identify rows: they are not encoded, and decoded to new ones. By "auto", with
        a warning, columns of which nine in ten cells differ: of text, and of whole numbers that
        are named as ids, numbers, codes, accounts or the like. A dict has for each name or position
        of a further one how to draw cells: "pattern", with other digits and letters in the places
        where the real ones have some; "drop", all missing; a function of a number of rows and a
        generator; "faker:name" or another method of Faker; or None for no identifier.
    handle_unknown : {"error", "rare", "missing"}, default="error"
        What happens to a category that `fit` has not seen: it is refused, encoded as the rare ones
        (as a missing cell where the column has none), or encoded as a missing cell.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if they are all strings.
    kinds_ : list of str
        Kind of each column: "continuous", "integer" (also floats that are all integers),
        "datetime", "duration", "ordinal", "boolean", "categorical" or "identifier".
    transforms_ : list of str
        Codec of each column: "constant", "standard", "quantile", "spike", "simplex", or "by
        category" where its numbers have another scale in each category of another column.
    constraints_ : list
        The constraints that are met.
    n_encoded_ : int
        Number of encoded features.
    groups_ : ndarray of int of shape (`n_encoded_`,)
        The column that each encoded feature belongs to.
    is_indicator_ : ndarray of bool of shape (`n_encoded_`,)
        Which encoded features tell missing cells from others: the last ones.
    codecs_ : list
        The fitted codec of each column.
    categories_ : list
        Categories of each column that occur, in their order, None for numbers and times.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdiffusion import TableEncoder
    >>> X = pd.DataFrame({"age": [31, None, 52, 28], "city": ["Bern", "Rome", "Rome", "Oslo"]})
    >>> encoder = TableEncoder().fit(X)
    >>> encoder.get_feature_names_out()
    array(['age', 'city_0', 'city_1'], dtype=object)
    >>> encoder.inverse_transform(encoder.transform(X) + 0.01).equals(X)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "ordinal_features": [Mapping, None],
        "min_frequency": [COUNT, Interval(RealNotInt, 0, 1, closed="neither"), None],
        "constraints": [StrOptions({"auto"}), list, None],
        "identifiers": [StrOptions({"auto"}), Mapping, None],
        "handle_unknown": [StrOptions({"error", "rare", "missing"})],
    }

    def __init__(
        self,
        *,
        categorical_features: Any = "from_dtype",
        numeric_transform: Any = "auto",
        clip: bool = True,
        ordinal_features: Any = None,
        missing_indicator: bool = False,
        min_frequency: Any = None,
        constraints: Any = "auto",
        identifiers: Any = "auto",
        handle_unknown: str = "error",
    ) -> None:
        self.categorical_features = categorical_features
        self.numeric_transform = numeric_transform
        self.clip = clip
        self.ordinal_features = ordinal_features
        self.missing_indicator = missing_indicator
        self.min_frequency = min_frequency
        self.constraints = constraints
        self.identifiers = identifiers
        self.handle_unknown = handle_unknown

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the encoding of each column.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            A NumPy array, or a pandas or polars frame, of which cells may be missing.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : TableEncoder
            The encoder itself.

        Raises
        ------
        ValueError
            If numbers are infinite, beyond 1e150 or too close for floating point, a parameter does
            not fit the table, or a column has more than 1000 categories that are not rare.
        TypeError
            If a column holds times of day, periods or other cells that cannot be encoded.

        Warns
        -----
        UserWarning
            If columns seem to identify rows, or to have codes for missing cells.
        """
        with all_or_nothing(self):
            X = validate_table(self, X, reset=True, allow_missing=True)
            self.fit_columns(X, read_table(X))
        for hint in self._hints + self._code_hints:
            warnings.warn(hint, UserWarning, stacklevel=2)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Encode the rows of a table.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows with the columns seen in `fit`. Numbers may lie beyond those seen there.

        Returns
        -------
        Z : ndarray of shape (n, `n_encoded_`)
            Their encoded features; those of a missing cell are NaN, but for its indicator.

        Raises
        ------
        ValueError
            If there is a category that `fit` has not seen, and `handle_unknown` is "error".
        """
        return self.encode_columns(self._read(X))

    def inverse_transform(self, X: Any, random_state: Seed = None) -> Any:
        """Decode to a table like the one seen in `fit`.

        Parameters
        ----------
        X : array-like of shape (n, `n_encoded_`)
            Encoded rows. A cell is missing of which a feature is NaN, or whose indicator says it.
        random_state : int, RandomState instance or None, default=None
            Source of the draws of rare categories. None decodes all to the most frequent.

        Returns
        -------
        X_original : ndarray or data frame of shape (n, `n_features_in_`)
            The rows, in the container and with the data types of `fit`, and a new index.

        Raises
        ------
        ValueError
            If a cell is missing in a column whose data type has none.
        """
        return self.decode_table(X, random_state)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the encoded features.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns; by default those seen in `fit`, or "x0", "x1", ...

        Returns
        -------
        names : ndarray of str of shape (`n_encoded_`,)
            Names of columns, with the suffixes ``_0``, ``_1``, ... where a column has several, and
            with the prefix ``missing_`` for an indicator.
        """
        check_is_fitted(self)
        inputs = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        names = []
        for name, codec in zip(inputs, self.codecs_, strict=True):
            several = [f"{name}_{k}" for k in range(codec.n_encoded)]
            names.extend([name] if codec.n_encoded == 1 else several)
        names.extend(f"missing_{inputs[j]}" for j in self._indicators)
        return np.asarray(names, dtype=object)

    def dequantize(self, Z: Any, random_state: Seed = None) -> np.ndarray:
        """Spread discrete numbers over the encoded values that decode to them.

        Spread they have a density, and decode to the same rows. Points that are far apart stay:
        categories, booleans, and values of a "quantile" column whose cell is at least 0.2 wide.

        Parameters
        ----------
        Z : array-like of shape (n, `n_encoded_`)
            Encoded rows, usually from `transform`. Missing cells keep their NaN.
        random_state : int, RandomState instance or None, default=None
            Source of the uniform draws, over a step or over the ranks that a value occupies.

        Returns
        -------
        Z : ndarray of shape (n, `n_encoded_`)
            The encoded rows, spread.
        """
        Z = self._check_encoded(Z)
        rng = check_random_state(random_state)
        *blocks, told = self._split(Z)
        blocks = [c.dequantize(block, rng) for c, block in zip(self.codecs_, blocks, strict=True)]
        return np.concatenate([*blocks, told], axis=1)

    def log_volume(self, X: Any, sigma: Any) -> np.ndarray:
        r"""Return what turns log-densities of encoded rows into those of rows.

        With :math:`q` the density of spread encoded rows (see `dequantize`) under noise of standard
        deviation `sigma`, ``log q(transform(X)) + log_volume(X, sigma)`` is the log-density of the
        rows in the units of the table. It sums over the cells that are not missing

        - :math:`\log |dz / dx|` for continuous numbers, also rounded ones: a density;
        - the log of the width of its cell for a value that is spread: a probability. In a
          "quantile" column this is the Gaussian probability of the cell over the density there;
        - :math:`\frac{m}{2} \log(2 \pi \sigma^2)` for the :math:`m` features of a point: a
          probability while `sigma` is small against the distance between points (below .05 in
          "quantile" columns); of rare categories also the log of their share of the vertex.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows with the columns seen in `fit`.
        sigma : float
            Standard deviation of the noise on the encoded rows, positive.

        Returns
        -------
        log_volume : ndarray of shape (n,)
            The term to add to the log-density of the encoded rows.
        """
        if not sigma > 0:
            raise ValueError(f"sigma must be positive, got {sigma!r}.")
        return self.log_volume_of(self._read(X), sigma)

    def _read(self, X):
        """Validate a table and read its columns."""
        check_is_fitted(self)
        return read_table(validate_table(self, X, reset=False, allow_missing=True))
