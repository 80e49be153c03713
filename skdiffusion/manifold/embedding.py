"""`Embedding`: the methods that embeddings with a way back have in common."""

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from skdiffusion._utils.gross import LARGEST


class Embedding(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of embeddings, which define `fit`, `_embed` and `_decode` and set ``embedding_``."""

    def fit_transform(self, X, y=None):
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

    def transform(self, X):
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
        X = validate_data(self, X, dtype=np.float64, reset=False)
        if np.abs(X).max(initial=0.0) > LARGEST:
            raise ValueError(f"X holds numbers beyond {LARGEST:g}: give them another unit.")
        return self._embed(X)

    def inverse_transform(self, X):
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
