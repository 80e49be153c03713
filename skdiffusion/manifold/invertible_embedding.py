"""`InvertibleEmbedding`: a manifold learner with a way there and a way back."""

from typing import Any, Self

import numpy as np
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skdiffusion._utils.checks import Seed, check_count
from skdiffusion._utils.default_parts import Parts
from skdiffusion._utils.fitting import all_or_nothing
from skdiffusion._utils.gross import have_one_unit, regular_rows
from skdiffusion.manifold.autoencoder_embedding import AutoencoderEmbedding
from skdiffusion.manifold.decoders import Decoder, seeded
from skdiffusion.manifold.embedding import Embedding
from skdiffusion.manifold.local_maps import LocalLinearRegressor
from skdiffusion.manifold.units import column_units

WAYS = ("auto", "local", "own")


class InvertibleEmbedding(Parts, Embedding):
    """Give any manifold learner an inverse, and a transform where it has none.

    Where the learner cannot embed new rows, as TSNE, MDS and SpectralEmbedding cannot, linear maps
    over the nearest rows do. Columns whose standard deviations differ by more than a thousand times
    are each divided by theirs first. Rows with a cell far off all others of its column are
    embedded, but nothing is fitted to them.

    Parameters
    ----------
    estimator : estimator or None, default=None
        A manifold learner with ``fit_transform``. None is :class:`AutoencoderEmbedding` with three
        components, which leaves the least out of held-out rows of surfaces.
    decoder : {"auto", "local", "own"}, default="auto"
        The way back. "local" is a weighted linear map over the nearest rows of each row, with the
        penalty of least leave-one-out error [1]_. "own" is the learner's ``inverse_transform``.
        "auto" is "own" for an :class:`AutoencoderEmbedding`, whose decoder is trained with it, and
        else "local": the inverse of PCA or KernelPCA leaves more out.
    n_neighbors : int, default=20
        Neighbours of the local maps, and of what is near when noise is drawn.
    random_state : int, RandomState instance or None, default=None
        Source of the seed of the learner, where it has none.

    Attributes
    ----------
    estimator_ : estimator
        The fitted learner.
    embedding_ : ndarray of shape (n, n_components)
        The learner's embedding of the training rows.
    residuals_ : ndarray of shape (n, n_features)
        What the decoder leaves out of each training row: its difference from the row decoded
        without it. For "own" the row is not left out, so that residuals may be too small.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns, where they all have one.

    See Also
    --------
    AutoencoderEmbedding : Learns both ways at once.
    sklearn.manifold.Isomap : Geodesic distances kept.

    References
    ----------
    .. [1] Cleveland, "Robust locally weighted regression and smoothing scatterplots", Journal of
       the American Statistical Association 74, 1979.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_swiss_roll
    >>> from sklearn.manifold import Isomap
    >>> from skdiffusion.manifold import InvertibleEmbedding
    >>> X, _ = make_swiss_roll(500, random_state=0)
    >>> embedding = InvertibleEmbedding(Isomap(n_neighbors=8)).fit(X)
    >>> W = embedding.transform(X)
    >>> bool(np.abs(embedding.inverse_transform(W) - X).mean() < 0.05 * X.std())
    True
    >>> isomap = Isomap(n_neighbors=8).fit(X)
    >>> InvertibleEmbedding.from_fitted(isomap).sample_inverse(W[:5], random_state=0).shape
    (5, 3)
    """

    _default_estimator = AutoencoderEmbedding(3)

    def __init__(
        self, estimator=None, *, decoder: str = "auto", n_neighbors=20, random_state: Seed = None
    ):
        self.estimator = estimator
        self.decoder = decoder
        self.n_neighbors = n_neighbors
        self.random_state = random_state

    @classmethod
    def from_fitted(cls, learner: Any, **params: Any) -> Self:
        """Give a learner that is fitted already a way back.

        Parameters
        ----------
        learner : estimator
            Fitted, and keeping its rows, as Isomap, LocallyLinearEmbedding, KernelPCA and UMAP do.
            It becomes `estimator_` as it is.
        **params : dict
            Further parameters, such as `decoder`.

        Returns
        -------
        InvertibleEmbedding
            Fitted.

        Raises
        ------
        TypeError
            If the learner does not keep its rows.
        sklearn.exceptions.NotFittedError
            If the learner is not fitted.
        """
        check_is_fitted(learner)
        self = cls(learner, **params)
        with all_or_nothing(self):
            self._check_parameters()
            X = validate_data(self, _stored_rows(learner), dtype=np.float64)
            self._units = 1.0
            is_kept = hasattr(learner, "embedding_")
            embedded = learner.embedding_ if is_kept else learner.transform(X)
            self._fit_ways(learner, X, embedded)
        return self

    def _fit_rows(self, X, y):
        learner = seeded(self._learner, check_random_state(self.random_state))
        kept = regular_rows(X)
        regular, is_all = X[kept], len(kept) == len(X)
        units = column_units(regular)
        self._units = 1.0 if have_one_unit(units) else units
        regular = regular / self._units
        y = y if is_all or y is None else np.asarray(y)[kept]
        self._fit_ways(learner, regular, learner.fit_transform(regular, y))
        if not is_all:
            # rows with gross cells have a place and make none
            embedded, self.embedding_ = self.embedding_, self._embed(X)
            self.residuals_ = X - self._decode(self.embedding_)
            self.embedding_[kept] = embedded

    @property
    def _learner(self):
        return self._default_estimator if self.estimator is None else self.estimator

    def sample_inverse(self, X: Any, *, random_state: Seed = None) -> Any:
        """Draw rows from embedded ones: with the noise that `inverse_transform` averages away.

        Parameters
        ----------
        X : array-like of shape (n, n_components)
            Embedded rows.
        random_state : int, RandomState instance or None, default=None
            Source of randomness; None draws different rows at every call.

        Returns
        -------
        ndarray of shape (n, n_features)
            Mean rows, each plus the residual of a training row nearby.
        """
        X = self._check_embedded(X)
        return self._decoder.draw(X, check_random_state(random_state)) * self._units

    def _check_parameters(self):
        learner = self._learner
        if isinstance(learner, type) or not hasattr(learner, "fit_transform"):
            raise TypeError(
                f"estimator must be a manifold learner with fit_transform, got {learner!r}."
            )
        check_count(self.n_neighbors, "n_neighbors")
        if self.decoder not in WAYS:
            raise ValueError(f"decoder must be one of {WAYS}, got {self.decoder!r}.")
        if self.decoder == "own" and not hasattr(learner, "inverse_transform"):
            raise TypeError(f"{type(learner).__name__} has no inverse_transform of its own.")

    def _fit_ways(self, learner, X, embedded):
        embedded = check_array(embedded, dtype=np.float64, input_name="embedding", copy=True)
        self._forward = None
        if not hasattr(learner, "transform"):
            maps = LocalLinearRegressor(self.n_neighbors, interpolate=True)
            self._forward = maps.fit(X, embedded)
        has_trained = self.decoder == "auto" and isinstance(learner, AutoencoderEmbedding)
        own = learner if self.decoder == "own" or has_trained else None
        self._decoder = Decoder(embedded, X, self.n_neighbors, own)
        self.residuals_ = self._decoder.residuals * self._units
        self.embedding_ = embedded
        self.estimator_ = learner

    def _embed(self, X):
        embed = self.estimator_.transform if self._forward is None else self._forward.predict
        return np.asarray(embed(X / self._units), dtype=np.float64)

    def _decode(self, X):
        return self._decoder.predict(X)[0] * self._units


def _stored_rows(learner):
    """Return the rows that a fitted learner keeps."""
    # KernelPCA, UMAP, and the neighbour search of Isomap and LocallyLinearEmbedding
    for holder, name in (
        (learner, "X_fit_"),
        (learner, "_raw_data"),
        (getattr(learner, "nbrs_", None), "_fit_X"),
    ):
        if hasattr(holder, name):
            return getattr(holder, name)
    raise TypeError(
        f"{type(learner).__name__} does not keep the rows that it was fitted to: fit "
        "InvertibleEmbedding around it."
    )
