"""`OperatorScoreMatching`: the density and the score of a table, from linear equations alone."""

import math
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import KFold

from skdiffusion._base import TableModel
from skdiffusion.closed_forms.baselines import fit_gaussian
from skdiffusion.diffusion import SOLVERS, run
from skdiffusion.diffusion.eigenfunctions import BASES, FAMILIES, index_set
from skdiffusion.diffusion.grid import log_shifted
from skdiffusion.diffusion.operator_denoiser import MARGIN, OperatorDenoiser
from skdiffusion.model import Model
from skdiffusion.model.drawing import Sampling
from skdiffusion.tables.encoder import TableEncoder

__all__ = ["OperatorScoreMatching"]

MAX_JOINT_COLUMNS = 5
MAX_DEGREE = {"ou": 6, "reflected_bm": 24}
MAX_AUTO_FUNCTIONS = 500
ROWS_PER_FUNCTION = {"ou": 20, "reflected_bm": 1}  # polynomials fit noise, cosines are smoothed
END_TIME = 4.0
MIN_SIGMA = 1e-3
N_SMOOTHINGS, N_FOLDS = 32, 5
MAX_SMOOTHING = 1.0  # standard deviation of the noise, a third of the box


@dataclass(frozen=True)
class BoxModel(Model):
    """Model of rows in a box, with a Gaussian of little weight beyond its walls."""

    strays: Any = None
    share: float = 0.0

    def draw(self, n, generator, conditions=None):
        """Draw rows; where nothing is asked of them, some are strays."""
        Z = super().draw(n, generator, conditions)
        stray = (torch.rand(n, generator=generator) < self.share).numpy()
        asked = conditions is not None and (conditions.has_ranges or conditions.known.any())
        if stray.any() and not asked:
            Z[stray] = self.strays.sample(int(stray.sum()), generator).numpy()
        return Z

    def log_prob(self, Z):
        """Return log-densities, those of the Gaussian alone outside the box."""
        x, prior = torch.from_numpy(Z), self.prior
        inside = ((x >= prior.low) & (x <= prior.high)).all(1).numpy()
        stray = self.strays.log_prob(x, x.new_zeros(())).numpy()
        return np.logaddexp(
            np.where(inside, math.log1p(-self.share) + super().log_prob(Z), -np.inf),
            math.log(self.share) + stray,
        )


