"""`DiffusionOversampler`: synthetic rows for rare classes and rare values of a target."""

from numbers import Real
from typing import Any, ClassVar, Self

import narwhals as nw
import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin
from sklearn.utils import Bunch, InputTags, Tags, TargetTags, check_random_state

from skdiffusion._sampler import DiffusionManifoldSampler
from skdiffusion._utils.checks import Seed, StrOptions, needs
from skdiffusion._utils.default_parts import Parts
from skdiffusion._utils.fitting import all_or_nothing, say, speak_up
from skdiffusion._utils.systematic import spread
from skdiffusion.augmentation.relevance import boxplot_relevance
from skdiffusion.augmentation.rows import jitter, read_target, regular, stack
from skdiffusion.model.variation import vary
from skdiffusion.tables.frames import as_frame, as_series, take_rows, validate_table
from skdiffusion.tables.target import TARGETS, is_categorical

# the relevance from which on a number is rare
RARE = 0.5


class _InputTags(InputTags):
    dataframe = True


class _Tags(Tags):
    """The tags of scikit-learn, and those that imbalanced-learn adds."""

    sampler_tags = Bunch(sample_indices=True)


class DiffusionOversampler(Parts, OneToOneFeatureMixin, BaseEstimator):
    """Oversample rare classes, or rare values of a numeric target, by a diffusion model.

    A model of rows and target is fitted on all rows. A synthetic row of a class starts from a real
    row of it, is noised, and denoised given the class: it varies as the table does, and even a
    class of a single row can be oversampled. The interface is that of imbalanced-learn.

    Parameters
    ----------
    sampler : DiffusionManifoldSampler or None, default=None
        Unfitted model of the table; None is ``DiffusionManifoldSampler()``. With ``sigma=None`` any
        estimator with ``fit(X, y)`` and ``sample(n_samples, y=, random_state=)`` will do.
    sampling_strategy : str, float, dict or callable, default="auto"
        How many synthetic rows. For classes as in imbalanced-learn: "auto" and "not majority" give
        every class as many rows as the largest has, "minority" the smallest alone, a float is the
        wanted ratio of the smaller to the larger of two, a dict the wanted number of rows of each
        class, and a function gets `y` and returns such a dict. For numbers "auto" gives the rare
        rows as many rows as the others have, and a float is a share of the rows.
    sigma : float or None, default=0.3
        Noise level from which real rows are denoised, in standard deviations of a column: near 0
        synthetic rows repeat the real ones, and far above 1 nothing is left of those. More noise
        ranks rows better and is worse at a fixed threshold. None draws fresh rows.
    target : {"auto", "categorical", "continuous"}, default="auto"
        What `y` is. By "auto" text, booleans, and whole numbers of at most 20 values are classes.
    relevance : "boxplot" or callable, default="boxplot"
        For numbers: how rare a value is, from 0 to 1; from 0.5 on it counts as rare. "boxplot"
        rises from the median to the ends of the whiskers, on the sides where outliers lie beyond
        them [1]_; a function gets `y` and returns an array.
    verbose : int, default=0
        1 prints what is fitted and drawn, and shows the progress of the model.
    random_state : int, RandomState instance or None, default=None
        Source of randomness.

    Attributes
    ----------
    sampler_ : estimator
        The fitted model.
    sampling_strategy_ : dict or int
        Number of synthetic rows of each class; for numbers of all.
    relevance_ : ndarray of shape (n,)
        Relevance of the rows; only for numbers.
    sample_indices_ : ndarray of shape (n_resampled,)
        For each row of the result the real row that it is, or starts from; -1 where it starts from
        noise. Set by `fit_resample`, as the next two.
    is_synthetic_ : ndarray of shape (n_resampled,)
        Which rows of the result are synthetic: the last ones.
    n_synthetic_ : int
        Their number.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of str
        Names of the columns, where they all have one.

    Notes
    -----
    The targets of synthetic rows of a numeric target are those of the real rows that they start
    from, drawn by relevance and moved at random within the gaps to their neighbours.

    References
    ----------
    .. [1] Ribeiro and Moniz, "Imbalanced regression and extreme value prediction", Machine Learning
       109, 2020, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skdiffusion import DenoiserNet, DiffusionManifoldSampler, DiffusionOversampler
    >>> X, y = load_iris(return_X_y=True)
    >>> X, y = X[:110], y[:110]  # 50, 50 and 10 rows
    >>> sampler = DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=2))
    >>> oversampler = DiffusionOversampler(sampler=sampler, random_state=0)
    >>> X_more, y_more = oversampler.fit_resample(X, y)
    >>> np.bincount(y_more), oversampler.n_synthetic_
    (array([50, 50, 50]), 40)
    """

    _parameter_constraints: ClassVar[dict] = {
        "target": [StrOptions(set(TARGETS))],
        "relevance": [StrOptions({"boxplot"}), callable],
    }

    _default_sampler = DiffusionManifoldSampler()

    def __init__(
        self,
        *,
        sampler: Any = None,
        sampling_strategy: Any = "auto",
        sigma: float | None = 0.3,
        target: Any = "auto",
        relevance: Any = "boxplot",
        verbose: int = 0,
        random_state: Seed = None,
    ) -> None:
        self.sampler = sampler
        self.sampling_strategy = sampling_strategy
        self.sigma = sigma
        self.target = target
        self.relevance = relevance
        self.verbose = verbose
        self.random_state = random_state

    def __sklearn_tags__(self):
        return _Tags(
            estimator_type="sampler",
            target_tags=TargetTags(required=True),
            input_tags=_InputTags(string=True, categorical=True, allow_nan=True),
        )

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the model and count the rows that are missing; `fit_resample` does it by itself.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            The table.
        y : array-like of shape (n,)
            Target: classes or numbers.

        Returns
        -------
        self : DiffusionOversampler
            The fitted estimator.
        """
        with all_or_nothing(self):
            self._fit(X, y)
        return self

    def fit_resample(self, X: Any, y: Any) -> Any:
        """Fit the model, and add synthetic rows to the real ones.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            The table.
        y : array-like of shape (n,)
            Target: classes, numbers, or one column of 0 and 1 for each class.

        Returns
        -------
        X_resampled : array-like or data frame of shape (n_resampled, n_features)
            The rows of `X` and then the synthetic ones, in its container and its data types.
        y_resampled : array-like of shape (n_resampled,)
            Their targets, in the container of `y`.

        Raises
        ------
        ValueError
            If there is only one class, or no rare number.
        ImportError
            For classes, if imbalanced-learn is not installed.
        """
        with all_or_nothing(self):
            table, values, rng = self._fit(X, y)
            rows, y_new = self._draw_targets(table, values, rng)
            n_real = len(values)
            self.is_synthetic_ = np.arange(n_real + len(rows)) >= n_real
            self.n_synthetic_ = len(rows)
            origin = np.full(len(rows), -1) if self.sigma is None else rows
            self.sample_indices_ = np.concatenate([np.arange(n_real), origin])
            if len(rows):
                say(self, f"drawing {len(rows):,} rows")
                if self.sigma is None:
                    new = self.sampler_.sample(len(rows), y=y_new, random_state=rng)
                else:
                    new = vary(self.sampler_.model_, take_rows(table, rows), y_new, self.sigma, rng)
                table = stack(table, new)
                values = np.concatenate([values, y_new])
        if isinstance(X, list):
            table = table.tolist()
        return table, _restore(values, y)

    def _fit(self, X, y):
        """Count the synthetic rows and fit the model; return rows, targets and randomness."""
        self._validate_params()
        rng = check_random_state(self.random_state)
        X = validate_table(self, X, reset=True, allow_missing=True)
        values = read_target(self, X, _one_column(y))
        has_classes = is_categorical(values, self.target)
        if has_classes:
            self.sampling_strategy_ = _count_by_class(self.sampling_strategy, values)
        else:
            self.relevance_ = self._relevance(values.astype(np.float64))
            self.sampling_strategy_ = self._count_numbers(values)
        say(self, f"fitting a model of {len(values):,} rows")
        sampler = speak_up(self._part("sampler"), self.verbose)
        self.sampler_ = _fit_sampler(sampler, X, values, has_classes, rng)
        return X, values, rng

    def _relevance(self, y):
        relevance = self.relevance if callable(self.relevance) else boxplot_relevance
        values = np.asarray(relevance(y), dtype=np.float64)
        if values.shape != y.shape or not np.all((values >= 0) & (values <= 1)):
            raise ValueError(
                "relevance must return one number between 0 and 1 for each of the "
                f"{len(y)} targets."
            )
        return values

    def _count_numbers(self, y):
        """Return how many synthetic rows a numeric target gets."""
        strategy, rare = self.sampling_strategy, self.relevance_ >= RARE
        if isinstance(strategy, Real) and not isinstance(strategy, bool) and strategy > 0:
            n_synthetic = round(strategy * len(y))
        elif isinstance(strategy, str) and strategy == "auto":
            n_synthetic = max(0, int((~rare).sum()) - int(rare.sum()))
        else:
            raise ValueError(
                "For a numeric target sampling_strategy must be 'auto' or a positive number, got "
                f"{strategy!r}. If the numbers of y are classes, set target='categorical'."
            )
        if n_synthetic and not rare.any():
            raise ValueError(
                f"No value of y is rare: its relevance is below {RARE} everywhere (by a boxplot "
                "only outliers are rare). Give a function as relevance; if the numbers of y are "
                "classes, set target='categorical'."
            )
        return int(n_synthetic)

    def _draw_targets(self, X, y, rng):
        """Return the real rows to start from, and the targets of the synthetic rows."""
        wanted = self.sampling_strategy_
        if isinstance(wanted, dict):
            rows = [spread(regular(X, y == label), n, rng) for label, n in wanted.items()]
            rows = np.concatenate([np.empty(0, dtype=int), *rows])
            return rows, y[rows]
        weights = np.where(self.relevance_ >= RARE, self.relevance_, 0.0)
        rows = spread(regular(X, weights), wanted, rng) if wanted else np.empty(0, dtype=int)
        return rows, jitter(y, rows, rng)


def _fit_sampler(sampler, X, y, has_classes, rng):
    """Fit a sampler, told what the target is."""
    seed, known = rng.randint(2**31 - 1), sampler.get_params(deep=False)
    if "target" in known:
        sampler.set_params(target="categorical" if has_classes else "continuous")
    if "random_state" in known and known["random_state"] is None:
        sampler.set_params(random_state=seed)
    return sampler.fit(X, y)


def _count_by_class(strategy, y):
    """Return the number of synthetic rows of each class, as imbalanced-learn counts them."""
    with needs("imblearn", "Oversampling classes needs imbalanced-learn"):
        from imblearn.utils import check_sampling_strategy
    counts = check_sampling_strategy(strategy, y, "over-sampling")
    return {label: int(n) for label, n in counts.items()}


def _one_column(y):
    """Return the numbers of the classes for columns of 0 and 1, one for each class."""
    frame = as_frame(y)
    values = np.asarray(y) if frame is None else frame.to_numpy()
    if values.ndim < 2 or values.shape[1] == 1:
        return y
    with needs("imblearn", "Oversampling classes needs imbalanced-learn"):
        from imblearn.utils import check_target_type
    return check_target_type(values)


def _restore(values, y):
    """Put targets into a container like `y`."""
    native = nw.from_native(y, allow_series=True, pass_through=True)
    if isinstance(native, nw.Series):
        return as_series(values, native)
    if isinstance(native, nw.DataFrame) and native.shape[1] == 1:
        column = _restore(values, native.get_column(native.columns[0]).to_native())
        return nw.from_native(column, series_only=True).to_frame().to_native()
    if isinstance(y, list):
        return values.tolist()
    shape = np.shape(y)
    return np.eye(shape[1], dtype=int)[values] if len(shape) == 2 and shape[1] > 1 else values
