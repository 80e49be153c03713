"""`RiemannianKernelSmoother`: a kernel density whose kernels follow the data."""

import math
import warnings
from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch

from skdiffusion._base import TableModel
from skdiffusion._utils.checks import COUNT, Interval, Seed, StrOptions
from skdiffusion._utils.fitting import say
from skdiffusion.closed_forms.baselines import fit_gaussian
from skdiffusion.closed_forms.gap_filling import draw_completions, without_gross_cells
from skdiffusion.closed_forms.smoothing import Smoothing, choose_known_noise
from skdiffusion.geometry.row_kernels import KernelOptions
from skdiffusion.model.drawing import Sampling
from skdiffusion.model.encoded import merge_copies
from skdiffusion.model.starts import fit_starts
from skdiffusion.model.table_model import Model
from skdiffusion.tables.encoder import TableEncoder
from skdiffusion.tables.frames import NUMERIC

# the Ornstein-Uhlenbeck time after which nothing is left of the rows
T_MAX = 4.0
SIGMA_MAX = math.sqrt(math.expm1(2 * T_MAX))
# of the blur: below this noise nothing changes
SIGMA_MIN_SHARE = 1e-2
# in standard deviations: repeated values would make the likelihood grow without end
H_MIN = 1e-3
# with more columns, kernels keep their leading directions only
MAX_FULL_RANK, MAX_RANK = 32, 16
# between which ratios of standard deviations a common scale may be better than each its own
SAME, MAX_RATIO = 1.05, 10.0
EXACTLY = Sampling(solver=None)


