"""The base of the estimators that learn the distribution of a table."""

import warnings
from abc import abstractmethod
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from skdiffusion._utils.checks import Seed, check_count, check_noise, take_rows
from skdiffusion._utils.chunks import row_blocks
from skdiffusion._utils.fitting import all_or_nothing
from skdiffusion.model.encoded import EncodedRows, encode_rows
from skdiffusion.model.imputation import STRATEGIES, Known, fill_by_draw, fill_by_mean, read_gaps
from skdiffusion.model.open_cells import settle_conditions
from skdiffusion.model.variation import VariationMixin
from skdiffusion.model.wanted import need_target, read_wanted
from skdiffusion.tables.encoder import TableEncoder
from skdiffusion.tables.frames import NUMERIC, TableInput, read_table, validate_table
from skdiffusion.tables.gaps import fill_gaps
from skdiffusion.tables.row_source import rows_to_fit
from skdiffusion.tables.target import TargetEncoder


class TableModel(
    VariationMixin, TableInput, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Base of the estimators that learn the distribution of a table's rows, and of a target.

    A subclass says how its model is made, and has `encoder`, `target` and `random_state`.
    """

    _default_encoder = TableEncoder()
    _target_transform = "auto"
    _most_rows: int | None = None  # that a fit can use

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_model")

    @abstractmethod
    def _fit_model(self, rows, rng):
        """Return the Model of encoded rows."""

    @abstractmethod
    def _sampling(self):
        """Return how noise becomes rows."""

    def _check_parameters(self):
        """Raise for parameters out of range."""
        self._validate_params()

    @property
    def model_(self) -> Any:
        """The fitted model, with the present parameters of sampling."""
        # its error is an AttributeError too
        check_is_fitted(self)
        return replace(self._model, sampling=self._sampling())

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the distribution of the rows, and of the target with them.

        Parameters
        ----------
        X : array-like, data frame, path or pyarrow.dataset.Dataset, of shape (n, n_features)
            The table: a NumPy array, which may be memory-mapped, or a pandas or polars frame; or a
            Parquet file, or a folder of them, which comes back as pandas. Cells may be missing.
        y : array-like of shape (n,), str or None, default=None
            Target to condition on: classes or numbers. Of Parquet also the name of a column.
        sample_weight : array-like of shape (n,), str or None, default=None
            Weights of the rows, as if they occurred that often; shares of a whole are scaled.

        Returns
        -------
        self : object
            The fitted estimator. A fit that fails or is interrupted leaves it unfitted.

        Raises
        ------
        ValueError
            If a parameter is out of range, cells are infinite, there are fewer than two rows, or
            every column is constant.
        TypeError
            If a column holds cells that cannot be encoded.
        """
        with all_or_nothing(self):
            self._check_parameters()
            rng = check_random_state(self.random_state)
            X, y, sample_weight = rows_to_fit(self, X, y, sample_weight, self._most_rows, rng)
            if sample_weight is not None:
                # shares of a whole are no numbers of rows
                sample_weight = sample_weight * max(1.0, len(X) / sample_weight.sum())
                sample_weight = None if (sample_weight == 1).all() else sample_weight
            rows = self._encode(X, y, sample_weight, rng)
            self._model = self._fit_model(rows, rng)
        return self

    def sample(
        self,
        n_samples: int = 1,
        *,
        y: Any = None,
        conditions: Any = None,
        return_y: bool = False,
        random_state: Seed = None,
    ) -> Any:
        """Draw rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        y : scalar, array-like of shape (n_samples,) or None, default=None
            Target that the rows shall have: one for all, or one for each, whose number then is
            the number of rows. None draws classes with their frequencies in `fit`, and numbers
            together with the rows.
        conditions : dict, array-like, data frame, LinearMeasurement or None, default=None
            A dict from columns to a value, to a range as a tuple ``(low, high)`` with None for no
            end, or to a list of categories; or a table, some columns by name or an array of all
            columns, with a row for each row to draw, whose missing cells are free. Known cells are
            conditioned on; ranges and lists are met by choosing among draws, which is exact. Or
            known sums of columns, a :class:`~skdiffusion.tables.LinearMeasurement`.
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

        Raises
        ------
        ValueError
            If a class or category was never seen, a range holds nothing, or a target is asked for
            and there was none in `fit`.
        TypeError
            If a condition does not suit the kind of its column.

        Warns
        -----
        UserWarning
            If draws meet ranges so rarely that rows repeat values within them.
        """
        rng = check_random_state(random_state)
        if return_y:
            need_target(self.model_)
        model = self.model_
        n_samples, wanted, target = read_wanted(model, n_samples, y, conditions, rng)
        Z, cells = self._draw(n_samples, wanted, target, rng)
        X = model.encoder.decode_table(Z[:, ~model.is_target], rng, cells)
        if not return_y:
            return X
        return X, model.target_encoder.inverse_transform(Z[:, model.is_target], target.cells)

    def acceptance_rate(
        self, conditions: Any, *, y: Any = None, n_samples: int = 1000, random_state: Seed = None
    ) -> float:
        """Return the share of draws that meet ranges and lists of categories by themselves.

        Parameters
        ----------
        conditions : dict
            As in `sample`; known values are conditioned on and count for nothing.
        y : scalar or None, default=None
            Target of the rows.
        n_samples : int, default=1000
            Number of draws.
        random_state : int, RandomState instance or None, default=None
            Source of randomness.

        Returns
        -------
        rate : float
            The share; 1 without ranges.
        """
        rng = check_random_state(random_state)
        model = self.model_
        n_samples, wanted, target = read_wanted(model, n_samples, y, conditions, rng)
        Z, _ = self._draw(n_samples, replace(wanted, ranges={}, categories={}), target, rng)
        return float(wanted.are_met(model.encoder, Z[:, ~model.is_target]).mean())

    def sample_y(self, X: Any, n_samples: int = 1, *, random_state: Seed = None) -> np.ndarray:
        """Draw targets of rows: a forecast as a distribution.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows; missing cells are drawn with the targets.
        n_samples : int, default=1
            Number of draws for each row.
        random_state : int, RandomState instance or None, default=None
            Source of randomness.

        Returns
        -------
        Y : ndarray of shape (n, n_samples)
            Draws of the target given each row.

        Raises
        ------
        ValueError
            If there was no target in `fit`.
        """
        need_target(self.model_)
        check_count(n_samples, "n_samples")
        rng = check_random_state(random_state)
        model = self.model_
        drawn = model.draw_targets(self._encoded(X), n_samples, self._generator(rng))
        return np.asarray(model.target_encoder.inverse_transform(drawn)).reshape(-1, n_samples)

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the log-density of each row.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows; missing cells count for nothing.

        Returns
        -------
        log_density : ndarray of shape (n,)
            Nats, in the units of the table: densities of numbers, probabilities of categories,
            whole numbers and repeated values.
        """
        return self._by_blocks(self.model_.log_density, X)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log-density of the rows, for model selection.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.
        y : object, default=None
            Ignored.

        Returns
        -------
        score : float
            The mean of `score_samples`.
        """
        return float(np.mean(self.score_samples(X)))

    def transform(self, X: Any) -> np.ndarray:
        """Return latents: about independent standard normal numbers, by the probability flow.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows; latents of rows with missing cells are NaN.

        Returns
        -------
        U : ndarray of shape (n, n_encoded)
            Latents, one for each encoded feature.
        """
        return self._by_blocks(lambda columns, Z: self.model_.encode(Z), X)

    def inverse_transform(self, X: Any) -> Any:
        """Return the rows of latents, the inverse of `transform`.

        Parameters
        ----------
        X : array-like of shape (n, n_encoded)
            Latents.

        Returns
        -------
        X : ndarray or data frame of shape (n, n_features)
            Rows, in the container of `fit`.
        """
        model = self.model_
        U = check_array(X, dtype=np.float64)
        if U.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {U.shape[1]} columns, but latents have {self._n_features_out}."
            )
        return model.encoder.inverse_transform(model.decode(U))

    def denoise(self, X: Any, noise: Any = None) -> Any:
        """Return rows without noise: the expected clean row given each.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Noisy rows of numbers, complete.
        noise : float, array-like of shape (n_features,) or None, default=None
            Standard deviation of their noise, in the units of the columns. None is the noise that
            the estimator knows of.

        Returns
        -------
        X : ndarray or data frame of shape (n, n_features)
            Clean rows.

        Raises
        ------
        ValueError
            If no noise is given or known, or rows have missing cells or columns of other kinds
            than numbers.
        """
        columns, model = self._read(X), self.model_
        Z = model.encoder.encode_columns(columns)
        kinds = zip(model.encoder.kinds_, model.encoder.transforms_, strict=True)
        others = sorted({kind for kind, code in kinds if code != "constant"} - set(NUMERIC))
        if np.isnan(Z).any() or model.encoder.category_blocks() or others:
            found = f" Some columns are {' or '.join(others)}." if others else ""
            raise ValueError(f"Only complete rows of numbers can be denoised.{found}")
        if noise is None:
            sigma = self._known_noise()
        else:
            sigma = model.encoder.encoded_noise(columns, check_noise(noise, self.n_features_in_))
            if model.noise is not None:
                sigma = np.maximum(sigma, model.noise)
        return model.encoder.inverse_transform(model.denoise(Z, sigma))

    def impute(
        self,
        X: Any,
        *,
        y: Any = None,
        return_y: bool = False,
        strategy: str = "mean",
        n_draws: int = 32,
        random_state: Seed = None,
    ) -> Any:
        """Fill missing cells given the others: a regression of any columns on any others.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.
        y : array-like of shape (n,) or None, default=None
            Their targets, where they are known.
        return_y : bool, default=False
            Whether to return the targets too: those given, or else what is expected.
        strategy : {"mean", "draw"}, default="mean"
            The mean of numbers and times and the most frequent category, which have the smallest
            error; or one draw, which keeps spreads and relations.
        n_draws : int, default=32
            Number of draws that means are taken over, where there is no closed form.
        random_state : int, RandomState instance or None, default=None
            Source of randomness; None is a fixed seed for means and another draw at every call.

        Returns
        -------
        X : ndarray or data frame of shape (n, n_features)
            The rows without gaps, in their container; cells that were there are as they were.
        y : ndarray or series of shape (n,)
            Their targets; only with ``return_y=True``.
        """
        model = self.model_
        if strategy not in STRATEGIES:
            raise ValueError(f"strategy must be one of {STRATEGIES}, got {strategy!r}.")
        if y is not None or return_y:
            need_target(model)
        X = validate_table(self, X, reset=False, allow_missing=self._allow_missing)
        columns, gaps = read_gaps(model, X)
        wanted = gaps.any(1) | (return_y and y is None)
        if not wanted.any():
            return (X, np.asarray(y)) if return_y else X
        known = Known(model, columns, y, wanted)
        if strategy == "draw":
            rng = check_random_state(random_state)
            filled, target = fill_by_draw(known, _seed(rng), rng)
        else:
            seed = 0 if random_state is None else _seed(check_random_state(random_state))
            filled, target = fill_by_mean([known], n_draws, seed)
        X = fill_gaps(X, gaps, filled, wanted)
        if not return_y:
            return X
        return X, target if y is None else y

    @property
    def _n_features_out(self):
        return self._model.encoder.n_encoded_

    def _encode(self, X, y, sample_weight, rng):
        """Read and encode the rows of `fit` and their target, each once."""
        columns = read_table(X)
        encoder, measured = self._fit_encoder(X, columns, sample_weight, rng)
        for hint in encoder._hints + encoder._code_hints:
            warnings.warn(hint, UserWarning, stacklevel=3)
        if len(X) < 2:
            raise ValueError("A distribution cannot be learned from n_samples=1: give at least 2.")
        if encoder.n_encoded_ == 0:
            raise ValueError("Every column of X is constant: there is nothing to learn.")
        target_encoder = None
        if y is not None:
            target_encoder = TargetEncoder(
                target=self.target, numeric_transform=self._target_transform
            ).fit(y, sample_weight)
        # of its own, so that what follows does not depend on the number of rows
        spreading = np.random.RandomState(_seed(rng))
        Z = encode_rows(encoder, columns, target_encoder, y, spreading)
        return EncodedRows(encoder, target_encoder, Z, sample_weight, measured)

    def _fit_encoder(self, X, columns, sample_weight, rng):
        """Return the encoder fitted to columns, and what was measured of them."""
        return self._unfitted_encoder().fit_columns(X, columns, sample_weight), None

    def _unfitted_encoder(self):
        return self._part("encoder")

    def _read(self, X):
        """Validate rows and read their columns."""
        check_is_fitted(self)
        X = validate_table(self, X, reset=False, allow_missing=self._allow_missing)
        return read_table(X)

    def _by_blocks(self, function, X):
        """Return what a function makes of rows, read and encoded, by blocks that memory holds."""
        check_is_fitted(self)
        X = validate_table(self, X, reset=False, allow_missing=self._allow_missing)
        blocks = row_blocks(len(X), self._model.n_features)
        parts = (read_table(take_rows(X, rows)) for rows in blocks)
        encode = self._model.encoder.encode_columns
        return np.concatenate([function(columns, encode(columns)) for columns in parts])

    def _encoded(self, X):
        """Read rows and encode them."""
        columns = self._read(X)
        return self._model.encoder.encode_columns(columns)

    def _known_noise(self):
        """Return the noise of encoded rows that `denoise` removes without being told."""
        if self._model.noise is None:
            raise ValueError("Say how much noise there is: denoise(X, noise=...).")
        return self._model.noise

    def _draw(self, n, wanted, target, rng):
        """Draw encoded rows with their target; return them and the cells that are settled."""
        model, generator = self.model_, self._generator(rng)
        both = wanted if target is None else wanted.extended(target.values)
        both = settle_conditions(model, n, both, generator)
        return model.draw(n, generator, both), both.cells

    def _generator(self, rng):
        return torch.Generator(self._model.device).manual_seed(_seed(rng))


def _seed(rng):
    return int(rng.randint(2**31 - 1))