class OperatorScoreMatching(TableModel):
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
    model_ : Model
        The fitted model, in the coordinates of the process.
    degree_ : int
        Degree of the basis.
    basis_ : str
        Kind of the basis.
    smoothing_ : float
        Time of the process that is left in.
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

    _allow_missing = False

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
            Rows of numbers, complete.
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
        return super().fit(X)

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
        sigma = self._sigma(t)
        codes = torch.from_numpy(self._encoded(X))
        denoiser, encoder = self._model.denoiser, self._model.encoder
        grow = math.exp(t) if self.process == "ou" else 1.0
        centre = denoiser.centre if self.process == "ou" else 0.0
        with torch.no_grad():
            noisy = centre + grow * (codes - centre)
            gradients = grow * denoiser.score(noisy, noisy.new_tensor(sigma)).numpy()
        field = np.zeros((len(codes), self.n_features_in_))
        field[:, encoder.groups_] = gradients / [encoder.codecs_[j].scale for j in encoder.groups_]
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
        rows = torch.from_numpy(self._encoded(X))
        objective = self._model.denoiser.objective
        if t is not None:
            return float(objective(rows, rows.new_tensor(self._sigma(t))))
        times = np.geomspace(max(self.smoothing_, MIN_SIGMA**2 / 2), END_TIME, 24)
        losses = [float(objective(rows, rows.new_tensor(self._sigma(s)))) for s in times]
        return float(np.trapezoid(losses, times))

    def _sampling(self):
        spaced = partial(log_shifted, shift=1 / self.degree_, final_zero=False)
        solver = self.solver if callable(self.solver) else SOLVERS[self.solver]
        if self.process == "reflected_bm":
            solver = partial(_solve_in_box, solver, self._model.prior)
        return Sampling(solver, spaced, self.n_steps)

    def _fit_encoder(self, X, columns, sample_weight, rng):
        encoder = TableEncoder(numeric_transform="standard").fit_columns(X, columns)
        if encoder.level_blocks() or any(column.missing for column in columns):
            raise ValueError(
                "Input X contains NaN, or columns of other kinds than numbers: "
                "OperatorScoreMatching takes complete rows of numbers."
            )
        if self.process == "ou":
            return encoder, None
        # the coordinates of the process, in which the box has a width of pi
        scales = {
            j: (1 + 2 * MARGIN) * np.ptp(columns[j].values) / math.pi for j in encoder.groups_
        }
        return TableEncoder(numeric_transform=scales).fit_columns(X, columns), None

    def _fit_model(self, rows, rng):
        Z = torch.from_numpy(rows.Z)
        self.basis_, self.degree_ = self._choose_basis(*rows.Z.shape)
        denoiser = self._denoiser(Z)
        self.smoothing_ = self._choose_smoothing(Z, rng)
        options = {
            "encoder": rows.encoder,
            "denoiser": denoiser,
            "prior": denoiser.prior,
            "sigma_min": max(self._sigma(self.smoothing_), MIN_SIGMA),
            "sigma_max": self._sigma(END_TIME),
            "n_likelihood_steps": self.n_likelihood_steps,
            "shift": 1 / self.degree_,
            "rows": rows.Z,
        }
        if self.process == "ou":
            return Model(**options)
        return BoxModel(**options, strays=fit_gaussian(rows.Z), share=1 / (len(Z) + 1))

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

    def _choose_basis(self, n, d):
        """Return kind and degree of the basis."""
        basis = self.basis
        if basis == "auto":
            basis = "total_degree" if d <= MAX_JOINT_COLUMNS else "product"
        if self.degree != "auto":
            return basis, int(self.degree)
        power = FAMILIES[self.process].power
        limit = min(MAX_AUTO_FUNCTIONS, n // ROWS_PER_FUNCTION[self.process])
        degree = 1 if self.process == "reflected_bm" else 2
        for more in range(degree + 1, MAX_DEGREE[self.process] + 1):
            # the columns of a product basis are fitted each by itself
            columns = 1 if basis == "product" else d
            try:
                n_functions = len(index_set(more, columns, power=power))
            except ValueError:
                break
            if n_functions > limit:
                break
            degree = more
        return basis, degree

    def _denoiser(self, Z):
        options = {"process": self.process, "basis": self.basis_, "degree": self.degree_}
        return OperatorDenoiser.fit(Z, **options, ridge=self.ridge)

    def _choose_smoothing(self, Z, rng):
        """Return the time at which held-out rows are most likely."""
        if self.smoothing != "auto":
            return float(self.smoothing)
        if self.process == "ou":
            return 0.0
        sigmas = torch.from_numpy(np.geomspace(0.01, math.sqrt(2 * END_TIME), N_SMOOTHINGS))
        total = torch.zeros_like(sigmas)
        folds = KFold(min(N_FOLDS, len(Z)), shuffle=True, random_state=rng)
        for kept, out in folds.split(Z):
            rows = Z[kept]
            if bool((rows.amax(0) > rows.amin(0)).all()):
                total += len(out) * self._denoiser(rows).mean_log_density(Z[out], sigmas)
        sigmas = sigmas[sigmas <= MAX_SMOOTHING]
        return float(sigmas[total[: len(sigmas)].argmax()] ** 2 / 2)

    def _sigma(self, t):
        """Return the noise level that a time corresponds to, of rows that are not scaled down."""
        if not (isinstance(t, Real) and 0 <= t < np.inf):
            raise ValueError(f"t must be a finite time and not negative, got {t!r}.")
        return math.sqrt(math.expm1(2 * t) if self.process == "ou" else 2 * t)


def _solve_in_box(solver, box, denoiser, start, sigmas, *, generator=None):
    """Solve on the line, and reflect the rows into the box."""
    yield start
    yield box.fold(run(solver(denoiser, start, sigmas, generator=generator)))
