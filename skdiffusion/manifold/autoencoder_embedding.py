"""`AutoencoderEmbedding`: an embedding that is learned together with its inverse."""

import numpy as np
import torch
from sklearn.utils import check_random_state

from skdiffusion._utils.checks import Seed, check_count
from skdiffusion._utils.gross import regular_rows
from skdiffusion._utils.torch_seed import seeded_torch
from skdiffusion.manifold.embedding import Embedding
from skdiffusion.manifold.units import column_units
from skdiffusion.nets.autoencoder import Autoencoder, train_autoencoder

STEPS_PER_EPOCH = 50
# on rows before they are encoded, as a share of their root mean square deviation: the encoder heeds
# less what lies off the manifold
INPUT_NOISE = 0.05
# of the largest variance of a component, below which it is taken not to vary
NO_VARIANCE = 1e-12


class AutoencoderEmbedding(Embedding):
    """Embed rows by a small autoencoder, which has a way back by construction.

    Encoder and decoder are each a linear map plus a perceptron. They start at the principal
    components, which training bends. Columns of different units are each seen in their own standard
    deviation, and rows with a cell far off all others of its column are embedded, not learned.

    Parameters
    ----------
    n_components : int, default=2
        Number of components; a closed or rolled-up manifold needs one more than its dimension.
    max_epochs : int, default=30
        Epochs, of 50 steps each; about two seconds for 50 columns.
    random_state : int, RandomState instance or None, default=None
        Source of initial weights, batches and noise. The global generators stay untouched.

    Attributes
    ----------
    embedding_ : ndarray of shape (n, n_components)
        The embedded training rows, uncorrelated and of unit variance.
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

    def __init__(self, n_components: int = 2, *, max_epochs: int = 30, random_state: Seed = None):
        self.n_components = n_components
        self.max_epochs = max_epochs
        self.random_state = random_state

    def _check_parameters(self):
        check_count(self.n_components, "n_components")
        check_count(self.max_epochs, "max_epochs")

    def _fit_rows(self, X, y):
        regular = X[regular_rows(X)]
        self._mean = regular.mean(0)
        self._scale = column_units(regular)
        self._train(torch.from_numpy((regular - self._mean) / self._scale).float())
        self._whiten(self._latents(regular))
        self.embedding_ = self._embed(X)

    def _train(self, rows):
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        with seeded_torch(seed):
            self._net = Autoencoder(rows, self.n_components)
            n_steps = STEPS_PER_EPOCH * self.max_epochs
            train_autoencoder(self._net, rows, n_steps, INPUT_NOISE)
        self._net.double().requires_grad_(False)

    def _latents(self, X):
        return self._net.encode(torch.from_numpy((X - self._mean) / self._scale)).numpy()

    def _embed(self, X):
        return (self._latents(X) - self._latent_mean) @ self._whitening

    def _decode(self, X):
        Z = torch.from_numpy(X @ self._unwhitening + self._latent_mean)
        return self._net.decode(Z).numpy() * self._scale + self._mean

    def _whiten(self, Z):
        """Choose the rotation and the scales that make latents uncorrelated, of unit variance."""
        self._latent_mean = Z.mean(0)
        variances, directions = np.linalg.eigh(np.cov(Z.T, bias=True).reshape(2 * Z.shape[1:]))
        deviation = np.sqrt(np.maximum(variances, NO_VARIANCE * max(variances[-1], NO_VARIANCE)))
        self._whitening = directions[:, ::-1] / deviation[::-1]
        # contiguous, as copies by pickle are, whose products would differ in the last bit
        self._unwhitening = np.ascontiguousarray((directions * deviation).T[::-1])
