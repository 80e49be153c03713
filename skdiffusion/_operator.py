"""`OperatorScoreMatching`: the density and the score of a table, from linear equations alone."""

import math
import warnings
from numbers import Integral, Real

import numpy as np
import torch
from scipy.stats import multivariate_normal
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skdiffusion._utils.fitting import all_or_nothing
from skdiffusion.diffusion import SOLVERS, log_density, run
from skdiffusion.diffusion.eigenfunctions import BASES, FAMILIES, index_set
from skdiffusion.diffusion.grid import log_shifted
from skdiffusion.diffusion.operator_denoiser import MARGIN, OperatorDenoiser
from skdiffusion.tables.frames import FloatFormat

__all__ = ["OperatorScoreMatching"]

MAX_JOINT_COLUMNS = 5
MAX_DEGREE = {"ou": 6, "reflected_bm": 24}
MAX_AUTO_FUNCTIONS = 500
ROWS_PER_FUNCTION = {"ou": 20, "reflected_bm": 1}  # polynomials fit noise, cosines are smoothed
END_TIME = 4.0
MIN_SIGMA = 1e-3
N_SMOOTHINGS = 32
MAX_SMOOTHING = 1.0  # standard deviation of the noise, a third of the box
N_FOLDS = 5
CHUNK_ROWS = 4096


