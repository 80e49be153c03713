"""`RiemannianKernelSmoother`: a kernel density whose kernels follow the data."""

import math
import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from skdiffusion._joint_law import JointLaw, choose_known_noise
from skdiffusion._utils.fitting import all_or_nothing
from skdiffusion.diffusion.grid import log_shifted
from skdiffusion.diffusion.likelihood import decode, encode
from skdiffusion.diffusion.solvers import euler_maruyama, heun
from skdiffusion.geometry.diffusion_tensors import METRICS
from skdiffusion.geometry.row_kernels import KernelOptions, fit_kernels
from skdiffusion.tables.frames import FloatFormat
from skdiffusion.tables.standard import StandardColumns
from skdiffusion.tables.target import is_categorical

__all__ = ["RiemannianKernelSmoother"]

METHODS = {"ode": heun, "sde": euler_maruyama}
TARGETS = ("auto", "categorical", "continuous")
# the Ornstein-Uhlenbeck time after which nothing is left of the rows
T_MAX = 4.0
SIGMA_MAX = math.sqrt(math.expm1(2 * T_MAX))
# of the blur: below this noise nothing changes
SIGMA_MIN_SHARE = 1e-3
# in standard deviations: repeated values would make the likelihood grow without end
H_MIN = 1e-3
# with more columns, kernels keep their leading directions only
MAX_FULL_RANK, MAX_RANK = 32, 16


