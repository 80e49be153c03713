"""`OperatorScoreMatching`: the density and the score of a table, from linear equations alone."""

import math
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.model_selection import KFold

from skdiffusion._base import TableModel
from skdiffusion._utils.checks import COUNT, Interval, Seed, StrOptions
from skdiffusion._utils.gross import far_out
from skdiffusion.closed_forms.baselines import fit_gaussian
from skdiffusion.closed_forms.gap_filling import without_gross_cells
from skdiffusion.diffusion import heun, run
from skdiffusion.diffusion.eigenfunctions import index_set
from skdiffusion.diffusion.operator_denoiser import MARGIN, OperatorDenoiser
from skdiffusion.model.drawing import Sampling
from skdiffusion.model.table_model import Model
from skdiffusion.tables.encoder import TableEncoder

MAX_JOINT_COLUMNS = 5
MAX_DEGREE = 24
MAX_AUTO_FUNCTIONS = 500
END_TIME = 4.0
MIN_SIGMA = 1e-3
N_SMOOTHINGS, N_FOLDS = 32, 5
MAX_SMOOTHING = 1.0  # standard deviation of the noise, a third of the box


@dataclass(frozen=True)
class BoxModel(Model):
    """Model of rows in a box, with a Gaussian of little weight beyond its walls."""

    strays: Any = None

    def log_prob(self, Z):
        """Return log-densities, those of the Gaussian alone outside the box."""
        x, prior, n = torch.from_numpy(Z), self.prior, len(self.rows)
        inside = ((x >= prior.low) & (x <= prior.high)).all(1).numpy()
        stray = self.strays.log_prob(x, x.new_zeros(())).numpy()
        return np.logaddexp(
            np.where(inside, math.log(n / (n + 1)) + super().log_prob(Z), -np.inf),
            stray - math.log(n + 1),
        )