class OperatorScoreMatching(BaseEstimator):
    """Density, score and new rows of a small numeric table, with no network to train.

    The score of the data under increasing noise is sought among the gradients of eigenfunctions of
    the noise process. Their expectations at every time follow from their means over the data, so
    that score matching is a system of linear equations for each noise level. For one to about five
    continuous columns; the basis grows quickly with their number.

    Parameters
    ----------
    process : {"reflected_bm", "ou"}, default="reflected_bm"
        How rows are noised: Brownian motion in a box with reflecting walls and cosines, which are
        bounded, or the Ornstein-Uhlenbeck process and Hermite polynomials, which grow outside the
        data and serve the smooth coarse shape only.
    basis : {"auto", "product", "total_degree"}, default="auto"
        "total_degree" has functions of several columns, of a largest degree in all; "product" takes
        the columns as independent. "auto" is "total_degree" up to five
        columns, and "product" beyond, where the joint basis would be too coarse.
    degree : int or "auto", default="auto"
        Largest frequency or degree. "auto" is the largest with at most 500 functions and no more
        than rows, and at most 24 cosines a column (24 in two columns, 9 in three), which takes
        seconds; or at most degree 6 for polynomials and one function for every 20 rows, because
        more of them fit noise.
    ridge : float, default=1e-3
        Weight of the penalty on the energy of the fitted function.
    smoothing : float or "auto", default="auto"
        Time of the process that is left in: scores and samples are those of the data diffused for
        this long, as with the bandwidth of a kernel density. "auto" takes the best held-out
        log-density of five folds for "reflected_bm", and zero for "ou".
    n_steps : int, default=40
        Number of steps of the solver in `sample`.
    n_likelihood_steps : int, default=24
        Number of steps of the probability flow in `score_samples`, of four evaluations each; on
        sets in the plane three times as many changed the mean log-density by 2e-4 at most.
    solver : str or callable, default="heun"
        How to integrate from noise to rows, a name among
        :data:`skdiffusion.diffusion.SOLVERS` or a function like them.
    random_state : int, RandomState instance or None, default=None
        Source of the folds of ``smoothing="auto"``.

    Attributes
    ----------
    denoiser_ : OperatorDenoiser
        The model, in the coordinates of the process.
    degree_ : int
        Degree of the basis.
    basis_ : str
        Kind of the basis.
    smoothing_ : float
        Time of the process that is left in.
    offset_, scale_ : ndarray of shape (n_features,)
        A row is ``offset_ + scale_ * u`` with `u` in the coordinates of the process.
    varies_ : ndarray of bool, of shape (n_features,)
        Which columns are not constant; the others are left out, with a warning.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns, where they all have one.

    See Also
    --------
    DiffusionManifoldSampler : A trained network, for more columns, categories and conditions.

    Notes
    -----
    **Coordinates.** Columns are scaled by themselves: for "reflected_bm" the box becomes
    ``[0, pi]`` in every column, and after time `t` the noise has variance ``2 t`` there; for "ou"
    columns have mean 0 and variance 1, and after time `t` rows have shrunk by ``exp(-t)`` and the
    noise has variance ``1 - exp(-2 t)``.

    **Smoothing.** Near time zero the fit follows the noise of the rows, and the more so the richer
    the basis. :meth:`OperatorDenoiser.mean_log_density` gives the log-density of held-out rows at
    all stopping times at once, without a solver, and the best one is taken. With it a large basis
    does no harm.

    **Outside the box** the reflected process has no density. With "reflected_bm" the model is
    therefore mixed with the Gaussian of the data's mean and covariance, which has the weight of one
    row among those of `fit`: ``1 / (n + 1)``. `score_samples` and `sample` contain it,
    `score_field` and `loss` do not.

    **Polynomials.** For "ou" with a degree above 2 the score is clipped outside the noised data, so
    that sampling stays finite; it is not accurate there, and samples stray between modes. Prefer
    cosines for drawing rows. Degree 2 with ``basis="total_degree"`` is the Gaussian of the data.

    References
    ----------
    Shen, Z., Wang, H., Riabiz, M., Oates, C. J. (2025). Operator-informed score matching for Markov
    diffusion models. arXiv:2406.09084. The ridge, the smoothing and the degree are chosen by rules
    of this package.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import OperatorScoreMatching
    >>> rng = np.random.RandomState(0)
    >>> X = rng.choice([-2.0, 2.0], size=(300, 1)) + 0.5 * rng.normal(size=(300, 1))
    >>> model = OperatorScoreMatching(random_state=0).fit(X)
    >>> bool(model.score_samples([[2.0]]) > model.score_samples([[0.0]]) + 2)
    True
    >>> model.sample(3, random_state=0).shape
    (3, 1)
    """

    def __init__(
        self,
        *,
        process="reflected_bm",
        basis="auto",
        degree="auto",
        ridge=1e-3,
        smoothing="auto",
        n_steps=40,
        n_likelihood_steps=24,
        solver="heun",
        random_state=None,
    ):
        self.process = process
        self.basis = basis
        self.degree = degree
        self.ridge = ridge
        self.smoothing = smoothing
        self.n_steps = n_steps
        self.n_likelihood_steps = n_likelihood_steps
        self.solver = solver
        self.random_state = random_state

    def fit(self, X, y=None):
        """Solve for the score of the rows at all noise levels.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows of numbers.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : OperatorScoreMatching
            The fitted estimator. A fit that fails or is interrupted leaves it unfitted.

        Raises
        ------
        ValueError
            If a parameter is out of range, cells are missing or no numbers, there are fewer than
            two rows, every column is constant, or the basis is too large.
        """
        with all_or_nothing(self):
            self._check_parameters()
            container = X
            X = validate_data(self, X, dtype=np.float64, reset=True)
            self._format = FloatFormat(container)
            if len(X) < 2:
                raise ValueError("Nothing can be learned from n_samples=1: give at least 2 rows.")
            self._fit_coordinates(X)
            self._fit_basis(len(X), int(self.varies_.sum()))
            codes = self._codes(X)
            self.denoiser_ = self._denoiser(codes)
            self.smoothing_ = self._fit_smoothing(codes)
            self._outlier_share = 1 / (len(X) + 1) if self.process == "reflected_bm" else 0.0
            self._mean = codes.mean(0).numpy()
            self._covariance = np.atleast_2d(np.cov(codes.numpy(), rowvar=False))
        return self

    def sample(self, n_samples=1, *, random_state=None):
        """Draw rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Source of randomness; None draws different rows at every call.

        Returns
        -------
        X : ndarray or data frame of shape (n_samples, n_features)
            The rows, in the container of `fit`; columns of integers become floating-point ones.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples must be at least 1, a whole number, got {n_samples!r}.")
        rng = check_random_state(random_state)
        generator = torch.Generator().manual_seed(int(rng.randint(2**31 - 1)))
        solver = self.solver if callable(self.solver) else SOLVERS[self.solver]
        sigmas, _ = self._grid(self.n_steps)
        chunks = []
        for start in range(0, n_samples, CHUNK_ROWS):
            n = min(CHUNK_ROWS, n_samples - start)
            noisy = self.denoiser_.prior.sample(n, generator, float(sigmas[0]))
            with torch.no_grad():
                states = solver(self.denoiser_, noisy, sigmas, generator=generator)
                chunks.append(run(states))
        codes = torch.cat(chunks)
        if self.process == "reflected_bm":
            codes = self.denoiser_.prior.fold(codes)
        codes = codes.numpy()
        strays = rng.uniform(size=n_samples) < self._outlier_share
        if strays.any():
            codes[strays] = rng.multivariate_normal(self._mean, self._covariance, strays.sum())
        X = np.tile(self.offset_, (n_samples, 1))
        X[:, self.varies_] += codes * self.scale_[self.varies_]
        return self._format.assemble(X)

    def score_samples(self, X):
        """Return the log-density of each row.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        log_density : ndarray of shape (n,)
            Nats, in the units of the table. A constant column counts for nothing.
        """
        codes = self._rows(X)
        sigmas, shift = self._grid(self.n_likelihood_steps)
        prior = self.denoiser_.prior
        parts = [
            log_density(self.denoiser_, rows, sigmas, prior, shift=shift)
            for rows in codes.split(CHUNK_ROWS)
        ]
        log_prob = torch.cat(parts).numpy()
        if self._outlier_share > 0:
            inside = ((codes >= prior.low) & (codes <= prior.high)).all(1).numpy()
            stray = multivariate_normal(self._mean, self._covariance, allow_singular=True)
            log_prob = np.logaddexp(
                np.where(inside, math.log1p(-self._outlier_share) + log_prob, -np.inf),
                math.log(self._outlier_share) + stray.logpdf(codes.numpy()),
            )
        return log_prob - np.log(self.scale_[self.varies_]).sum()

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

    def score_field(self, X, t):
        """Return the gradient of the log-density of the data that has diffused for some time.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows: where the gradient is wanted.
        t : float
            Time of the process, in the unit of its generator; see the notes of the class. The fit
            is a projection, finite even at 0; `smoothing_` is where samples stop.

        Returns
        -------
        score : ndarray of shape (n, n_features)
            Gradients with respect to X, in nats by the units of the table; zero in constant
            columns.
        """
        codes, sigma = self._rows(X), self._sigma(t)
        grow = math.exp(t) if self.process == "ou" else 1.0
        centre = self.denoiser_.centre if self.process == "ou" else 0.0
        level = codes.new_tensor(sigma)
        with torch.no_grad():
            parts = [
                grow * self.denoiser_.score(centre + grow * (rows - centre), level)
                for rows in codes.split(CHUNK_ROWS)
            ]
        field = np.zeros((len(codes), self.n_features_in_))
        field[:, self.varies_] = torch.cat(parts).numpy() / self.scale_[self.varies_]
        return field

    def loss(self, X, t=None):
        """Return the score-matching loss of rows; lower is better.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows, others than those of `fit` for a fair loss.
        t : float or None, default=None
            Time of the process. None integrates over the times from `smoothing_` to 4.

        Returns
        -------
        loss : float
            Mean squared error of the score of the rows diffused for time `t`, up to a constant of
            the rows, in the coordinates of the process. Its integral bounds, up to a constant, the
            Kullback-Leibler divergence of samples of the reverse stochastic equation, in nats.
        """
        codes = self._rows(X)
        if t is not None:
            return float(self.denoiser_.objective(codes, codes.new_tensor(self._sigma(t))))
        times = np.geomspace(max(self.smoothing_, MIN_SIGMA**2 / 2), END_TIME, 24)
        losses = [self.denoiser_.objective(codes, codes.new_tensor(self._sigma(s))) for s in times]
        return float(np.trapezoid(np.array(losses), times))

    def _check_parameters(self):
        for name, known in (("process", FAMILIES), ("basis", ("auto", *BASES))):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"{name} must be one of {sorted(known)}, got {value!r}.")
        if not (callable(self.solver) or self.solver in SOLVERS):
            raise ValueError(
                f"solver must be a function or one of {sorted(SOLVERS)}, got {self.solver!r}."
            )
        for name in ("n_steps", "n_likelihood_steps", "degree"):
            value = getattr(self, name)
            automatic = name == "degree" and value == "auto"
            if not automatic and (not isinstance(value, Integral) or value < 1):
                raise ValueError(f"{name} must be a positive whole number, got {value!r}.")
        for name in ("ridge", "smoothing"):
            value = getattr(self, name)
            automatic = name == "smoothing" and isinstance(value, str) and value == "auto"
            if not automatic and not (isinstance(value, Real) and 0 <= value < np.inf):
                raise ValueError(f"{name} must be finite and not negative, got {value!r}.")
        if self.smoothing != "auto" and self.smoothing >= END_TIME:
            raise ValueError(f"smoothing must be less than {END_TIME}, got {self.smoothing!r}.")

    def _fit_coordinates(self, X):
        low, high = X.min(0), X.max(0)
        # differences in the last digits are no variation
        self.varies_ = high - low > 1e-12 * np.maximum(np.abs(low), np.abs(high))
        if not self.varies_.any():
            raise ValueError("Every column of X is constant: there is nothing to learn.")
        if not self.varies_.all():
            warnings.warn(
                f"Columns {np.flatnonzero(~self.varies_).tolist()} are constant and left out.",
                stacklevel=3,
            )
        if self.process == "ou":
            self.offset_, self.scale_ = X.mean(0), X.std(0)
        else:
            self.offset_ = low - MARGIN * (high - low)
            self.scale_ = (1 + 2 * MARGIN) * (high - low) / math.pi
        self.offset_[~self.varies_] = low[~self.varies_]

    def _fit_basis(self, n, d):
        joint = "total_degree" if d <= MAX_JOINT_COLUMNS else "product"
        self.basis_ = joint if self.basis == "auto" else self.basis
        if self.degree != "auto":
            self.degree_ = int(self.degree)
            return
        power = FAMILIES[self.process].power
        limit = min(MAX_AUTO_FUNCTIONS, n // ROWS_PER_FUNCTION[self.process])
        self.degree_ = 1 if self.process == "reflected_bm" else 2
        for degree in range(self.degree_ + 1, MAX_DEGREE[self.process] + 1):
            # the columns of a product basis are fitted each by itself
            columns = 1 if self.basis_ == "product" else d
            try:
                n_functions = len(index_set(degree, columns, power=power))
            except ValueError:
                break
            if n_functions > limit:
                break
            self.degree_ = degree

    def _denoiser(self, codes):
        return OperatorDenoiser.fit(
            codes,
            process=self.process,
            basis=self.basis_,
            degree=self.degree_,
            ridge=self.ridge,
        )

    def _fit_smoothing(self, codes):
        if self.smoothing != "auto":
            return float(self.smoothing)
        n_folds = min(N_FOLDS, len(codes))
        if self.process == "ou":
            return 0.0
        order = check_random_state(self.random_state).permutation(len(codes))
        sigmas = torch.from_numpy(np.geomspace(0.01, math.sqrt(2 * END_TIME), N_SMOOTHINGS))
        total = torch.zeros_like(sigmas)
        for fold in np.array_split(order, n_folds):
            kept = np.ones(len(codes), dtype=bool)
            kept[fold] = False
            if not bool((codes[kept].amax(0) > codes[kept].amin(0)).all()):
                continue
            held_out = self._denoiser(codes[kept]).mean_log_density(codes[fold], sigmas)
            total += len(fold) * held_out
        sigmas = sigmas[sigmas <= MAX_SMOOTHING]
        return float(sigmas[total[: len(sigmas)].argmax()] ** 2 / 2)

    def _sigma(self, t):
        """Noise level that corresponds to a time, in variance-exploding currency."""
        if not (isinstance(t, Real) and 0 <= t < np.inf):
            raise ValueError(f"t must be a finite time and not negative, got {t!r}.")
        return math.sqrt(math.expm1(2 * t) if self.process == "ou" else 2 * t)

    def _grid(self, n_steps):
        """Noise levels from the end of the process to the smoothing, and their shift."""
        shift = 1 / self.degree_
        least = max(self._sigma(self.smoothing_), MIN_SIGMA)
        most = self._sigma(END_TIME)
        return log_shifted(least, most, n_steps, shift=shift, final_zero=False), shift

    def _codes(self, X):
        kept = self.varies_
        return torch.from_numpy((X[:, kept] - self.offset_[kept]) / self.scale_[kept])

    def _rows(self, X):
        """Validate rows and bring them to the coordinates of the process."""
        check_is_fitted(self)
        return self._codes(validate_data(self, X, dtype=np.float64, reset=False))
