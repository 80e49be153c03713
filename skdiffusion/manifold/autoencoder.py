"""`AutoencoderEmbedding`: an embedding that is learned together with its inverse."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from skdiffusion._utils.fitting import all_or_nothing
from skdiffusion.training.autoencoder import AutoencoderNet

__all__ = ["AutoencoderEmbedding"]

LIMITS = {
    "n_components": (Integral, 1),
    "width": (Integral, 1),
    "depth": (Integral, 0),
    "max_epochs": (Integral, 1),
    "batch_size": (Integral, 1),
    "input_noise": (Real, 0),
}
# of the largest variance of a component, below which it is taken not to vary
NO_VARIANCE = 1e-12


class AutoencoderEmbedding(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Embed rows by a small autoencoder, which has a way back by construction.

    Encoder and decoder are each a linear map plus a perceptron. They start at the principal
    components, and training bends them: a flat manifold keeps its principal components, a curved
    one is followed as far as `n_components` allow. The components are rotated to be uncorrelated
    and scaled to unit variance.

    Parameters
    ----------
    n_components : int, default=2
        Number of components. A closed or rolled-up manifold needs one more than its dimension: its
        components are then continuous, and never cut or fold it.
    width : int, default=128
        Width of the hidden layers. Half of it trains twice as fast and is a third less exact.
    depth : int, default=2
        Hidden layers of each perceptron; 0 leaves linear maps.
    max_epochs : int, default=30
        Epochs, of 50 steps each; about two seconds for 50 columns.
    lr : float, default=0.01
        Peak of the one-cycle learning rate.
    batch_size : int, default=128
        Rows per step.
    input_noise : float, default=0.05
        Noise on rows before they are encoded, as a share of their root mean square deviation. It
        makes the encoder pay less heed to what lies off the manifold.
    patience : int or None, default=10
        Epochs without a better loss of held-out rows, a tenth of all, after which training stops.
        The best weights are kept. None trains on.
    random_state : int, RandomState instance or None, default=None
        Source of initial weights, batches and noise. The global generators stay untouched.
    device : str, default="cpu"
        Where to train. "auto" is "cuda" where there is one; for tables of a few thousand rows the
        CPU is as fast. Rows are always embedded on the CPU, in double precision.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    embedding_ : ndarray of shape (n, n_components)
        The embedded training rows, uncorrelated and of unit variance.
    history_ : list of dict
        Losses of each epoch.
    mean_ : ndarray of shape (n_features,)
        Mean of the rows.
    scale_ : float
        Root mean square of the standard deviations of the columns. There is one scale for all:
        the reconstruction is judged by distance, and columns of mere noise stay small.
    module_ : Autoencoder
        The trained network, on rows less their mean over the scale.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns, where they all have one.

    See Also
    --------
    InvertibleEmbedding : Gives any learner an inverse; around this one with ``decoder="own"`` it
        adds draws with the noise that a reconstruction leaves out.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.manifold import AutoencoderEmbedding
    >>> t = np.linspace(-1, 1, 300)
    >>> X = np.column_stack([t, t**2, t**3])
    >>> embedding = AutoencoderEmbedding(1, max_epochs=10, random_state=0).fit(X)
    >>> back = embedding.inverse_transform(embedding.transform(X))
    >>> bool(np.sqrt(((back - X) ** 2).mean()) < 0.1)
    True
    """

    def __init__(
        self,
        n_components=2,
        *,
        width=128,
        depth=2,
        max_epochs=30,
        lr=1e-2,
        batch_size=128,
        input_noise=0.05,
        patience=10,
        random_state=None,
        device="cpu",
        verbose=0,
    ):
        self.n_components = n_components
        self.width = width
        self.depth = depth
        self.max_epochs = max_epochs
        self.lr = lr
        self.batch_size = batch_size
        self.input_noise = input_noise
        self.patience = patience
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def fit(self, X, y=None):
        """Train the autoencoder.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows of numbers.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : AutoencoderEmbedding
            The fitted transformer. A fit that fails or is interrupted leaves it unfitted.

        Raises
        ------
        ValueError
            If a parameter is out of range, cells are missing or infinite, there are fewer than two
            rows, or training diverges.
        """
        with all_or_nothing(self):
            self._check_parameters()
            X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
            self.mean_ = X.mean(0)
            self.scale_ = float(np.sqrt(X.var(0).mean())) or 1.0
            net = self._net().fit((X - self.mean_) / self.scale_)
            self.module_, self.history_ = net.autoencoder(), list(net.history)
            Z = self._encode(X)
            self._refuse_divergence(Z)
            self._whiten(Z)
            self.embedding_ = self._embed(X)
        return self

    def fit_transform(self, X, y=None):
        """Train the autoencoder, and embed the rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows of numbers.
        y : object, default=None
            Ignored.

        Returns
        -------
        ndarray of shape (n, n_components)
            Embedded rows.
        """
        return self.fit(X).embedding_.copy()

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
        return self._embed(validate_data(self, X, dtype=np.float64, reset=False))

    def inverse_transform(self, W):
        """Return the rows of embedded ones.

        Parameters
        ----------
        W : array-like of shape (n, n_components)
            Embedded rows.

        Returns
        -------
        ndarray of shape (n, n_features)
            Rows.
        """
        check_is_fitted(self)
        W = check_array(W, dtype=np.float64, input_name="W")
        if W.shape[1] != self._n_features_out:
            raise ValueError(
                f"W has {W.shape[1]} columns, but the embedding has {self._n_features_out}."
            )
        Z = W @ self.unwhitening_ + self.latent_mean_
        return self.module_.decode(torch.from_numpy(Z)).numpy() * self.scale_ + self.mean_

    @property
    def _n_features_out(self):
        # the parameter may have been set anew since
        return self.embedding_.shape[1]

    def _check_parameters(self):
        for name, (kind, least) in LIMITS.items():
            value = getattr(self, name)
            if not (_is_finite(value, kind) and value >= least):
                what = "an int" if kind is Integral else "a finite number"
                raise ValueError(f"{name} must be {what} of at least {least}, got {value!r}.")
        if not (_is_finite(self.lr, Real) and self.lr > 0):
            raise ValueError(f"lr must be a finite number above 0, got {self.lr!r}.")
        if self.patience is not None and not (
            _is_finite(self.patience, Integral) and self.patience >= 1
        ):
            raise ValueError(
                f"patience must be None or an int of at least 1, got {self.patience!r}."
            )

    def _refuse_divergence(self, Z):
        weights = self.module_.parameters()
        if not (np.isfinite(Z).all() and all(w.isfinite().all() for w in weights)):
            raise ValueError(
                "Training diverged: embedded rows or weights are not finite. Lower lr, which is "
                f"{self.lr!r}, or input_noise, which is {self.input_noise!r}."
            )

    def _net(self):
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return AutoencoderNet(
            module__n_components=self.n_components,
            module__width=self.width,
            module__depth=self.depth,
            max_epochs=self.max_epochs,
            lr=self.lr,
            batch_size=self.batch_size,
            input_noise=self.input_noise,
            patience=self.patience,
            random_state=self.random_state,
            device=device,
            verbose=self.verbose,
        )

    def _encode(self, X):
        return self.module_.encode(torch.from_numpy((X - self.mean_) / self.scale_)).numpy()

    def _embed(self, X):
        return (self._encode(X) - self.latent_mean_) @ self.whitening_

    def _whiten(self, Z):
        """Choose the rotation and the scales that make latent rows white."""
        self.latent_mean_ = Z.mean(0)
        _, singular, directions = np.linalg.svd(
            Z - self.latent_mean_, full_matrices=len(Z) < Z.shape[1]
        )
        deviation = np.zeros(self.n_components)
        deviation[: len(singular)] = singular / np.sqrt(len(Z))
        varies = deviation**2 > NO_VARIANCE * max(deviation.max() ** 2, NO_VARIANCE)
        deviation = np.where(varies, deviation, 1.0)
        # the sign of a direction is arbitrary: its largest entry is made positive
        largest = np.abs(directions).argmax(1)
        directions = directions * np.sign(directions[range(len(directions)), largest])[:, None]
        self.whitening_ = directions.T / deviation
        self.unwhitening_ = directions * deviation[:, None]


def _is_finite(value, kind):
    return isinstance(value, kind) and not isinstance(value, bool) and -np.inf < value < np.inf