class OperatorScoreMatching(TableModel):
    """Density, score and new rows of a small numeric table, with no network to train.

    The score of the data under increasing noise is sought among the gradients of eigenfunctions of
    the noise process. Their expectations at every time follow from their means over the data, so
    that score matching is a system of linear equations for each noise level. For one to about five
    continuous columns; the basis grows quickly with their number.

    Parameters
    ----------
    degree : int or "auto", default="auto"
        Largest frequency. "auto" is the largest with at most 500 functions and no more than rows,
        and at most 24 (24 in two columns, 9 in three), which takes seconds.
    smoothing : float or "auto", default="auto"
        Time of the process that is left in: scores and samples are those of the data diffused for
        this long, as with the bandwidth of a kernel density. "auto" takes the best held-out
        log-density of five folds.
    n_steps : int, default=40
        Number of steps of the solver in `sample`.
    n_likelihood_steps : int, default=32
        Number of steps of the probability flow in `score_samples`, of four evaluations each; on
        sets in the plane three times as many changed the mean log-density by 2e-4 at most.
    random_state : int, RandomState instance or None, default=None
        Source of the folds of ``smoothing="auto"``.

    Attributes
    ----------
    model_ : object
        The fitted model, in the coordinates of the process.
    degree_ : int
        Largest frequency of the basis.
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
    Rows diffuse in a box with reflecting walls, the range of the data and 5 % more on either side,
    of which each column is scaled to ``[0, pi]``; after time `t` the noise has variance ``2 t``
    there. Up to five columns functions are products over several of them; beyond, columns are taken
    as independent. The page *Operator score matching* has the equations.

    Outside the box the reflected process has no density. `score_samples` therefore mixes in the
    Gaussian of the data, with the weight of one row among those of `fit`. Drawn rows are in it.

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

    _parameter_constraints: ClassVar[dict] = {
        "degree": [COUNT, StrOptions({"auto"})],
        "smoothing": [Interval(Real, 0, END_TIME, closed="left"), StrOptions({"auto"})],
        "n_steps": [COUNT],
        "n_likelihood_steps": [COUNT],
    }

    def __init__(
        self,
        *,
        degree: Any = "auto",
        smoothing: Any = "auto",
        n_steps: int = 40,
        n_likelihood_steps: int = 32,
        random_state: Seed = None,
    ) -> None:
        self.degree = degree
        self.smoothing = smoothing
        self.n_steps = n_steps
        self.n_likelihood_steps = n_likelihood_steps
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
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
            two rows, every column is constant, or the degree is too large.
        """
        return super().fit(X)

    def score_field(self, X: Any, t: float) -> np.ndarray:
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
        sigma = _sigma(t)
        codes = torch.from_numpy(self._encoded(X))
        denoiser, encoder = self._model.denoiser, self._model.encoder
        gradients = denoiser.score(codes, codes.new_tensor(sigma)).numpy()
        field = np.zeros((len(codes), self.n_features_in_))
        field[:, encoder.groups_] = gradients / [encoder.codecs_[j].scale for j in encoder.groups_]
        return field

    def loss(self, X: Any, t: float) -> float:
        """Return the score-matching loss of rows; lower is better.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows, others than those of `fit` for a fair loss.
        t : float
            Time of the process.

        Returns
        -------
        loss : float
            Mean squared error of the score of the rows diffused for time `t`, up to a constant of
            the rows, in the coordinates of the process.
        """
        rows = torch.from_numpy(self._encoded(X))
        return float(self._model.denoiser.objective(rows, rows.new_tensor(_sigma(t))))

    def _sampling(self):
        return Sampling(partial(_solve_in_box, self._model.prior), self.n_steps + 1)

    def _fit_encoder(self, X, columns, sample_weight, rng):
        options = {"constraints": None, "identifiers": None}
        encoder = TableEncoder(numeric_transform="standard", **options).fit_columns(X, columns)
        if encoder.category_blocks() or any(column.missing for column in columns):
            raise ValueError(
                "Input X contains NaN, or columns of other kinds than numbers: "
                "OperatorScoreMatching takes complete rows of numbers."
            )
        # the coordinates of the process, in which the box has a width of pi
        varied = [columns[j] for j in encoder.groups_]
        regular = {column.name: column.values[~far_out(column.values)] for column in varied}
        scales = {name: (1 + 2 * MARGIN) * np.ptp(x) / math.pi for name, x in regular.items()}
        return TableEncoder(numeric_transform=scales, **options).fit_columns(X, columns), None

    def _fit_model(self, rows, rng):
        rows = replace(rows, Z=without_gross_cells(rows.Z, rows))
        Z = torch.from_numpy(rows.Z)
        self.degree_ = self._choose_degree(*Z.shape)
        denoiser = self._denoiser(Z)
        self.smoothing_ = self._choose_smoothing(Z, rng)
        return BoxModel(
            encoder=rows.encoder,
            denoiser=denoiser,
            prior=denoiser.prior,
            sigma_min=max(_sigma(self.smoothing_), MIN_SIGMA),
            sigma_max=_sigma(END_TIME),
            n_likelihood_steps=self.n_likelihood_steps,
            rows=rows.Z,
            strays=fit_gaussian(rows.Z),
        )

    def _choose_degree(self, n, d):
        """Return the degree asked for, or the largest with few functions."""
        if self.degree != "auto":
            return int(self.degree)
        # columns that are taken as independent are fitted each by itself
        columns = d if d <= MAX_JOINT_COLUMNS else 1
        degree, limit = 1, min(MAX_AUTO_FUNCTIONS, n)
        while degree < MAX_DEGREE and len(index_set(degree + 1, columns)) <= limit:
            degree += 1
        return degree

    def _denoiser(self, Z):
        return OperatorDenoiser(Z, self.degree_, is_joint=Z.shape[1] <= MAX_JOINT_COLUMNS)

    def _choose_smoothing(self, Z, rng):
        """Return the time at which held-out rows are most likely."""
        if self.smoothing != "auto":
            return float(self.smoothing)
        sigmas = torch.from_numpy(np.geomspace(0.01, _sigma(END_TIME), N_SMOOTHINGS))
        total = torch.zeros_like(sigmas)
        folds = KFold(min(N_FOLDS, len(Z)), shuffle=True, random_state=rng)
        for kept, out in folds.split(Z):
            rows = Z[kept]
            if bool((rows.amax(0) > rows.amin(0)).all()):
                total += len(out) * self._denoiser(rows).mean_log_density(Z[out], sigmas)
        sigmas = sigmas[sigmas <= MAX_SMOOTHING]
        return float(sigmas[total[: len(sigmas)].argmax()] ** 2 / 2)


def _sigma(t):
    """Return the noise level that a time corresponds to."""
    if not (isinstance(t, Real) and 0 <= t < np.inf):
        raise ValueError(f"t must be a finite time and not negative, got {t!r}.")
    return math.sqrt(2 * t)


def _solve_in_box(box, denoiser, start, sigmas, *, generator=None):
    """Solve on the line, and reflect the rows into the box."""
    yield start
    # the smoothing stays on: the last step of a grid, to no noise at all, is left out
    yield box.fold(run(heun(denoiser, start, sigmas[:-1])))
