"""`InvertibleEmbedding`: a manifold learner with a way there and a way back."""

from numbers import Integral

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    is_regressor,
)
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skdiffusion._utils.fitting import all_or_nothing
from skdiffusion.manifold.autoencoder import AutoencoderEmbedding
from skdiffusion.manifold.decoders import LocalDecoder, OwnDecoder, RegressorDecoder, seeded
from skdiffusion.manifold.joint_decoders import DiffusionDecoder, KernelDecoder
from skdiffusion.manifold.local_maps import LocalLinearRegressor

__all__ = ["InvertibleEmbedding"]

DECODERS = ("auto", "local", "kernel", "diffusion", "own")
FORWARD = ("auto", "own", "local")
# where fitted learners keep their training rows
STORED_ROWS = ("X_fit_", "_raw_data", "training_data_")


class InvertibleEmbedding(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Give any manifold learner an inverse, and a transform where it has none.

    The learner embeds the rows; a decoder learns the way back. Where the learner cannot embed new
    rows, as TSNE, MDS and SpectralEmbedding cannot, that is learned too.

    Parameters
    ----------
    estimator : estimator or None, default=None
        A manifold learner with ``fit_transform``. None is :class:`AutoencoderEmbedding` with three
        components, which of all learners leaves the least out of held-out rows of surfaces, flat
        or curved, open or closed, and takes time linear in their number.
    decoder : {"auto", "local", "kernel", "diffusion", "own"} or regressor, default="auto"
        The way back. "local" is a linear map over the nearest rows of each row, the best of the
        cheap ones: :class:`LocalLinearRegressor`. "kernel" is the conditional law under kernels
        that follow the rows, as :class:`~skdiffusion.RiemannianKernelSmoother` places them.
        "diffusion" has the means of "local", and a denoiser that draws what they leave out, given
        the embedded row; a :class:`~skdiffusion.DenoiserNet` is that one's trainer. "own" is the
        learner's ``inverse_transform``. A regressor of scikit-learn is fitted to embedded rows and
        rows. "auto" is "own" for an :class:`AutoencoderEmbedding`, whose decoder is trained with
        it, and else "local": the inverse of PCA or KernelPCA leaves more out.
    forward : {"auto", "own", "local"} or regressor, default="auto"
        The way there. "auto" is the learner's own ``transform``, or "local" without one. "local"
        is a linear map over the nearest rows, which returns each training row to its own place.
        A regressor of scikit-learn is fitted to rows and embedded rows.
    n_neighbors : int, default=20
        Neighbours of the local maps, and of what is near when noise is drawn. Of fewer rows all
        are taken.
    n_folds : int, default=5
        Folds of the held-out residuals, where they need some.
    random_state : int, RandomState instance or None, default=None
        Source of the folds, and of the seeds of learner and decoder where they have none.

    Attributes
    ----------
    estimator_ : estimator
        The fitted learner.
    embedding_ : ndarray of shape (n, n_components)
        The embedded training rows.
    residuals_ : ndarray of shape (n, n_features)
        What the decoder leaves out of each training row: its difference from the row decoded
        without it, left out one at a time ("local", "diffusion") or by folds. For "own" the row is
        not left out, so that residuals may be too small.
    residual_std_ : ndarray of shape (n_features,)
        Root mean squares of its columns.
    decoder_ : object
        The fitted decoder.
    forward_ : regressor or None
        The learned way there; None where it is the learner's.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns, where they all have one.

    See Also
    --------
    AutoencoderEmbedding : Learns both ways at once.
    sklearn.manifold.Isomap : Geodesic distances kept.

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
    """

    def __init__(
        self,
        estimator=None,
        *,
        decoder="auto",
        forward="auto",
        n_neighbors=20,
        n_folds=5,
        random_state=None,
    ):
        self.estimator = estimator
        self.decoder = decoder
        self.forward = forward
        self.n_neighbors = n_neighbors
        self.n_folds = n_folds
        self.random_state = random_state

    @classmethod
    def from_fitted(cls, learner, X=None, **params):
        """Give a learner that is fitted already a way back.

        Parameters
        ----------
        learner : estimator
            Fitted. It becomes `estimator_` as it is.
        X : array-like of shape (n, n_features) or None, default=None
            The rows that it was fitted to. None takes those that it keeps, as Isomap,
            LocallyLinearEmbedding, KernelPCA and UMAP do.
        **params : dict
            Further parameters, such as `decoder`.

        Returns
        -------
        InvertibleEmbedding
            Fitted.

        Raises
        ------
        TypeError
            If the learner keeps neither its rows nor their embedding.
        sklearn.exceptions.NotFittedError
            If the learner is not fitted.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.manifold import Isomap
        >>> from skdiffusion.manifold import InvertibleEmbedding
        >>> isomap = Isomap().fit(load_iris().data)
        >>> InvertibleEmbedding.from_fitted(isomap).inverse_transform(isomap.embedding_).shape
        (150, 4)
        """
        check_is_fitted(learner)
        self = cls(learner, **params)
        with all_or_nothing(self):
            self._check_parameters()
            X = validate_data(self, _stored_rows(learner) if X is None else X, dtype=np.float64)
            embedded = getattr(learner, "embedding_", None)
            if embedded is None:
                embedded = _embed(learner, X)
            self._fit_ways(learner, X, embedded, check_random_state(self.random_state))
        return self

    def fit(self, X, y=None):
        """Embed the rows, and learn the way back.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows of numbers.
        y : object, default=None
            Passed on to the learner.

        Returns
        -------
        self : InvertibleEmbedding
            The fitted transformer. A fit that fails or is interrupted leaves it unfitted.

        Raises
        ------
        TypeError
            If the learner has no ``fit_transform``, or the decoder is neither one of the names
            nor a regressor.
        ValueError
            If a parameter is out of range, cells are missing or infinite, or there are fewer than
            two rows.
        """
        with all_or_nothing(self):
            self._check_parameters()
            X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
            rng = check_random_state(self.random_state)
            learner = seeded(self._learner(), rng)
            embedded = learner.fit_transform(X, y)
            self._fit_ways(learner, X, embedded, rng)
        return self

    def fit_transform(self, X, y=None):
        """Embed the rows, learn the way back, and return the learner's embedding.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows of numbers.
        y : object, default=None
            Passed on to the learner.

        Returns
        -------
        ndarray of shape (n, n_components)
            The embedding. `transform` gives the same rows the same places as far as the learner's
            own does.
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
        if self.forward_ is None:
            return _embed(self.estimator_, X)
        return np.asarray(self.forward_.predict(X), dtype=np.float64).reshape(len(X), -1)

    def inverse_transform(self, W):
        """Return the mean rows of embedded ones.

        Parameters
        ----------
        W : array-like of shape (n, n_components)
            Embedded rows.

        Returns
        -------
        ndarray of shape (n, n_features)
            Rows; the same at every call.
        """
        W = self._check_embedded(W)
        return self.decoder_.predict(W)

    def sample_inverse(self, W, random_state=None):
        """Draw rows from embedded ones: with the noise that `inverse_transform` averages away.

        Parameters
        ----------
        W : array-like of shape (n, n_components)
            Embedded rows.
        random_state : int, RandomState instance or None, default=None
            Source of randomness; None draws different rows at every call.

        Returns
        -------
        ndarray of shape (n, n_features)
            Rows. "kernel" and "diffusion" draw from the conditional law. The other decoders add
            the residual of a training row nearby, which is the same law where noise hardly changes
            between neighbours.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.decomposition import PCA
        >>> from skdiffusion.manifold import InvertibleEmbedding
        >>> X = np.random.RandomState(0).normal([0, 0, 0], [5, 4, 1], size=(500, 3))
        >>> plane = InvertibleEmbedding(PCA(2)).fit(X)
        >>> W = plane.transform(X)
        >>> bool(plane.inverse_transform(W)[:, 2].std() < 0.5)
        True
        >>> bool(0.9 < plane.sample_inverse(W, random_state=0)[:, 2].std() < 1.1)
        True
        """
        W = self._check_embedded(W)
        return self.decoder_.draw(W, check_random_state(random_state))

    @property
    def _n_features_out(self):
        return self.embedding_.shape[1]

    def _learner(self):
        return AutoencoderEmbedding(3) if self.estimator is None else self.estimator

    def _check_parameters(self):
        learner = self._learner()
        if isinstance(learner, type) or not hasattr(learner, "fit_transform"):
            raise TypeError(
                f"estimator must be a manifold learner with fit_transform, got {learner!r}."
            )
        for name, least in (("n_neighbors", 1), ("n_folds", 2)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < least:
                raise ValueError(f"{name} must be an int of at least {least}, got {value!r}.")
        _check_way("decoder", self.decoder, DECODERS)
        _check_way("forward", self.forward, FORWARD)
        for way, method in ((self.decoder, "inverse_transform"), (self.forward, "transform")):
            if isinstance(way, str) and way == "own" and not hasattr(learner, method):
                raise TypeError(f"{type(learner).__name__} has no {method} of its own.")

    def _fit_ways(self, learner, X, embedded, rng):
        embedded = check_array(embedded, dtype=np.float64, input_name="embedding", copy=True)
        if len(embedded) != len(X):
            raise ValueError(
                f"{len(embedded)} embedded rows and {len(X)} rows disagree: pass the rows that the "
                "learner was fitted to."
            )
        self.forward_ = self._fit_forward(learner, X, embedded, rng)
        self.decoder_ = self._new_decoder(learner).fit(embedded, X, rng)
        self.residuals_ = self.decoder_.residuals
        self.residual_std_ = np.sqrt((self.residuals_**2).mean(0))
        self.embedding_ = embedded
        self.estimator_ = learner

    def _fit_forward(self, learner, X, embedded, rng):
        if not isinstance(self.forward, str):
            return seeded(self.forward, rng).fit(X, embedded)
        if self.forward == "local" or not hasattr(learner, "transform"):
            return LocalLinearRegressor(n_neighbors=self.n_neighbors, interpolate=True).fit(
                X, embedded
            )
        return None

    def _new_decoder(self, learner):
        if not isinstance(self.decoder, str):
            if hasattr(self.decoder, "denoiser"):
                return DiffusionDecoder(self.n_neighbors, self.decoder)
            return RegressorDecoder(self.n_neighbors, self.decoder, self.n_folds)
        has_trained = self.decoder == "auto" and isinstance(learner, AutoencoderEmbedding)
        if self.decoder == "own" or has_trained:
            return OwnDecoder(self.n_neighbors, learner)
        if self.decoder == "kernel":
            return KernelDecoder(self.n_neighbors, self.n_folds)
        if self.decoder == "diffusion":
            return DiffusionDecoder(self.n_neighbors)
        return LocalDecoder(self.n_neighbors)

    def _check_embedded(self, W):
        check_is_fitted(self)
        W = check_array(W, dtype=np.float64, input_name="W")
        if W.shape[1] != self._n_features_out:
            raise ValueError(
                f"W has {W.shape[1]} columns, but the embedding has {self._n_features_out}."
            )
        return W


def _check_way(name, way, known):
    if isinstance(way, str):
        if way not in known:
            raise ValueError(f"{name} must be one of {known} or a regressor, got {way!r}.")
        return
    is_net = name == "decoder" and hasattr(way, "denoiser")
    if isinstance(way, type) or not hasattr(way, "fit") or not (is_net or is_regressor(way)):
        raise TypeError(f"{name} must be one of {known} or a regressor, got {way!r}.")


def _embed(learner, X):
    return np.asarray(learner.transform(X), dtype=np.float64)


def _stored_rows(learner):
    for name in STORED_ROWS:
        if hasattr(learner, name):
            return getattr(learner, name)
    # the neighbour search of Isomap and LocallyLinearEmbedding
    rows = getattr(getattr(learner, "nbrs_", None), "_fit_X", None)
    if rows is None:
        raise TypeError(
            f"{type(learner).__name__} does not keep the rows that it was fitted to: give them as "
            "X, or fit InvertibleEmbedding around it."
        )
    return rows
