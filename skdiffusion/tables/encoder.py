"""`TableEncoder`: mixed tables as real vectors, and back."""

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from skdiffusion.tables.choice import choose_transform
from skdiffusion.tables.columns import ConstantCodec, SimplexCodec, StandardCodec
from skdiffusion.tables.frames import NUMERIC, TableFormat, read_columns, validate_table
from skdiffusion.tables.lattice import find_lattice
from skdiffusion.tables.levels import find_levels, level_positions
from skdiffusion.tables.options import categorical_mask, transform_per_column
from skdiffusion.tables.quantile import QuantileCodec


class TableEncoder(TransformerMixin, BaseEstimator):
    r"""Code a table of mixed columns as real vectors, and decode them exactly.

    The codes are what a Gaussian diffusion wants to see: each code column has about mean 0 and
    variance 1, or less in a "quantile" column of few values. The way back gives the columns, data
    types and container that `fit` has seen, and only values that can occur: levels that exist,
    integers where there were integers, decimals as fine as the recorded ones.

    ==================  ============  =========================================================
    column              code columns  code
    ==================  ============  =========================================================
    constant            0             put back by `inverse_transform`
    numeric             1             standardised value, or Gaussian score of its rank
    boolean             1             two points
    :math:`L` levels    L - 1         vertices of a regular simplex; decoding takes the nearest
    ==================  ============  =========================================================

    Parameters
    ----------
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Which columns hold levels rather than numbers.

        - "from_dtype": those of strings, categories and other objects. Columns of objects that
          are all numbers are numeric.
        - array-like of column names, of positions, or a boolean mask: these columns. Numbers in
          them are levels. Columns of strings must be among them.
        - None: no column.

        Boolean columns are always boolean.

    numeric_transform : {"auto", "standard", "quantile"} or dict, default="auto"
        How numbers become codes.

        - "standard": subtract the mean, divide by the standard deviation. Keeps distances, and
          suits smooth columns.
        - "quantile": the Gaussian score of the rank. A value that many rows share occupies an
          interval of codes and comes back exactly; between such atoms the empirical quantile
          function is interpolated. Suits columns with spikes, few values, heavy tails or
          sharp ends.
        - "auto": "quantile" for columns of which one value makes a tenth, whose values occur
          five times or more on average, whose skewness exceeds 1 or whose excess kurtosis
          exceeds 3; "standard" for the others.
        - dict: one of these per column name or position; "auto" for columns left out.

    clip : bool, default=True
        Whether `inverse_transform` bounds numbers by the least and the greatest value seen in
        `fit`. Many columns are bounded (ages, shares, counts), and a generator that leaves the
        bounds by a little is found out by it. Turn it off where values beyond the observed ones
        are wanted.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if they are all strings.
    kinds_ : list of str
        Kind of each column: "continuous", "integer" (of integer type, or floats that are all
        integers), "boolean" or "categorical".
    transforms_ : list of str
        Code of each column: "constant", "standard", "quantile" or "simplex".
    n_codes_ : int
        Number of code columns.
    groups_ : ndarray of int of shape (`n_codes_`,)
        The column that each code column belongs to.
    codecs_ : list
        The fitted codec of each column.
    levels_ : list
        Levels of each column, None for numeric ones.

    Notes
    -----
    Missing cells, dates and durations, and ordered categories are refused. Numeric columns with
    decimals are decoded to the recorded precision: if all values are multiples of 0.1 apart, so
    are those that come back.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdiffusion.tables import TableEncoder
    >>> X = pd.DataFrame(
    ...     {
    ...         "age": [31, 45, 52, 28, 64],
    ...         "city": pd.Categorical(["Bern", "Rome", "Rome", "Oslo", "Bern"]),
    ...         "member": [True, False, True, True, False],
    ...     }
    ... )
    >>> encoder = TableEncoder().fit(X)
    >>> encoder.kinds_
    ['integer', 'categorical', 'boolean']
    >>> encoder.get_feature_names_out()
    array(['age', 'city_0', 'city_1', 'member'], dtype=object)
    >>> Z = encoder.transform(X)
    >>> Z.shape
    (5, 4)
    >>> encoder.inverse_transform(Z + 0.01).equals(X)
    True
    """

    def __init__(self, *, categorical_features="from_dtype", numeric_transform="auto", clip=True):
        self.categorical_features = categorical_features
        self.numeric_transform = numeric_transform
        self.clip = clip

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def fit(self, X, y=None):
        """Learn the coding of each column.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            The table: a NumPy array, or a pandas or polars frame.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : TableEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If cells are missing or infinite, if a parameter does not fit the table, or if a
            column has more than 1000 levels.
        TypeError
            If a column holds dates, durations, ordered categories or other cells without a code.
        """
        X = validate_table(self, X, reset=True)
        columns = read_columns(X)
        self._set_kinds(columns)
        transforms = transform_per_column(self.numeric_transform, columns)
        self.format_ = TableFormat(X, columns)
        self.kinds_ = [column.kind for column in columns]
        self.levels_ = [None if c.kind in NUMERIC else find_levels(c) for c in columns]
        self.codecs_, self.bounds_ = [], []
        for column, levels, transform in zip(columns, self.levels_, transforms, strict=True):
            if levels is None:
                codec, bounds = fit_numbers(column, transform)
            else:
                codec, bounds = fit_levels(column, levels), None
            self.codecs_.append(codec)
            self.bounds_.append(bounds)
        self.transforms_ = [codec.name for codec in self.codecs_]
        widths = [codec.n_codes for codec in self.codecs_]
        self.groups_ = np.repeat(np.arange(len(columns)), widths)
        self.n_codes_ = len(self.groups_)
        return self

    def transform(self, X):
        """Code the rows of a table.

        Numbers beyond those seen in `fit` get codes further out.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows with the columns seen in `fit`.

        Returns
        -------
        Z : ndarray of shape (n, `n_codes_`)
            Their codes. A value that occupies an interval of codes gets one fixed point of it;
            see `dequantize`.

        Raises
        ------
        ValueError
            If a categorical column holds a level that `fit` has not seen.
        """
        cells = self._cells(X)
        blocks = [codec.encode(x) for codec, x in zip(self.codecs_, cells, strict=True)]
        return np.concatenate(blocks, axis=1)

    def inverse_transform(self, Z):
        """Decode to a table like the one seen in `fit`.

        Parameters
        ----------
        Z : array-like of shape (n, `n_codes_`)
            Codes, for example generated ones.

        Returns
        -------
        X : ndarray or data frame of shape (n, `n_features_in_`)
            The rows, in the container and with the data types of `fit`. Frames of pandas have a
            new index, counted from zero.
        """
        Z = self._check_codes(Z)
        decoded = [codec.decode(block) for codec, block in self._blocks(Z)]
        columns = []
        for values, kind, levels, bounds in zip(
            decoded, self.kinds_, self.levels_, self.bounds_, strict=True
        ):
            if levels is not None:
                values = levels[values]
            elif self.clip:
                values = np.clip(values, *bounds)
            columns.append(np.rint(values) if kind == "integer" else values)
        return self.format_.assemble(columns, len(Z))

    def dequantize(self, Z, random_state=None):
        """Spread discrete numbers over the codes that decode to them.

        A column of integers, of decimals, or with tied values makes codes that lie close together
        on points, on which a density model concentrates without end. Spread, these codes have a
        density, and decoding gives the same rows as before.

        Points that are far apart keep their codes: levels, booleans, and a value of a "quantile"
        column that many rows share, if its cell of codes is at least 0.2 wide. A model resolves
        those, and drawing them from a spread costs more accuracy than it saves. Continuous numbers
        keep their codes too.

        Parameters
        ----------
        Z : array-like of shape (n, `n_codes_`)
            Codes, usually from `transform`.
        random_state : int, RandomState instance or None, default=None
            Source of the uniform draws: over half a step to each side of the value, in a
            "quantile" column over the interval of ranks that a value of many rows occupies.

        Returns
        -------
        Z : ndarray of shape (n, `n_codes_`)
            The codes, spread.

        Examples
        --------
        >>> import numpy as np
        >>> from skdiffusion.tables import TableEncoder
        >>> rng = np.random.RandomState(0)
        >>> X = np.c_[rng.normal(size=200).round(2), rng.randint(3, size=200)]
        >>> encoder = TableEncoder().fit(X)
        >>> Z = encoder.transform(X)
        >>> spread = encoder.dequantize(Z, random_state=0)
        >>> (spread != Z).mean(axis=0)
        array([1., 0.])
        >>> bool(np.all(encoder.inverse_transform(spread) == X))
        True
        """
        Z = self._check_codes(Z)
        rng = check_random_state(random_state)
        blocks = [codec.dequantize(block, rng) for codec, block in self._blocks(Z)]
        return np.concatenate(blocks, axis=1)

    def log_volume(self, X, sigma):
        r"""Compute what turns log-densities of codes into those of rows.

        With :math:`q` the density of spread codes (see `dequantize`) blurred by noise of standard
        deviation `sigma`, ``log q(transform(X)) + log_volume(X, sigma)`` is the log-density of
        the rows in the units of the table, a sum over the columns of

        - continuous numbers: :math:`\log |dz / dx|`, so that the result is a density per unit
          of the column, also where decimals were rounded to the recorded precision;
        - values that are spread, that is integers and those that many rows share: the log of the
          width of the cell of codes, so that the result is a probability. The width of a cell of
          the "quantile" code is measured as its Gaussian probability over the Gaussian density at
          its code, which is finite for cells without end, and gives each value its frequency for
          Gaussian codes;
        - points, that is levels, booleans, and values of a "quantile" column whose cell, measured
          like this, is at least 0.2 wide: :math:`\frac{m}{2} \log(2 \pi \sigma^2)` with :math:`m`
          the code columns of the column, since the density of points of weight :math:`P` blurred
          by :math:`\sigma` is :math:`P (2 \pi \sigma^2)^{-m / 2}` at one of them. The result is a
          probability as long as `sigma` is small against the distance between points. That is at
          least 2 for levels and booleans. In a "quantile" column the next cell can begin
          some 0.1 away: beyond a `sigma` of about 0.05 neighbours run together, and the
          results are too large;
        - constant columns: 0.

        A number that `fit` has not seen counts as if its cell were as wide as it is between
        its neighbours.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows with the columns seen in `fit`.
        sigma : float
            Standard deviation of the noise on the codes, positive.

        Returns
        -------
        log_volume : ndarray of shape (n,)
            The term to add to the log-density of the codes.

        Examples
        --------
        >>> import numpy as np
        >>> from scipy.stats import norm
        >>> from skdiffusion.tables import TableEncoder
        >>> X = np.array([[0.3], [1.7], [2.9], [np.pi]])
        >>> encoder = TableEncoder(numeric_transform="standard").fit(X)
        >>> log_density = norm.logpdf(encoder.transform(X)[:, 0]) + encoder.log_volume(X, 0.01)
        >>> expected = norm.logpdf(X[:, 0], loc=X.mean(), scale=X.std())
        >>> bool(np.allclose(log_density, expected))
        True
        """
        if not sigma > 0:
            raise ValueError(f"sigma must be positive, got {sigma!r}.")
        cells = self._cells(X)
        volumes = [codec.log_volume(x, sigma) for codec, x in zip(self.codecs_, cells, strict=True)]
        return np.sum(volumes, axis=0)

    def level_blocks(self):
        """Tell which codes belong to levels.

        Returns
        -------
        blocks : list of (ndarray of shape (m,), ndarray of shape (m + 1, m))
            For each boolean or categorical column with several levels the positions of its
            codes, and the code of each level.
        """
        positions = [np.flatnonzero(self.groups_ == j) for j in range(len(self.codecs_))]
        return [
            (position, codec.vertices)
            for position, codec in zip(positions, self.codecs_, strict=True)
            if codec.name == "simplex"
        ]

    def get_feature_names_out(self, input_features=None):
        """Name the code columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns; by default those seen in `fit`, or "x0", "x1", ...

        Returns
        -------
        names : ndarray of str of shape (`n_codes_`,)
            The name of a column with one code, and that name with the suffixes "_0", "_1", ...
            for one with several.
        """
        check_is_fitted(self)
        inputs = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        names = []
        for name, codec in zip(inputs, self.codecs_, strict=True):
            several = [f"{name}_{k}" for k in range(codec.n_codes)]
            names.extend([name] if codec.n_codes == 1 else several)
        return np.asarray(names, dtype=object)

    def _set_kinds(self, columns):
        """Settle which columns are categorical, and which floats are integers."""
        chosen = categorical_mask(self.categorical_features, columns)
        for column, is_chosen in zip(columns, chosen, strict=True):
            if is_chosen and column.kind != "boolean":
                column.kind = "categorical"
            if column.kind == "continuous" and np.all(column.values == np.rint(column.values)):
                column.kind = "integer"

    def _cells(self, X):
        """The cells of each column in the form that its codec takes."""
        check_is_fitted(self)
        columns = read_columns(validate_table(self, X, reset=False))
        cells = []
        for column, kind, levels in zip(columns, self.kinds_, self.levels_, strict=True):
            if kind not in NUMERIC:
                cells.append(level_positions(column, levels))
            elif column.kind in NUMERIC:
                cells.append(column.values)
            elif column.kind == "boolean":
                cells.append(column.values.astype(np.float64))
            else:
                raise ValueError(f"Column {column.name!r} held numbers in fit and does not now.")
        return cells

    def _blocks(self, Z):
        """Each codec with its columns of codes."""
        edges = np.cumsum([codec.n_codes for codec in self.codecs_])
        return zip(self.codecs_, np.split(Z, edges[:-1], axis=1), strict=True)

    def _check_codes(self, Z):
        check_is_fitted(self)
        Z = check_array(
            Z, dtype=np.float64, input_name="Z", ensure_min_features=0, ensure_min_samples=0
        )
        if Z.shape[1] != self.n_codes_:
            raise ValueError(
                f"Z has {Z.shape[1]} columns, but this TableEncoder has {self.n_codes_} codes."
            )
        return Z


def fit_numbers(column, transform):
    """Fit the codec of a numeric column, and find its bounds."""
    values, counts = np.unique(column.values, return_counts=True)
    bounds = values[0], values[-1]
    if len(values) == 1:
        return ConstantCodec(values[0]), bounds
    lattice = find_lattice(values, column.resolution)
    if transform == "auto":
        transform = choose_transform(values, counts)
    codec = QuantileCodec if transform == "quantile" else StandardCodec
    return codec(values, counts, lattice), bounds


def fit_levels(column, levels):
    """Fit the codec of a column of levels."""
    if len(levels) == 1:
        return ConstantCodec(0)
    return SimplexCodec(np.bincount(level_positions(column, levels)))
