"""`TableEncoder`: mixed tables as real vectors, and back."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from skdiffusion.tables.coders import fit_coder
from skdiffusion.tables.columns import SimplexCodec
from skdiffusion.tables.densities import CodeDensities
from skdiffusion.tables.frames import TableFormat, as_frame, read_table, validate_table
from skdiffusion.tables.options import (
    check_handle_unknown,
    set_categorical,
    set_orders,
    times_as_levels,
    transform_per_column,
)
from skdiffusion.tables.queries import CodeQueries
from skdiffusion.tables.rare import check_min_frequency


class TableEncoder(CodeDensities, CodeQueries, TransformerMixin, BaseEstimator):
    r"""Code a table of mixed columns as real vectors, and decode them exactly.

    The codes are what a Gaussian diffusion wants to see: each code column has about mean 0 and
    variance 1, or less in a "quantile" column of few values. The way back gives the columns, data
    types and container that `fit` has seen, and only values that can occur: levels that exist,
    integers where there were integers, decimals as fine as the recorded ones, days where there
    were days.

    ==================  ============  =========================================================
    column              code columns  code
    ==================  ============  =========================================================
    constant            0             put back by `inverse_transform`
    numeric             1             standardised value, or Gaussian score of its rank
    date or duration    1             the same, of the time since the earliest
    either, with spike  2             whether it is the spike, and the code of what it else is
    ordered levels      1             Gaussian score of the rank
    boolean             1             two points
    :math:`L` levels    L - 1         vertices of a regular simplex; decoding takes the nearest
    ==================  ============  =========================================================

    The codes of a missing cell are NaN. With ``missing_indicator=True`` a column with gaps has one
    code more, which tells them from the other cells and follows the codes of all columns.

    Parameters
    ----------
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Which columns hold levels rather than numbers.

        - "from_dtype": those of strings, categories and other objects. Columns of objects that
          are all numbers are numeric, and those that are all dates hold dates.
        - array-like of column names, of positions, or a boolean mask: these columns. Numbers in
          them are levels. Columns of strings must be among them.
        - None: no column.

        Boolean columns are always boolean.

    numeric_transform : {"auto", "standard", "quantile"}, float or dict, default="auto"
        How numbers, dates and durations become codes.

        - "standard": subtract the mean, divide by the standard deviation. Keeps distances, and
          suits smooth columns.
        - "quantile": the Gaussian score of the rank. A value that many rows share occupies an
          interval of codes and comes back exactly; between such atoms the empirical quantile
          function is interpolated. Suits columns with spikes, few values, heavy tails or
          sharp ends.
        - "auto": two codes for columns with a spike, a value that makes a tenth of the rows and
          occurs three times as often as any other: a category, whether it is the spike, and a
          number, what it else is. Then, and for the numbers beside the spike, "quantile" for
          columns of which one value makes a tenth, whose values occur five times or more on
          average, whose skewness exceeds 1 or whose excess kurtosis exceeds 3; "standard" for the
          others.
        - a number: subtract the mean, divide by this number. The same one for all columns keeps
          the distances between rows.
        - dict: one of these per column name or position; "auto" for columns left out.

    clip : bool, default=True
        Whether `inverse_transform` bounds numbers and times by the least and the greatest value
        seen in `fit`. Many columns are bounded (ages, shares, counts), and a generator that leaves
        the bounds by a little is found out by it. Turn it off where values beyond the observed
        ones are wanted.

    ordinal_features : dict or None, default=None
        Columns whose levels have an order, beside the ordered categories of pandas, which are
        known by their data type: for each name or position the list of its levels, increasing.
    missing_indicator : bool, default=False
        Whether being missing is coded as well, so that a model of the codes learns which cells are
        missing, and rows it generates have gaps. Otherwise gaps are cells yet to be filled.
    min_frequency : int, float or None, default=None
        Levels of a categorical column that occur less often than this, or in a smaller share of
        its observed cells, are rare and share one vertex. None gives each level its own.
    handle_unknown : {"error", "rare", "missing"}, default="error"
        What happens to a level that `fit` has not seen: it is refused, coded as the rare ones (as
        a missing cell where the column has none of them), or coded as a missing cell.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if they are all strings.
    kinds_ : list of str
        Kind of each column: "continuous", "integer" (of integer type, or floats that are all
        integers), "datetime", "duration", "ordinal", "boolean" or "categorical".
    transforms_ : list of str
        Code of each column: "constant", "standard", "quantile", "spike" or "simplex".
    n_codes_ : int
        Number of code columns.
    groups_ : ndarray of int of shape (`n_codes_`,)
        The column that each code column belongs to.
    is_indicator_ : ndarray of bool of shape (`n_codes_`,)
        Which code columns tell missing cells from others. They are the last.
    codecs_ : list
        The fitted codec of each column.
    levels_ : list
        Levels of each column that occur, in their order, None for numbers, dates and durations.

    Notes
    -----
    Numeric columns with decimals are decoded to the recorded precision: if all values are multiples
    of 0.1 apart, so are those that come back. Likewise dates and durations are coded in the
    greatest unit of which all observed ones are multiples, counted from the earliest.

    A column is fitted to the cells that are observed. One of a single value has no code even if it
    has gaps, and comes back complete unless there is an indicator; one without any observed cell
    comes back empty.

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

    Gaps and dates come back too:

    >>> days = ["2024-02-27", "2024-02-28", None, "2024-03-01"]
    >>> X = pd.DataFrame({"when": pd.to_datetime(days)})
    >>> encoder = TableEncoder().fit(X)
    >>> encoder.transform(X).round(2)[:, 0]
    array([-1.07, -0.27,   nan,  1.34])
    >>> encoder.inverse_transform([[0.5], [float("nan")]])
            when
    0 2024-02-29
    1        NaT
    """

    def __init__(
        self,
        *,
        categorical_features="from_dtype",
        numeric_transform="auto",
        clip=True,
        ordinal_features=None,
        missing_indicator=False,
        min_frequency=None,
        handle_unknown="error",
    ):
        self.categorical_features = categorical_features
        self.numeric_transform = numeric_transform
        self.clip = clip
        self.ordinal_features = ordinal_features
        self.missing_indicator = missing_indicator
        self.min_frequency = min_frequency
        self.handle_unknown = handle_unknown

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X, y=None):
        """Learn the coding of each column.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            The table: a NumPy array, or a pandas or polars frame. Cells may be missing: NaN, None,
            or what the data type has for it.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : TableEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If numbers are infinite, if a parameter does not fit the table, or if a column has
            more than 1000 levels that are not rare.
        TypeError
            If a column holds times of day, periods or other cells without a code.
        """
        X = validate_table(self, X, reset=True, allow_missing=True)
        return self.fit_columns(X, read_table(X))

    def fit_columns(self, X, columns):
        """Fit to columns that have been read from a validated table."""
        check_min_frequency(self.min_frequency)
        check_handle_unknown(self.handle_unknown)
        self.n_features_in_ = len(columns)
        frame = as_frame(X)
        if frame is not None and all(isinstance(name, str) for name in frame.columns):
            self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        ordinal = set_orders(self.ordinal_features, columns)
        set_categorical(self.categorical_features, columns, ordinal)
        for column in columns:
            observed = column.observed
            if (
                column.kind == "continuous"
                and len(observed)
                and np.all(observed == np.rint(observed))
            ):
                column.kind = "integer"
        transforms = transform_per_column(self.numeric_transform, columns)
        self.coders_ = [
            fit_coder(column, transform, self)
            for column, transform in zip(columns, transforms, strict=True)
        ]
        self.format_ = TableFormat(X, columns)
        self.kinds_ = [column.kind for column in columns]
        self.levels_ = [coder.levels for coder in self.coders_]
        self.codecs_ = [coder.codec for coder in self.coders_]
        self.bounds_ = [coder.bounds for coder in self.coders_]
        self.transforms_ = [codec.name for codec in self.codecs_]
        self.indicators_ = {}
        for j, column in enumerate(columns):
            counts = np.array([len(column.values) - column.missing, column.missing])
            if self.missing_indicator and counts.all():
                self.indicators_[j] = SimplexCodec(counts)
        widths = [codec.n_codes for codec in self.codecs_]
        values = np.repeat(np.arange(len(columns)), widths)
        self.groups_ = np.concatenate([values, np.array([*self.indicators_], dtype=values.dtype)])
        self.n_codes_ = len(self.groups_)
        self.is_indicator_ = np.arange(self.n_codes_) >= len(values)
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
            see `dequantize`. All codes of a missing cell are NaN, other than its indicator.

        Raises
        ------
        ValueError
            If a categorical column holds a level that `fit` has not seen, and `handle_unknown`
            is "error".
        """
        return self.encode_columns(self._read(X))

    def encode_columns(self, columns):
        """Code the columns of a table."""
        blocks, gaps = zip(
            *(coder.encode(column) for coder, column in zip(self.coders_, columns, strict=True)),
            strict=True,
        )
        told = [codec.encode(gaps[j].astype(np.intp)) for j, codec in self.indicators_.items()]
        return np.concatenate([*blocks, *told], axis=1)

    def inverse_transform(self, Z, random_state=None):
        """Decode to a table like the one seen in `fit`.

        Parameters
        ----------
        Z : array-like of shape (n, `n_codes_`)
            Codes, for example generated ones. A cell of which a code is NaN is missing, and so is
            one whose indicator says it.
        random_state : int, RandomState instance or None, default=None
            Source of the draws of rare levels: each by its frequency among those that share the
            vertex. None decodes all of them to the most frequent.

        Returns
        -------
        X : ndarray or data frame of shape (n, `n_features_in_`)
            The rows, in the container and with the data types of `fit`. Frames of pandas have a
            new index, counted from zero.

        Raises
        ------
        ValueError
            If a cell is missing in a column whose data type has no missing cells.
        """
        return self.decode_table(Z, random_state)

    def decode_table(self, Z, random_state=None, settled=None):
        """Decode, but for cells that are settled: by column the cells, and in which rows."""
        Z = self._check_codes(Z)
        rng = None if random_state is None else check_random_state(random_state)
        *blocks, told = self._split(Z)
        cells, gaps = zip(
            *(c.decode(block, rng) for c, block in zip(self.coders_, blocks, strict=True)),
            strict=True,
        )
        for k, (j, codec) in enumerate(self.indicators_.items()):
            z = told[:, [k]]
            gaps[j][:] |= np.isnan(z[:, 0]) | (codec.decode(z) == 1)
        cells = list(cells)
        for j, (wanted, there) in (settled or {}).items():
            cells[j] = np.where(there, wanted, cells[j])
        return self.format_.assemble(cells, len(Z), list(gaps))

    def decode_cells(self, Z):
        """Return the cells of encoded rows, an array for each column, gaps filled with any."""
        *blocks, _ = self._split(Z)
        return [c.decode(block)[0] for c, block in zip(self.coders_, blocks, strict=True)]

    def assemble(self, cells, n):
        """Put cells by column into a table like that of `fit`."""
        return self.format_.assemble(cells, n)

    def _read(self, X):
        """The columns of a table like that of `fit`."""
        check_is_fitted(self)
        return self.read(validate_table(self, X, reset=False, allow_missing=True))

    def read(self, X):
        """Read the columns of a validated table."""
        columns = read_table(X)
        for column, kind in zip(columns, self.kinds_, strict=True):
            if kind in ("categorical", "ordinal"):
                times_as_levels(column)
        return columns

    def _split(self, Z):
        """The codes of each column, then those of the indicators."""
        return np.split(Z, np.cumsum([codec.n_codes for codec in self.codecs_]), axis=1)

    def _check_codes(self, Z):
        check_is_fitted(self)
        Z = check_array(
            Z,
            dtype=np.float64,
            input_name="Z",
            ensure_all_finite="allow-nan",
            ensure_min_features=0,
            ensure_min_samples=0,
        )
        if Z.shape[1] != self.n_codes_:
            raise ValueError(
                f"Z has {Z.shape[1]} columns, but this TableEncoder has {self.n_codes_} codes."
            )
        return Z
