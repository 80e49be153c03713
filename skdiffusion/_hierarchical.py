"""`HierarchicalSampler`: coarse rows first, then what is finer given them."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from skdiffusion._sampler import DiffusionManifoldSampler
from skdiffusion._utils.checks import Seed, check_weights
from skdiffusion._utils.fitting import all_or_nothing, say, speak_up
from skdiffusion.tables.encoder import TableEncoder
from skdiffusion.tables.frames import TableInput, read_table, take, validate_table
from skdiffusion.tables.reading import NUMERIC

# of a column's spread: what subtracting a fit leaves of nothing
ROUNDING = 1e-9


class HierarchicalSampler(TableInput, BaseEstimator):
    """Diffusion models of rows at several levels, each given the coarser one.

    A row of many columns is drawn as few numbers first: principal components, means of blocks of
    pixels, coordinates on a manifold. Given these the next model draws what they leave open, and so
    on down to the row. What is coarse may also be given: `refine` draws the rest. Of a table of 90
    columns and few rows such draws are about as near to real rows as those of one model, and newer;
    of digits one model draws better.

    Parameters
    ----------
    levels : sequence of int, array-like or estimator, default=(8,)
        What is drawn before the rows, the coarsest first: so many principal components; the weights
        (k, n_features) of sums over the columns; or an unfitted estimator with `transform`, such as
        :class:`sklearn.manifold.Isomap`.
    sampler : DiffusionManifoldSampler, list of them or None, default=None
        Unfitted model of every level, or one for each and one for the rows. Below the coarsest
        level its columns are what the coarser level leaves of the finer one, in the order of that,
        and then the coarser level. None is ``DiffusionManifoldSampler()`` with columns encoded by
        mean and scale.
    verbose : int, default=0
        1 prints which level is fitted, and shows the progress of each model.
    random_state : int, RandomState instance or None, default=None
        Source of randomness of `fit`.

    Attributes
    ----------
    samplers_ : list of DiffusionManifoldSampler
        The fitted models, of the coarsest level first.
    levels_ : list of estimator
        The fitted levels.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns, where they all have one.

    See Also
    --------
    DiffusionManifoldSampler : One model of all columns; by default its draws start near rows.

    Notes
    -----
    The coarsest level is drawn as `DiffusionManifoldSampler` draws, so that its `dcr_ratio` tells
    how near to rows of `fit`; finer ones from noise, given the coarser.

    References
    ----------
    Ho, J. et al. (2022). Cascaded diffusion models for high fidelity image generation. JMLR 23.

    Guth, F. et al. (2022). Wavelet score-based generative modeling. arXiv:2208.05003: details given
    what is coarse, white by themselves.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skdiffusion import DenoiserNet, DiffusionManifoldSampler, HierarchicalSampler
    >>> X, y = load_digits(return_X_y=True)
    >>> quick = DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=1, steps_per_epoch=5))
    >>> halve = np.kron(np.eye(4), [[0.5, 0.5]])
    >>> sampler = HierarchicalSampler(
    ...     levels=[np.kron(halve, halve)], sampler=quick, random_state=0
    ... ).fit(X, y)
    >>> sampler.sample(3, y=7, random_state=0).shape
    (3, 64)
    >>> coarse = sampler.levels_[0].transform(X[:2])
    >>> sampler.refine(coarse, y=y[:2], random_state=0).shape
    (2, 64)
    """

    _allow_missing = False
    _default_sampler = DiffusionManifoldSampler(
        encoder=TableEncoder(numeric_transform="standard", constraints=None, identifiers=None),
        manifold=None,
    )

    def __init__(self, *, levels=(8,), sampler=None, verbose: int = 0, random_state: Seed = None):
        self.levels = levels
        self.sampler = sampler
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the coarsest level, and each finer one given that above it.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows of numbers, complete.
        y : array-like of shape (n,) or None, default=None
            Target to condition on: classes or numbers.
        sample_weight : array-like of shape (n,) or None, default=None
            Weights of the rows, for all but levels that are estimators.

        Returns
        -------
        self : HierarchicalSampler
            The fitted estimator. A fit that fails or is interrupted leaves it unfitted.

        Raises
        ------
        ValueError
            If there are no levels, as many samplers as neither one nor all need, or cells that are
            missing or no numbers.
        """
        with all_or_nothing(self):
            X = validate_table(self, X, reset=True)
            rng = check_random_state(self.random_state)
            samplers = self._unfitted_samplers(rng)
            weights = check_weights(sample_weight, len(X))
            if weights is not None:
                X, y, weights = take(np.flatnonzero(weights), X, y, weights)
            clip = getattr(samplers[-1].encoder, "clip", True)
            self._encoder = TableEncoder(clip=clip, constraints=None, identifiers=None).fit(X)
            rows = _numbers(X, self._encoder)
            self.levels_ = [_as_estimator(level).fit(rows) for level in self.levels]
            codes = [np.asarray(level.transform(rows)) for level in self.levels_] + [rows]
            say(self, f"model 1 of {len(samplers)}")
            self.samplers_ = [samplers[0].fit(codes[0], y, weights)]
            self._coarse, self._open = [], []
            for coarse, fine, sampler in zip(codes[:-1], codes[1:], samplers[1:], strict=True):
                self._coarse.append(LinearRegression().fit(coarse, fine, weights))
                left = fine - self._coarse[-1].predict(coarse)
                left[:, np.ptp(left, axis=0) <= ROUNDING * np.ptp(fine, axis=0)] = 0.0
                self._open.append(_projection(left))
                given = range(left.shape[1], left.shape[1] + coarse.shape[1])
                say(self, f"model {len(self.samplers_) + 1} of {len(samplers)}")
                sampler.set_params(denoiser__given=list(given))
                self.samplers_.append(sampler.fit(np.hstack([left, coarse]), y, weights))
        return self

    def sample(
        self, n_samples: int = 1, *, y=None, return_y: bool = False, random_state: Seed = None
    ) -> Any:
        """Draw rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        y : scalar, array-like of shape (n_samples,) or None, default=None
            Target that the rows shall have, as in :meth:`DiffusionManifoldSampler.sample`.
        return_y : bool, default=False
            Whether to return the targets too.
        random_state : int, RandomState instance or None, default=None
            Source of randomness; None draws different rows at every call.

        Returns
        -------
        X : ndarray or data frame of shape (n_samples, n_features)
            The rows, in the container and with the data types of `fit`.
        y : ndarray or series of shape (n_samples,)
            Their targets; only with ``return_y=True``.
        """
        check_is_fitted(self)
        rng, coarsest = check_random_state(random_state), self.samplers_[0]
        if coarsest.model_.target_encoder is None and not return_y:
            drawn = coarsest.sample(n_samples, y=y, random_state=rng)
        else:
            drawn, y = coarsest.sample(n_samples, y=y, return_y=True, random_state=rng)
        X = self.refine(drawn, y=y, random_state=rng)
        return (X, y) if return_y else X

    def refine(self, coarse: Any, *, y: Any = None, level: int = 0, random_state: Seed = None):
        """Draw rows given what is coarse: super-resolution.

        Parameters
        ----------
        coarse : array-like of shape (n, k)
            What the rows shall be at a level, as ``levels_[level].transform`` has it. Whole numbers
            are rounded afterwards and numbers kept to the range of `fit`, by ``clip`` of the last
            sampler's encoder, so that sums differ a little.
        y : scalar, array-like of shape (n,) or None, default=None
            Their target.
        level : int, default=0
            The level, 0 for the coarsest.
        random_state : int, RandomState instance or None, default=None
            Source of randomness; None draws different rows at every call.

        Returns
        -------
        X : ndarray or data frame of shape (n, n_features)
            The rows, in the container and with the data types of `fit`.

        Raises
        ------
        ValueError
            If there is no such level, or it has another number of columns.
        """
        check_is_fitted(self)
        if not 0 <= level < len(self.levels_):
            raise ValueError(f"level must be one of 0 to {len(self.levels_) - 1}, got {level!r}.")
        rng, codes = check_random_state(random_state), check_array(coarse, dtype=np.float64)
        if codes.shape[1] != self._coarse[level].n_features_in_:
            raise ValueError(
                f"coarse has {codes.shape[1]} columns, but level {level} has "
                f"{self._coarse[level].n_features_in_}."
            )
        parts = self._coarse[level:], self._open[level:], self.samplers_[level + 1 :]
        for linear, left_open, sampler in zip(*parts, strict=True):
            mean = linear.predict(codes)
            given = np.hstack([np.full(mean.shape, np.nan), codes])
            drawn = sampler.sample(conditions=given, y=y, random_state=rng)
            # sums that are coarse are not moved
            codes = mean + drawn[:, : mean.shape[1]] @ left_open
        encoder = self._encoder
        return encoder.decode_table(encoder.encode_columns(read_table(codes)), rng)

    def _unfitted_samplers(self, rng):
        """Return a seeded sampler for each level and one for the rows."""
        if not isinstance(self.levels, list | tuple):
            raise ValueError(f"levels must be a list, the coarsest first, got {self.levels!r}.")
        n = len(self.levels) + 1
        given = self.sampler if isinstance(self.sampler, list | tuple) else [self.sampler] * n
        if n == 1 or len(given) != n:
            raise ValueError(
                f"levels must not be empty, and sampler be one or {n}: one for each level and one "
                f"for the rows; got {n - 1} levels and {len(given)} samplers."
            )
        default = self._default_sampler
        samplers = [clone(default if sampler is None else sampler) for sampler in given]
        for sampler in samplers:
            speak_up(sampler, self.verbose)
            is_sampler = isinstance(sampler, DiffusionManifoldSampler)
            if not is_sampler or hasattr(sampler.manifold, "fit"):
                raise ValueError(
                    "Every sampler must be a DiffusionManifoldSampler without an estimator as "
                    f"manifold, got {sampler!r}: an embedding can be a level."
                )
            seed = rng.randint(2**31 - 1)
            if sampler.random_state is None:
                sampler.set_params(random_state=seed)
        return samplers


def _as_estimator(level):
    """Return a level as an unfitted estimator."""
    if isinstance(level, Integral):
        return PCA(n_components=int(level), random_state=0)
    if hasattr(level, "get_params"):
        return clone(level)
    return FunctionTransformer(_sums, kw_args={"weights": check_array(level)})


def _projection(rows):
    """Return the projection (d, d) onto the directions in which rows about zero vary."""
    _, values, vectors = np.linalg.svd(rows, full_matrices=False)
    kept = vectors[values > ROUNDING * values[0]]
    return kept.T @ kept


def _sums(X, weights):
    """Return weighted sums over the columns."""
    return X @ weights.T


def _numbers(X, encoder):
    """Return a table as floats."""
    others = [kind for kind in encoder.kinds_ if kind not in NUMERIC]
    if others:
        raise ValueError(
            f"Only rows of numbers have levels, but some columns are {sorted(set(others))}: put a "
            "TableEncoder before, as in make_pipeline(TableEncoder(), HierarchicalSampler()), and "
            "draw by sample_from."
        )
    return np.column_stack([column.values for column in read_table(X)]).astype(np.float64)