class RiemannianKernelSmoother(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Kernel density estimate whose kernels follow the data, as a diffusion model without training.

    Each row diffuses for a time `eps` under a Riemannian metric learned from its neighbours, and is
    blurred by `h`: the kernels are Gaussians of covariance ``eps C_i + h^2 I``, with ``C_i`` the
    local covariance at the row. The density is therefore a Gaussian mixture, whose noised laws,
    scores, posteriors and conditionals are known in closed form. Nothing is trained: the bandwidths
    maximise the likelihood of held-out rows.

    Parameters
    ----------
    metric : {"local", "euclidean", "covariance", "knn"} or callable, default="local"
        The tensors ``C_i``: covariances of the nearest neighbours; zero, which is the ordinary
        kernel density estimate; the covariance of all rows; spheres that reach the last
        neighbour. A callable maps standardised rows (n, d) to tensors (n, d, d).
    bandwidth : "cv", "scott", float or tuple of (eps, h), default="cv"
        Diffusion time and blur, in standard deviations of a column. "cv" maximises held-out
        likelihood. "scott" is Scott's rule for "euclidean" and "covariance"; otherwise time 1 and
        a quarter of its blur. A float is the blur, with time 1 (0 for "euclidean").
    n_neighbors : "auto" or int, default="auto"
        Number of neighbours of a row, for "local" and "knn". "auto" chooses with the bandwidth
        among 5, 8, 15 and 30, or 15, 40 and 100 above three columns.
    background : "cv", float or None, default="cv"
        Share of a mixture of a few Gaussians beneath the kernels, which speaks where rows are
        few. The number of its components minimises the Bayesian information criterion. "cv"
        chooses the share by held-out likelihood; None leaves it out.
    weights : {"uniform", "kernel"}, default="uniform"
        Weights of the neighbours in a local covariance: equal, or fading out with distance.
    rank : "auto" or int, default="auto"
        Number of directions that each kernel keeps; the others share their mean variance. "auto"
        keeps all up to 32 columns, and 16 above.
    neighbors : transformer or None, default=None
        Search of the neighbours, such as :class:`~sklearn.neighbors.KNeighborsTransformer` or an
        approximate one with its interface. None is the exact search.
    standardize : "auto" or bool, default="auto"
        Whether to divide each column by its standard deviation, or all by the root mean square of
        them, which suits columns that share a unit. "auto" does what makes held-out rows more
        likely, where the deviations differ by no more than ten times; else the former.
    target : {"auto", "categorical", "continuous"}, default="auto"
        What `y` is. "auto" takes text, booleans, and whole numbers of at most 20 values as
        classes.
    known_noise : "cv" or float, default="cv"
        Noise level that `impute` gives to the known cells when it fills in means, in standard
        deviations. 0 is the exact conditional mean; more averages over more kernels, as a larger
        bandwidth does in kernel regression. "cv" minimises the squared error of held-out cells, for
        each column by itself up to 12 columns. Draws are always exact.
    noise_level : float or None, default=None
        Standard deviation of the noise that `transform` removes, in standard deviations of a
        column; None is the blur `h`.
    n_steps : int, default=40
        Steps of the probability flow in `to_latent`, `from_latent` and ``sample(method="ode")``,
        and a quarter of those of ``sample(method="sde")``.
    n_folds : int, default=5
        Folds of the held-out likelihood.
    random_state : int, RandomState instance or None, default=None
        Source of the folds and of the background's initial assignments.

    Attributes
    ----------
    bandwidth_ : tuple of (eps, h)
        Diffusion time and blur, in standard deviations of a column.
    n_neighbors_ : int
        Number of neighbours.
    background_ : float
        Share of the background.
    denoiser_ : KernelDenoiser
        The law of standardised rows.
    known_noise_ : ndarray of shape (n_codes,)
        Noise level of the known cells for the mean of each column that varies, and of a
        continuous target.
    classes_ : ndarray of shape (n_classes,)
        The classes; only with a categorical target.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns, where they all have one.

    See Also
    --------
    sklearn.neighbors.KernelDensity : The same kernel at every row.
    DiffusionManifoldSampler : Trains a network; for mixed columns and many rows.

    Notes
    -----
    The kernel smoother is inspired by the Riemannian diffusion kernel smoothing of Shen and Oates;
    metric, background and choice of bandwidths are our own construction. Kernels are held fixed at
    the rows, so that each integrates to one.

    A row costs a product with a matrix of ``n (d + 1)(d + 2) / 2`` entries. From 8192 rows on,
    kernels far from a row are left out where a bound shows that this changes no log-density by
    more than 1e-6. Above 2000 rows the bandwidths are chosen on that many. Below ten, or with only
    classes of less than ten, nothing is held out: the bandwidths are then those of "scott".

    With classes each class has neighbours and a background of its own, and the bandwidths are
    common.

    Columns that are constant count for nothing. Columns of rounded numbers are spread over the
    cells that round to them before kernels are placed.

    References
    ----------
    Shen, Z., Oates, C. J. (2024). Operator-informed score matching for Markov diffusion models.
    arXiv:2406.09084.

    Vincent, P., Bengio, Y. (2002). Manifold Parzen windows. NeurIPS 15.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdiffusion import RiemannianKernelSmoother
    >>> X, y = load_iris(return_X_y=True)
    >>> smoother = RiemannianKernelSmoother(random_state=0).fit(X, y)
    >>> smoother.sample(3, y=2, random_state=0).shape
    (3, 4)
    >>> filled, label = smoother.impute([[5.0, 3.4, 1.5, np.nan]], return_y=True)
    >>> bool(0.1 < filled[0, 3] < 0.4), label
    (True, array([0]))
    """

    def __init__(
        self,
        *,
        metric="local",
        bandwidth="cv",
        n_neighbors="auto",
        background="cv",
        weights="uniform",
        rank="auto",
        neighbors=None,
        standardize="auto",
        target="auto",
        known_noise="cv",
        noise_level=None,
        n_steps=40,
        n_folds=5,
        random_state=None,
    ):
        self.metric = metric
        self.bandwidth = bandwidth
        self.n_neighbors = n_neighbors
        self.background = background
        self.weights = weights
        self.rank = rank
        self.neighbors = neighbors
        self.standardize = standardize
        self.target = target
        self.known_noise = known_noise
        self.noise_level = noise_level
        self.n_steps = n_steps
        self.n_folds = n_folds
        self.random_state = random_state

    def __sklearn_is_fitted__(self):
        return hasattr(self, "denoiser_")

    def fit(self, X, y=None):
        """Place a kernel on every row, and choose the bandwidths.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows of numbers.
        y : array-like of shape (n,) or None, default=None
            Target to condition on: classes or numbers.

        Returns
        -------
        self : RiemannianKernelSmoother
            The fitted estimator. A fit that fails or is interrupted leaves it unfitted.

        Raises
        ------
        ValueError
            If a parameter is out of range, cells are missing or infinite, there are fewer than
            two rows, or every column is constant.

        Warns
        -----
        UserWarning
            If columns are constant, there are fewer rows than neighbours asked for, or the blur
            reached its lower limit.
        """
        with all_or_nothing(self):
            self._check_parameters()
            container, X = X, validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
            self.format_ = FloatFormat(container)
            rng = check_random_state(self.random_state)
            target, label = self._fit_target(X, y, rng)
            kernels, Z = self._fit_kernels(X, target, label, rng)
            self.bandwidth_ = kernels.bandwidth.eps, kernels.bandwidth.h
            self.n_neighbors_ = kernels.n_neighbors
            self.background_ = kernels.bandwidth.share
            self._warn_of_the_limit(X, kernels)
            self.known_noise_ = self._fit_known_noise(Z, label, kernels, rng)
            self.joint_ = JointLaw(kernels, self.known_noise_)
            rows = torch.arange(Z.shape[1]) < self.columns_.n_codes
            joint = self.joint_.denoiser
            self.denoiser_ = joint if target is None else joint.marginal(rows)
        return self

    def sample(
        self,
        n_samples=1,
        *,
        y=None,
        given=None,
        method="exact",
        return_y=False,
        random_state=None,
    ):
        """Draw rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        y : scalar, array-like of shape (n_samples,) or None, default=None
            Target that the rows shall have: one for all, or one for each.
        given : array-like of shape (n_features,), dict or None, default=None
            Cells that all rows shall have: a row with NaN where nothing is given, or a dict from
            the name or position of a column to its value. The other cells are drawn from their
            exact conditional law.
        method : {"exact", "ode", "sde"}, default="exact"
            "exact" draws from the kernels. The others integrate the probability flow or the reverse
            diffusion from noise: the same law but for their steps, and slower.
        return_y : bool, default=False
            Whether to return the targets too.
        random_state : int, RandomState instance or None, default=None
            Source of randomness; None draws different rows at every call.

        Returns
        -------
        X : ndarray or data frame of shape (n_samples, n_features)
            Rows, in the container of `fit`.
        y : ndarray of shape (n_samples,)
            Their targets; only with ``return_y=True``.

        Raises
        ------
        ValueError
            If a class was never seen, there was no target in `fit`, a column is unknown, or cells
            or a continuous target are given with another method than "exact".
        """
        check_is_fitted(self)
        if method not in {"exact", *METHODS}:
            raise ValueError(f"method must be 'exact', 'ode' or 'sde', got {method!r}.")
        self._need_target(y is not None or return_y)
        rng = check_random_state(random_state)
        n_samples, y = self._repeated(n_samples, y)
        generator = torch.Generator().manual_seed(int(rng.randint(2**31 - 1)))
        row = self._given_cells(given)
        codes = self._with_target_column(self.columns_.encode(row[None]))
        Z = np.repeat(codes, n_samples, axis=0)
        label = self._set_target(Z, y)
        if label is None and self._n_classes:
            # the frequencies of fit, unless given cells speak for one class rather than another
            share = self.joint_.class_probabilities(codes)[0]
            label = torch.multinomial(share, n_samples, True, generator=generator).numpy()
        if method == "exact":
            Z = self.joint_.complete(Z, label, generator)
        elif np.isnan(Z).all():
            # the diffusion is of lower order than the flow
            sigmas, _ = self._grid(self.n_steps * (4 if method == "sde" else 1))
            Z = self.joint_.integrate(n_samples, label, METHODS[method], sigmas, generator)
        else:
            raise ValueError(
                f"method={method!r} draws whole rows: use 'exact' with given cells or targets."
            )
        # given cells come back as they are, and not by way of their codes
        X = self.format_.assemble(np.where(np.isnan(row), self._decode(Z), row))
        return (X, self._target(Z, label)) if return_y else X

    def impute(self, X, *, y=None, return_y=False, method="mean", random_state=None):
        """Fill missing cells from their conditional law given the others.

        A kernel regression of any columns on any others. With a target in `fit`, ``return_y=True``
        makes it one of the target on the rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows with NaN in missing cells.
        y : array-like of shape (n,) or None, default=None
            Their targets, where they are known.
        return_y : bool, default=False
            Whether to return the targets too: those given, or else the conditional mean, or the
            most probable class.
        method : {"mean", "sample"}, default="mean"
            Whether to fill in conditional means or draws.
        random_state : int, RandomState instance or None, default=None
            Source of the draws.

        Returns
        -------
        X : ndarray or data frame of shape (n, n_features)
            The rows, in the container of `fit`.
        y : ndarray of shape (n,)
            Their targets; only with ``return_y=True``.

        Raises
        ------
        ValueError
            If there was no target in `fit` and one is given or asked for.
        """
        check_is_fitted(self)
        if method not in {"mean", "sample"}:
            raise ValueError(f"method must be 'mean' or 'sample', got {method!r}.")
        self._need_target(y is not None or return_y)
        X = validate_data(
            self, X, dtype=np.float64, reset=False, ensure_all_finite="allow-nan", copy=True
        )
        generator = None
        if method == "sample":
            seed = int(check_random_state(random_state).randint(2**31 - 1))
            generator = torch.Generator().manual_seed(seed)
        Z = self._with_target_column(self.columns_.encode(X))
        label = law = self._set_target(Z, y)
        if label is None and self._n_classes and return_y:
            share = self.joint_.class_probabilities(Z)
            if generator is None:
                # a mean is over all classes that are possible, not within the most probable
                label = share.argmax(1).numpy()
            else:
                label = law = torch.multinomial(share, 1, generator=generator)[:, 0].numpy()
        Z = self.joint_.complete(Z, law, generator)
        # cells that were known come back as they were, and not by way of their codes
        filled = self.format_.assemble(np.where(np.isnan(X), self._decode(Z), X))
        return (filled, self._target(Z, label)) if return_y else filled

    def score_samples(self, X):
        """Return the log-density of each row.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        log_density : ndarray of shape (n,)
            Nats, in the units of the columns. With a target it is the marginal one.
        """
        Z = self._codes(X)
        log_prob = self.denoiser_.log_prob(Z, Z.new_zeros(())).numpy()
        return log_prob - self.columns_.log_volume

    def score(self, X, y=None):
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

    def score_field(self, X, t=0.0):
        """Return the gradient of the log-density, also of rows that have diffused for a time.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.
        t : float, default=0.0
            Time of the Ornstein-Uhlenbeck process ``dX = -X dt + sqrt(2) dW`` in standardised
            columns; at large times the gradient is that of a normal law.

        Returns
        -------
        scores : ndarray of shape (n, n_features)
            Gradients, in inverse units of the columns. Zero in constant ones.
        """
        if not (isinstance(t, Real) and t >= 0):
            raise ValueError(f"t must be a number that is not negative, got {t!r}.")
        Z = self._codes(X)
        # later, nothing changes in double precision but that numbers overflow
        t = min(t, 40.0)
        alpha, sigma = math.exp(-t), math.sqrt(math.expm1(2 * t))
        scores = self.denoiser_.score(Z / alpha, Z.new_tensor(sigma)) / alpha
        return self.columns_.gradients(scores.numpy())

    def transform(self, X):
        """Denoise rows: the expected clean row, given noise of `noise_level`.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        X : ndarray of shape (n, n_features)
            Rows nearer to the manifold, by Tweedie's formula.
        """
        Z = self._codes(X)
        level = self.bandwidth_[1] if self.noise_level is None else self.noise_level
        return self.columns_.decode(self.denoiser_(Z, Z.new_tensor(float(level))).mean.numpy())

    def to_latent(self, X):
        """Code rows as about independent standard normal numbers, by the probability flow.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        U : ndarray of shape (n, n_varying_features)
            Codes; constant columns have none.
        """
        Z = self._codes(X)
        grid, shift = self._grid(self.n_steps, final_zero=False)
        noisy = encode(self.denoiser_, Z, grid, shift=shift)
        mean, std = self._noised()
        return ((noisy - mean) / std).numpy()

    def from_latent(self, U):
        """Return the rows that codes stand for, the inverse of `to_latent`.

        Parameters
        ----------
        U : array-like of shape (n, n_varying_features)
            Codes.

        Returns
        -------
        X : ndarray or data frame of shape (n, n_features)
            Rows, in the container of `fit`.
        """
        check_is_fitted(self)
        U = torch.from_numpy(check_array(U, dtype=np.float64, input_name="U", copy=True))
        if U.shape[1] != self.columns_.n_codes:
            raise ValueError(f"U has {U.shape[1]} columns, but codes have {self.columns_.n_codes}.")
        mean, std = self._noised()
        grid, shift = self._grid(self.n_steps, final_zero=False)
        Z = decode(self.denoiser_, mean + U * std, grid, shift=shift)
        return self.format_.assemble(self.columns_.decode(Z.numpy()))

    @property
    def _n_classes(self):
        return len(getattr(self, "classes_", ()))

    def _check_parameters(self):
        if not (callable(self.metric) or self.metric in METRICS):
            raise ValueError(f"metric must be one of {METRICS} or a function, got {self.metric!r}.")
        if self.weights not in {"uniform", "kernel"}:
            raise ValueError(f"weights must be 'uniform' or 'kernel', got {self.weights!r}.")
        if self.target not in TARGETS:
            raise ValueError(f"target must be one of {TARGETS}, got {self.target!r}.")
        for name, least in (("n_neighbors", 1), ("rank", 1), ("n_steps", 1), ("n_folds", 2)):
            value = getattr(self, name)
            if value == "auto" and name in ("n_neighbors", "rank"):
                continue
            if not isinstance(value, Integral) or value < least:
                raise ValueError(f"{name} must be a whole number from {least} on, got {value!r}.")
        if self.standardize not in ("auto", True, False):
            raise ValueError(f"standardize must be 'auto' or a bool, got {self.standardize!r}.")
        known = self.known_noise
        if not (known == "cv" or (isinstance(known, Real) and 0 <= known < np.inf)):
            raise ValueError(f"known_noise must be 'cv' or not negative, got {known!r}.")
        share, noise = self.background, self.noise_level
        if not (share in ("cv", None) or (isinstance(share, Real) and 0 <= share < 1)):
            raise ValueError(f"background must be 'cv', None or a share below 1, got {share!r}.")
        if not (noise is None or (isinstance(noise, Real) and 0 <= noise < np.inf)):
            raise ValueError(f"noise_level must be None or not negative, got {noise!r}.")
        if isinstance(self.bandwidth, str):
            good = self.bandwidth in ("cv", "scott")
        else:
            pair = (0.0, self.bandwidth) if isinstance(self.bandwidth, Real) else self.bandwidth
            good = np.shape(pair) == (2,) and all(isinstance(part, Real) for part in pair)
            good = good and 0 <= pair[0] < np.inf and 0 < pair[1] < np.inf
        if not good:
            raise ValueError(
                "bandwidth must be 'cv', 'scott', a positive blur or a pair (eps, h) with eps >= 0 "
                f"and h > 0, got {self.bandwidth!r}."
            )

    def _options(self, Z):
        bandwidth, d = self.bandwidth, Z.shape[1]
        if isinstance(bandwidth, Real):
            bandwidth = (0.0 if self.metric == "euclidean" else 1.0, float(bandwidth))
        elif not isinstance(bandwidth, str):
            bandwidth = tuple(float(part) for part in bandwidth)
        full = d if d <= MAX_FULL_RANK else MAX_RANK
        rank = full if self.rank == "auto" else min(self.rank, d)
        return KernelOptions(
            self.metric,
            self.weights,
            rank,
            self.neighbors,
            None if bandwidth == "cv" else bandwidth,
            None if self.n_neighbors == "auto" else self.n_neighbors,
            {"cv": None, None: 0.0}.get(self.background, self.background),
            h_min=H_MIN,
            n_folds=self.n_folds,
        )

    def _fit_target(self, X, y, rng):
        """Return a continuous target as a standardised column, and the classes of another."""
        if y is None:
            return None, None
        check_consistent_length(X, y)
        y = column_or_1d(check_array(y, ensure_2d=False, dtype=None, input_name="y"), warn=True)
        if y.dtype == object and any(value is None or value != value for value in y):
            raise ValueError("Input y contains missing values: drop those rows, or fill them.")
        categorical = self.target == "categorical"
        # a number that never changes has no density, and says as little as a single class
        if categorical or (self.target == "auto" and is_categorical(y)) or np.all(y == y[0]):
            self.classes_, label = np.unique(y, return_inverse=True)
            return None, label
        y = y.astype(np.float64)[:, None]
        self.target_column_ = StandardColumns(y, ["y"])
        return self.target_column_.encode(self.target_column_.spread(y, rng)), None

    def _fit_kernels(self, X, target, label, rng):
        """Return the kernels and the codes they are fitted to, in the better scaling."""
        names = getattr(self, "feature_names_in_", range(X.shape[1]))
        columns = StandardColumns(X, names, common=self.standardize is False)
        candidates = [columns]
        if self.standardize == "auto" and self._selects and columns.may_share_a_unit:
            candidates.append(columns.with_common_scale())
        seeds, found = rng.randint(2**31 - 1, size=2), []
        for self.columns_ in candidates:
            Z = self.columns_.encode(self.columns_.spread(X, np.random.RandomState(seeds[0])))
            Z = Z if target is None else np.column_stack([Z, target])
            kernels = fit_kernels(Z, self._options(Z), np.random.RandomState(seeds[1]), label=label)
            log_likelihood = kernels.bandwidth.log_likelihood - self.columns_.log_volume
            found.append((log_likelihood, self.columns_, kernels, Z))
        # without a choice of bandwidths there is one candidate, of which nothing is known
        best = max(found, key=lambda fit: fit[0])
        self.columns_ = best[1]
        return best[2:]

    def _fit_known_noise(self, Z, label, kernels, rng):
        if self.known_noise != "cv":
            return np.full(Z.shape[1], float(self.known_noise))
        return choose_known_noise(Z, label, kernels, self._options(Z), rng)

    @property
    def _selects(self):
        return isinstance(self.bandwidth, str) and self.bandwidth == "cv"

    def _warn_of_the_limit(self, X, kernels):
        if not self._selects or self.bandwidth_[1] > 1.01 * H_MIN:
            return
        narrowest = kernels.floors
        if kernels.factors.shape[2] == kernels.factors.shape[1]:
            narrowest = narrowest + (kernels.factors**2).sum(1).min(1)
        # where the tensors have width in all directions the blur is of no account
        if np.quantile(narrowest, 0.01) > 10 * H_MIN**2:
            return
        varying = X[:, self.columns_.varies]
        ties = max(len(X) - len(np.unique(column)) for column in varying.T)
        warnings.warn(
            f"The most likely blur is the smallest allowed, {H_MIN} standard deviations: rows lie "
            f"on a manifold exactly, or repeat values (a column repeats {ties} of {len(X)}). "
            "Densities are then relative to that blur; give a bandwidth to set another.",
            UserWarning,
            stacklevel=3,
        )

    def _codes(self, X):
        """Validate rows and code them."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return torch.from_numpy(self.columns_.encode(X))

    def _decode(self, Z):
        return self.columns_.decode(Z[:, : self.columns_.n_codes])

    def _with_target_column(self, Z):
        """Append an unknown continuous target to codes, where there was one."""
        return np.pad(Z, [(0, 0), (0, len(self.known_noise_) - Z.shape[1])], constant_values=np.nan)

    def _given_cells(self, given):
        """Return one row, NaN where nothing is given."""
        row = np.full(self.n_features_in_, np.nan)
        if isinstance(given, dict):
            names = list(getattr(self, "feature_names_in_", []))
            for key, value in given.items():
                if key not in names and not (
                    isinstance(key, Integral) and 0 <= key < self.n_features_in_
                ):
                    raise ValueError(f"given names column {key!r}, which fit has not seen.")
                if np.ndim(value) or not np.isfinite(np.float64(value)):
                    raise ValueError(f"given must hold finite numbers, got {key!r}: {value!r}.")
                row[names.index(key) if key in names else key] = value
        elif given is not None:
            row = check_array(
                given, dtype=np.float64, ensure_2d=False, ensure_all_finite="allow-nan"
            ).copy()
            if row.shape != (self.n_features_in_,):
                raise ValueError(
                    f"given must be a row of {self.n_features_in_} cells, got shape {row.shape}."
                )
        return row

    def _need_target(self, needed):
        if needed and not self._n_classes and not hasattr(self, "target_column_"):
            raise ValueError("There is no target: this smoother was fitted without y.")

    def _repeated(self, n_samples, y):
        """Return the number of rows, and one target for each where they are given."""
        if y is not None and np.ndim(y) > 0:
            if n_samples not in (1, len(y)):
                raise ValueError(f"y has {len(y)} entries, but n_samples={n_samples}.")
            n_samples = len(y)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples must be at least 1, a whole number, got {n_samples!r}.")
        return n_samples, None if y is None else np.broadcast_to(np.asarray(y), n_samples)

    def _set_target(self, Z, y):
        """Write a continuous target into codes, or return the positions of its classes."""
        if y is None:
            return None
        y = column_or_1d(np.asarray(y))
        check_consistent_length(Z, y)
        if not self._n_classes:
            y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
            Z[:, -1:] = self.target_column_.encode(y[:, None])
            return None
        unseen = np.setdiff1d(y, self.classes_)
        if len(unseen):
            raise ValueError(
                f"y holds classes that fit has not seen: {', '.join(map(str, unseen))}. "
                f"Known are {', '.join(map(str, self.classes_))}."
            )
        return np.searchsorted(self.classes_, y)

    def _target(self, Z, label):
        if self._n_classes:
            return self.classes_[label]
        return self.target_column_.decode(Z[:, -1:])[:, 0]

    def _grid(self, n_steps, **options):
        h = self.bandwidth_[1]
        sigma_min = SIGMA_MIN_SHARE * h
        return log_shifted(sigma_min, SIGMA_MAX, n_steps, shift=h, **options), h

    def _noised(self):
        """Return mean and standard deviation of the noised law at the end of the flow."""
        law = self.denoiser_
        mean = law.weights @ law.means
        var = (law.factors**2).sum(2) + law.floors[:, None] + (law.means - mean) ** 2
        return mean, (law.weights @ var + SIGMA_MAX**2).sqrt()