class RiemannianKernelSmoother(TableModel):
    """Kernel density estimate whose kernels follow the data, as a diffusion model without training.

    Each row diffuses for a time `eps` under a Riemannian metric learned from its neighbours, and is
    blurred by `h`: the kernels are Gaussians of covariance ``eps C_i + h^2 I``, with ``C_i`` the
    local covariance at the row. The density is therefore a Gaussian mixture, whose scores,
    posteriors and conditional distributions are known in closed form. Nothing is trained: the
    bandwidths maximise the likelihood of held-out rows.

    Parameters
    ----------
    metric : {"local", "euclidean"}, default="local"
        The tensors ``C_i``: covariances of the nearest neighbours; or zero, which is the ordinary
        kernel density estimate.
    bandwidth : "cv", float or tuple of (eps, h), default="cv"
        Diffusion time and blur, in standard deviations of a column. "cv" maximises held-out
        likelihood. A float is the blur, with time 1 (0 for "euclidean").
    n_neighbors : "auto" or int, default="auto"
        Number of neighbours of a row, for "local". "auto" chooses with the bandwidth
        among 5, 8, 15 and 30, or 15, 40 and 100 above three columns.
    background : "cv", float or None, default="cv"
        Share of a mixture of a few Gaussians beneath the kernels, which speaks where rows are
        few. The number of its components minimises the Bayesian information criterion. "cv"
        chooses the share by held-out likelihood; None leaves it out.
    standardize : "auto" or bool, default="auto"
        Whether kernels see each column divided by its standard deviation, or all by the root mean
        square of these, which suits columns that share a unit. "auto" does what makes held-out rows
        more likely, where the deviations differ by no more than ten times; else the former.
    dcr_ratio : float or None, default=0.75
        How new draws are: their median distance to the closest record (DCR) of `fit`, relative to
        that of the rows of `fit` to one another. Draws lie between such rows, with as much noise as
        the ratio takes, or about rows that trees draw where those are newer; they are the density's
        where numbers are given, or where nothing is newer. None draws from the density always.
    encoder : TableEncoder or None, default=None
        Unfitted encoder of the columns. None is ``TableEncoder(numeric_transform="standard",
        clip=False, constraints=None)``.
    target : {"auto", "categorical", "continuous"}, default="auto"
        What `y` is. "auto" takes text, booleans, and whole numbers of at most 20 values as
        classes.
    known_noise : "cv" or float, default="cv"
        Noise level that `impute` gives to the known cells when it fills in means, in standard
        deviations. 0 is the exact conditional mean; more averages over more kernels. "cv" minimises
        the squared error of held-out cells, for each number by itself up to 12 of them.
    n_steps : int, default=40
        Steps of the probability flow in `transform` and `inverse_transform`, of four evaluations
        each.
    verbose : int, default=0
        1 prints what is chosen while fitting.
    random_state : int, RandomState instance or None, default=None
        Source of the folds and of the background's initial assignments.

    Attributes
    ----------
    model_ : object
        The fitted model; its denoiser is a mixture of the kernels.
    bandwidth_ : tuple of (eps, h)
        Diffusion time and blur, in standard deviations of a column.
    n_neighbors_ : int
        Number of neighbours.
    background_ : float
        Share of the background.
    dcr_ratio_ : float
        The ratio that unconditional draws have. NaN where nothing is measured: with
        ``dcr_ratio=None``, below ten rows, or where most rows of `fit` have equals.
    known_noise_ : ndarray of shape (n_encoded,)
        Noise level of the known cells for the mean of each encoded feature, and of those of the
        target.
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
    A row costs a product with a matrix of ``n (d + 1)(d + 2) / 2`` entries. From 8192 rows on, far
    kernels are left out where this changes no log-density by more than 1e-6. Above 2000 rows the
    bandwidths are chosen on that many. With no class of ten rows nothing is held out: the
    bandwidths are time 1 and a quarter of Scott's blur (0 and all of it for "euclidean").

    Classes as target have neighbours and a background of their own. With other columns of
    categories each kernel keeps those of its row, and there is no background.

    References
    ----------
    Shen, Z., Oates, C. J. (2024). Operator-informed score matching for Markov diffusion models.
    arXiv:2406.09084: what inspired the smoother; metric, background and bandwidths are our own.

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

    _default_encoder = TableEncoder(numeric_transform="standard", clip=False, constraints=None)
    _target_transform = "standard"

    _parameter_constraints: ClassVar[dict] = {
        "metric": [StrOptions({"local", "euclidean"})],
        "bandwidth": [StrOptions({"cv"}), Interval(Real, 0, None, closed="neither"), "array-like"],
        "n_neighbors": [StrOptions({"auto"}), COUNT],
        "background": [StrOptions({"cv"}), Interval(Real, 0, 1, closed="left"), None],
        "standardize": [StrOptions({"auto"}), "boolean"],
        "dcr_ratio": [Interval(Real, 0, None, closed="neither"), None],
        "known_noise": [StrOptions({"cv"}), Interval(Real, 0, None, closed="left")],
        "n_steps": [COUNT],
    }

    def __init__(
        self,
        *,
        metric: str = "local",
        bandwidth: Any = "cv",
        n_neighbors: int | str = "auto",
        background: Any = "cv",
        standardize: Any = "auto",
        dcr_ratio: Any = 0.75,
        encoder: Any = None,
        target: Any = "auto",
        known_noise: Any = "cv",
        n_steps: int = 40,
        verbose: int = 0,
        random_state: Seed = None,
    ) -> None:
        self.metric = metric
        self.bandwidth = bandwidth
        self.n_neighbors = n_neighbors
        self.background = background
        self.standardize = standardize
        self.dcr_ratio = dcr_ratio
        self.encoder = encoder
        self.target = target
        self.known_noise = known_noise
        self.n_steps = n_steps
        self.verbose = verbose
        self.random_state = random_state

    def score_field(self, X: Any, t: float = 0.0) -> np.ndarray:
        """Return the gradient of the log-density, also of rows that have diffused for a time.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows of numbers, complete.
        t : float, default=0.0
            Time of the Ornstein-Uhlenbeck process ``dX = -X dt + sqrt(2) dW`` in standardised
            columns; at large times the gradient is that of a normal distribution.

        Returns
        -------
        scores : ndarray of shape (n, n_features)
            Gradients, in inverse units of the columns. Zero in constant ones.

        Raises
        ------
        ValueError
            If `t` is negative, or rows have missing cells or columns of other kinds than numbers.
        """
        if not (isinstance(t, Real) and t >= 0):
            raise ValueError(f"t must be a number that is not negative, got {t!r}.")
        Z = self._encoded(X)
        encoder, model = self._model.encoder, self._model
        scales = _scales(encoder)
        if np.isnan(Z).any() or np.isnan(scales).any():
            raise ValueError("Scores are of complete rows of numbers, encoded by their scale.")
        # later, nothing changes in double precision but that numbers overflow
        t = min(t, 40.0)
        alpha, sigma = math.exp(-t), math.sqrt(math.expm1(2 * t))
        density = model.denoiser.marginal(torch.from_numpy(~model.is_target))
        noisy = torch.from_numpy(Z / alpha)
        gradients = np.zeros((len(Z), self.n_features_in_))
        scores = density.score(noisy, noisy.new_tensor(sigma)).numpy() / alpha
        gradients[:, encoder.groups_] = scores / scales
        return gradients

    def _sampling(self):
        return EXACTLY

    def _known_noise(self):
        return self._blur

    def _fit_model(self, rows, rng):
        """Place kernels on the rows, in the better of two scales."""
        rows = merge_copies(rows)
        Z, weights = without_gross_cells(rows.Z, rows), rows.weights
        if np.isnan(Z).any():
            Z = draw_completions(Z, 1, random_state=rng)[0]
        seed = rng.randint(2**31 - 1)
        fits = []
        for k, smoothing in enumerate(self._candidates(rows, Z), 1):
            say(self, f"bandwidths of {len(Z):,} rows, scale {k}")
            kernels, denoiser = smoothing.fit(Z, seed, weights)
            volume = np.log(smoothing.unit).sum()
            fits.append((kernels.bandwidth.log_likelihood + volume, smoothing, kernels, denoiser))
        # without a choice of bandwidths there is one candidate, of which nothing is known
        _, smoothing, kernels, denoiser = max(fits, key=lambda fit: fit[0])
        self.bandwidth_ = kernels.bandwidth.eps, kernels.bandwidth.h
        self.n_neighbors_ = kernels.n_neighbors
        self.background_ = kernels.bandwidth.share
        self._warn_of_the_limit(kernels)
        if self.known_noise == "cv":
            say(self, "noise of what is known")
            self.known_noise_ = choose_known_noise(Z, smoothing, kernels, rng)
        else:
            self.known_noise_ = np.full(Z.shape[1], float(self.known_noise))
        h = self.bandwidth_[1]
        blur = np.zeros(Z.shape[1])
        blur[smoothing.is_number] = h / smoothing.unit
        self._blur = blur[~rows.is_target]
        model = Model(
            rows.encoder,
            denoiser,
            fit_gaussian(Z, weights),
            SIGMA_MIN_SHARE * h,
            SIGMA_MAX,
            rows.target_encoder,
            EXACTLY,
            self.n_steps,
            known_noise=self.known_noise_,
            rows=Z,
        )
        say(self, "starts of draws")
        starts, self.dcr_ratio_ = fit_starts(model, rows, Z, self.dcr_ratio, rng)
        return replace(model, starts=starts)

    def _candidates(self, rows, Z):
        """Return the ways to place kernels that are to be compared."""
        is_number = ~rows.is_category
        options = self._options(int(is_number.sum()))
        if not (is_number | rows.is_class).all():
            options = replace(options, background=0.0)
        if not is_number.any():
            options = replace(options, metric="euclidean", bandwidth=(0.0, 1.0), n_neighbors=1)
        vertices = np.unique(Z[:, rows.is_class], axis=0)
        own = Smoothing(options, is_number, rows.is_class, vertices, np.ones(is_number.sum()))
        scales = np.append(_scales(rows.encoder), np.full(rows.is_target.sum(), np.nan))
        scale = scales[is_number]
        shared = ~np.isnan(scale)
        if self.standardize is True or not shared.any():
            return [own]
        # squares of very large numbers leave the range of floating point
        relative = scale[shared] / scale[shared].max()
        unit = np.ones(len(scale))
        unit[shared] = relative / np.sqrt(np.mean(relative**2))
        common = replace(own, unit=unit)
        if self.standardize is False:
            return [common]
        is_open = options.bandwidth is None and SAME < 1 / relative.min() <= MAX_RATIO
        return [own, common] if is_open else [own]

    def _check_parameters(self):
        super()._check_parameters()
        pair = self.bandwidth
        if isinstance(pair, str | Real):
            return
        good = np.shape(pair) == (2,) and all(isinstance(part, Real) for part in pair)
        if not (good and 0 <= pair[0] < np.inf and 0 < pair[1] < np.inf):
            raise ValueError(
                f"bandwidth as a pair must be (eps, h) with eps >= 0 and h > 0, got {pair!r}."
            )

    def _options(self, d):
        bandwidth = self.bandwidth
        if isinstance(bandwidth, Real):
            bandwidth = (0.0 if self.metric == "euclidean" else 1.0, float(bandwidth))
        else:
            bandwidth = None if isinstance(bandwidth, str) else tuple(map(float, bandwidth))
        return KernelOptions(
            self.metric,
            d if d <= MAX_FULL_RANK else MAX_RANK,
            bandwidth,
            None if self.n_neighbors == "auto" else self.n_neighbors,
            {"cv": None, None: 0.0}.get(self.background, self.background),
            h_min=H_MIN,
        )

    def _warn_of_the_limit(self, kernels):
        if not isinstance(self.bandwidth, str) or kernels.bandwidth.h > 1.01 * H_MIN:
            return
        narrowest = kernels.floors
        if kernels.factors.shape[2] == kernels.factors.shape[1]:
            narrowest = narrowest + (kernels.factors**2).sum(1).min(1)
        # where the tensors have width in all directions the blur is of no account
        if np.quantile(narrowest, 0.01) > 10 * H_MIN**2:
            return
        warnings.warn(
            f"The most likely blur is the smallest allowed, {H_MIN} standard deviations: rows lie "
            "on a manifold exactly, or repeat. Densities are then relative to that blur; give a "
            "bandwidth to set another.",
            UserWarning,
            stacklevel=4,
        )


def _scales(encoder):
    """Return the scale of each encoded feature that is a scaled number, NaN for the others."""
    scales = np.full(encoder.n_encoded_, np.nan)
    for feature, column in enumerate(encoder.groups_):
        codec = encoder.codecs_[column]
        is_plain = codec.name == "standard" and encoder.kinds_[column] in NUMERIC
        if is_plain and not encoder.is_indicator_[feature]:
            scales[feature] = codec.scale
    return scales
