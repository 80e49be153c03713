"""`Embedding`: the methods that embeddings with a way back have in common."""

import re
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from skdiffusion._utils.fitting import all_or_nothing
from skdiffusion._utils.gross import LARGEST, check_magnitudes

# what NumPy, pandas and polars say of columns that hold no numbers
NO_NUMBERS = re.compile("(could not|cannot) convert|.*could not be promoted|not implemented for")


def validate_numbers(estimator, X, **options):
    """Validate rows of numbers, or say what to do with columns of other kinds."""
    try:
        return validate_data(estimator, X, dtype=np.float64, **options)
    except BaseException as error:  # each library has its own; panics of polars are no Exceptions
        if not NO_NUMBERS.match(str(error)):
            raise
        raise ValueError(
            f"{type(estimator).__name__} needs columns of numbers, of at most 64 bits: drop the "
            "others, or encode the table first, by TableEncoder."
        ) from error


def refuse_gaps(Z):
    """Raise for encoded rows with missing entries."""
    if np.isnan(Z).any():
        raise ValueError(
            "Rows with missing numbers have no place on a manifold: fill them first, for example "
            "with DiffusionImputer, or fit with manifold=None."
        )


class Embedding(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of embeddings: `_check_parameters`, `_fit_rows` (sets ``embedding_``) and both ways."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Embed the rows, and learn the way back.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows of numbers.
        y : object, default=None
            Passed on to the learner, where there is one.

        Returns
        -------
        self : object
            The fitted transformer. A fit that fails or is interrupted leaves it unfitted.

        Raises
        ------
        TypeError
            If there is a learner without ``fit_transform``, or for "own" ``inverse_transform``.
        ValueError
            If a parameter is out of range, cells are missing or infinite, or there are fewer than
            two rows.
        """
        with all_or_nothing(self):
            self._check_parameters()
            X = validate_numbers(self, X, ensure_min_samples=2)
            check_magnitudes(X)
            self._fit_rows(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Fit the embedding, and return the embedded rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows of numbers.
        y : object, default=None
            As in `fit`.

        Returns
        -------
        ndarray of shape (n, n_components)
            Embedded rows, as `embedding_` keeps them.
        """
        return self.fit(X, y).embedding_.copy()

    def transform(self, X: Any) -> np.ndarray:
        """Embed rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n, n_components)
            Embedded rows.
        """
        check_is_fitted(self)
        X = validate_numbers(self, X, reset=False)
        if np.abs(X).max(initial=0.0) > LARGEST:
            raise ValueError(f"X holds numbers beyond {LARGEST:g}: give them another unit.")
        return self._embed(X)

    def inverse_transform(self, X: Any) -> Any:
        """Return the mean rows of embedded ones.

        Parameters
        ----------
        X : array-like of shape (n, n_components)
            Embedded rows.

        Returns
        -------
        ndarray of shape (n, n_features)
            Rows; the same at every call.
        """
        return self._decode(self._check_embedded(X))

    def _check_embedded(self, X):
        check_is_fitted(self)
        X = check_array(X, dtype=np.float64, input_name="X")
        if X.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {X.shape[1]} columns, but the embedding has {self._n_features_out}."
            )
        return X

    @property
    def _n_features_out(self):
        # the parameter may have been set anew since
        return self.embedding_.shape[1]
