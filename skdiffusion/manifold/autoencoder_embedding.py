"""`AutoencoderEmbedding`: an embedding that is learned together with its inverse."""

import numpy as np
import torch
from sklearn.utils.validation import validate_data

from skdiffusion._utils.checks import check_count, check_positive
from skdiffusion._utils.fitting import all_or_nothing
from skdiffusion.manifold.embedding import Embedding
from skdiffusion.training.autoencoder_net import AutoencoderNet

__all__ = ["AutoencoderEmbedding"]

# of the largest variance of a component, below which it is taken not to vary
NO_VARIANCE = 1e-12


class AutoencoderEmbedding(Embedding):
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
        makes the encoder heed less what lies off the manifold.
    patience : int or None, default=10
        Epochs without a better loss of held-out rows, a tenth of all, after which training stops.
        The best weights are kept. None trains on.
    random_state : int, RandomState instance or None, default=None
        Source of initial weights, batches and noise. The global generators stay untouched.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    embedding_ : ndarray of shape (n, n_components)
        The embedded training rows, uncorrelated and of unit variance.
    history_ : list of dict
        Losses of each epoch.
    module_ : Autoencoder
        The trained network, on centred rows in units of their root mean square deviation. There is
        one unit for all columns: the reconstruction is judged by distance.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns, where they all have one.

    See Also
    --------
    InvertibleEmbedding : Gives any learner an inverse; around this one it adds draws with the
        noise that a reconstruction leaves out.

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
            self._mean = X.mean(0)
            self._scale = float(np.sqrt(X.var(0).mean())) or 1.0
            net = self._net().fit((X - self._mean) / self._scale)
            self.module_, self.history_ = net.autoencoder(), list(net.history)
            Z = self._encode(X)
            self._refuse_divergence(Z)
            self._whiten(Z)
            self.embedding_ = self._embed(X)
        return self

    def _check_parameters(self):
        for name in ("n_components", "width", "max_epochs", "batch_size"):
            check_count(getattr(self, name), name)
        if self.depth != 0:
            check_count(self.depth, "depth")
        if self.input_noise != 0:
            check_positive(self.input_noise, "input_noise")
        check_positive(self.lr, "lr")
        if self.patience is not None:
            check_count(self.patience, "patience")

    def _net(self):
        options = self.get_params()
        for name in ("n_components", "width", "depth"):
            options[f"module__{name}"] = options.pop(name)
        return AutoencoderNet(**options)

    def _encode(self, X):
        return self.module_.encode(torch.from_numpy((X - self._mean) / self._scale)).numpy()

    def _refuse_divergence(self, Z):
        if not self.module_.decode(torch.from_numpy(Z)).isfinite().all():
            raise ValueError(
                "Training diverged: reconstructed rows are not finite. Lower lr, which is "
                f"{self.lr!r}, or input_noise, which is {self.input_noise!r}."
            )

    def _embed(self, X):
        return (self._encode(X) - self._latent_mean) @ self._whitening

    def _decode(self, X):
        Z = torch.from_numpy(X @ self._unwhitening + self._latent_mean)
        return self.module_.decode(Z).numpy() * self._scale + self._mean

    def _whiten(self, Z):
        """Choose the rotation and the scales that make latent rows white."""
        self._latent_mean = Z.mean(0)
        centred = Z - self._latent_mean
        variances, directions = np.linalg.eigh(centred.T @ centred / len(Z))
        variances, directions = variances[::-1], directions.T[::-1]
        varies = variances > NO_VARIANCE * max(variances[0], NO_VARIANCE)
        deviation = np.sqrt(np.where(varies, variances, 1.0))
        # the sign of a direction is arbitrary: its largest entry is made positive
        largest = np.abs(directions).argmax(1)
        directions = directions * np.sign(directions[range(len(directions)), largest])[:, None]
        self._whitening = directions.T / deviation
        self._unwhitening = directions * deviation[:, None]
