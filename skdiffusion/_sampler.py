"""`DiffusionManifoldSampler`: learn a table, then draw, score and code rows."""

import copy
from collections.abc import Mapping
from functools import partial
from numbers import Integral

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from skdiffusion._closed_forms import BASELINES, ClosedForms, fit_levels
from skdiffusion._coupling import Coupling
from skdiffusion._geometry import ManifoldGeometry
from skdiffusion._robustness import NoiseRemoval, check_noise, read_noise, without_outliers
from skdiffusion._utils.checks import check_count
from skdiffusion._utils.fitting import all_or_nothing
from skdiffusion._utils.systematic import spread
from skdiffusion.diffusion import (
    GRIDS,
    SOLVERS,
    decode,
    encode,
    get_schedule,
)
from skdiffusion.sampling.drawing import CodeModel, Integration, draw, draw_coarse_first
from skdiffusion.sampling.marginal import marginal_law
from skdiffusion.sampling.scoring import log_density_of_codes
from skdiffusion.tables.conditions import Conditions, read_conditions
from skdiffusion.tables.encoder import TableEncoder
from skdiffusion.tables.frames import validate_table
from skdiffusion.tables.target import TargetEncoder
from skdiffusion.training.completion import draw_completions
from skdiffusion.training.net import DenoiserNet

__all__ = ["DiffusionManifoldSampler"]

N_PROBES = 16
MAX_LANDMARKS = 2000
CHUNK_ROWS = 4096


class DiffusionManifoldSampler(
    ManifoldGeometry,
    NoiseRemoval,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Diffusion model of a table: draws rows, scores them and codes them.

    The table is coded as numbers, a denoiser is trained on the codes, and everything else follows
    from that one denoiser: new rows by integrating from noise, conditional rows by keeping the
    known entries free of noise, log-densities and Gaussian codes by the probability-flow ODE.

    Parameters
    ----------
    denoiser : DenoiserNet or None, default=None
        Unfitted net with all training options; None is ``DenoiserNet()``. Give one explicitly to
        search nested parameters such as ``denoiser__lr``.
    baseline : {"auto", "mixture", "kernel", "operator", "gaussian"} or None, default="auto"
        Closed form that the network improves upon: a Gaussian or, with None, nothing but the
        standard normal. The others are a Gaussian and one more input of the network: what a
        mixture of several Gaussians, kernels on 256 rows (:class:`RiemannianKernelSmoother`), or
        the operator-informed score of each column would answer. "auto" is the mixture up to 100
        codes of which at most 32 are of categories, and the Gaussian above: its matrices would take
        most of the time.
    schedule : str or Schedule, default="edm"
        Noise process: "edm", "ve", "vp", "subvp", "cosine" or "flow". It sets the noise levels that
        are trained most, and those of ``grid="uniform"``.
    sigma_min, sigma_max : float, default=0.005 and 20.0
        Smallest and largest noise level, in standard deviations of a column.
    solver : str or callable, default="dpmpp_2m"
        How to integrate from noise to rows, a name among
        :data:`skdiffusion.diffusion.SOLVERS` or a function like them. DPM-Solver++(2M) is the
        most accurate below 30 evaluations.
    grid : {"karras", "log_linear", "uniform"}, default="karras"
        Spacing of the noise levels between solver steps.
    n_steps : int, default=24
        Number of solver steps.
    n_likelihood_steps : int, default=24
        Number of steps of the probability flow in `score_samples`, `transform` and
        `inverse_transform`, of four evaluations each.
    guidance_scale : float, default=1.0
        How strongly a given target, and given cells, act: 1 is the conditional law, more
        exaggerates what they imply, 0 ignores them.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Which columns are categories; see :class:`~skdiffusion.TableEncoder`.
    numeric_transform : str or dict, default="auto"
        How numbers are coded; see :class:`~skdiffusion.TableEncoder`.
    ordinal_features : dict or None, default=None
        Columns whose levels are ordered; see :class:`~skdiffusion.TableEncoder`.
    min_frequency : int, float or None, default=None
        Levels that are rarer share a code; see :class:`~skdiffusion.TableEncoder`.
    handle_unknown : {"error", "rare", "missing"}, default="error"
        What a level counts as that `fit` has not seen; see :class:`~skdiffusion.TableEncoder`.
    generate_missing : bool, default=False
        Whether rows are drawn with missing cells, as often and where `fit` has seen them. Without,
        drawn rows are complete, and the score of a row does not count what is missing.
    target : {"auto", "categorical", "continuous"}, default="auto"
        What `y` is. "auto" takes text, booleans, and whole numbers of at most 20 values as
        classes.
    manifold : None, "auto" or estimator, default="auto"
        Whether account is taken of a manifold that the rows lie on. "auto" looks for one where all
        columns are numbers that hardly repeat, and uses it if held-out rows are denoised better
        with it; tables of other kinds are modelled without. An estimator, such as
        :class:`sklearn.manifold.Isomap` or :class:`~skdiffusion.manifold.AutoencoderEmbedding`, is
        the manifold. None takes the rows as they are.
    coupling : {"auto", "latent", "project", "regularize", "hierarchical"}, default="auto"
        How a manifold takes part.

        - "latent": the model is of an embedding's coordinates, and rows are decoded from them, with
          the noise that held-out rows have about their decoding.
        - "project": the model is of the rows. With an estimator drawn rows pass through its
          embedding; otherwise the denoiser itself keeps to local planes of the rows
          (:class:`~skdiffusion.diffusion.TangentDenoiser`), so that scores, conditions and codes
          know of the manifold too.
        - "regularize": the model is trained on copies of the rows too, moved along local planes,
          or with an estimator along its embedding.
        - "hierarchical": the model is of rows and coordinates; coordinates are drawn first, and
          rows given them.
        - "auto": "latent" for an estimator; for ``manifold="auto"`` "project", or nothing.

        Without an estimator, "latent" and "hierarchical" use an autoencoder of one dimension more
        than the rows seem to have.
    data_noise : float, array-like of shape (n_features,) or "auto", default=0.0
        Standard deviation of noise that the rows of `fit` have, in the units of the columns, which
        have to be continuous. Drawn rows come without it, and `denoise` takes it off rows. "auto"
        estimates it as that across the manifold. Scores and codes are those of noisy rows. Draws
        end in an expectation at a level just above the noise, so that what is narrower than the
        noise is drawn too narrow.
    contamination : float, default=0.0
        Share of the rows that are left out of training as outliers: those that are farthest from
        their tenth neighbour.
    verbose : int, default=0
        1 shows a progress bar while fitting.
    random_state : int, RandomState instance or None, default=None
        Source of randomness of `fit`.

    Attributes
    ----------
    denoiser_ : Preconditioned
        The trained denoiser of codes, in double precision.
    encoder_ : TableEncoder
        The coding of the rows.
    target_encoder_ : TargetEncoder or None
        The coding of the target; None without one.
    gaussian_ : GaussianDenoiser
        The Gaussian of the codes, whose noised law starts the sampling.
    history_ : skorch.history.History
        Losses of the training.
    coupling_ : {"none", "latent", "project", "regularize", "hierarchical"}
        How a manifold takes part.
    dimension_ : int or None
        Dimension of the manifold, or of the embedding; None where nothing was estimated.
    embedding_ : InvertibleEmbedding or None
        The fitted embedding of the numbers, if there is one.
    noise_ : ndarray of shape (n_codes,)
        Standard deviation of the noise of each code that drawn rows come without.
    landmarks_ : ndarray of shape (n_landmarks, n_codes)
        Codes of at most 2,000 rows of `fit`, complete.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns, where they all have one.

    See Also
    --------
    DenoiserNet : The training.
    sample_from : Samples from a pipeline that ends in this estimator.

    Notes
    -----
    Scoring is deterministic and treats each row by itself, in double precision. Above 32 codes it
    estimates a trace with random signs that are drawn in `fit` and shared by all rows.

    References
    ----------
    Song, Y. et al. (2021). Score-based generative modeling through stochastic differential
    equations. arXiv:2011.13456.

    Karras, T. et al. (2022). Elucidating the design space of diffusion-based generative models.
    arXiv:2206.00364.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdiffusion import DenoiserNet, DiffusionManifoldSampler
    >>> X, y = load_iris(return_X_y=True)
    >>> sampler = DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=2), random_state=0)
    >>> sampler = sampler.fit(X, y)
    >>> sampler.sample(3, y=2, random_state=0).shape
    (3, 4)
    >>> sampler.score_samples(X[:2]).shape
    (2,)
    """

    def __init__(
        self,
        *,
        denoiser=None,
        baseline="auto",
        schedule="edm",
        sigma_min=0.005,
        sigma_max=20.0,
        solver="dpmpp_2m",
        grid="karras",
        n_steps=24,
        n_likelihood_steps=24,
        guidance_scale=1.0,
        categorical_features="from_dtype",
        numeric_transform="auto",
        ordinal_features=None,
        min_frequency=None,
        handle_unknown="error",
        generate_missing=False,
        target="auto",
        manifold="auto",
        coupling="auto",
        data_noise=0.0,
        contamination=0.0,
        verbose=0,
        random_state=None,
    ):
        self.denoiser = denoiser
        self.baseline = baseline
        self.schedule = schedule
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.solver = solver
        self.grid = grid
        self.n_steps = n_steps
        self.n_likelihood_steps = n_likelihood_steps
        self.guidance_scale = guidance_scale
        self.categorical_features = categorical_features
        self.numeric_transform = numeric_transform
        self.ordinal_features = ordinal_features
        self.min_frequency = min_frequency
        self.handle_unknown = handle_unknown
        self.generate_missing = generate_missing
        self.target = target
        self.manifold = manifold
        self.coupling = coupling
        self.data_noise = data_noise
        self.contamination = contamination
        self.verbose = verbose
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self):
        return hasattr(self, "denoiser_")

    def __getstate__(self):
        # a model trained on a GPU must load where there is none
        state = dict(super().__getstate__())
        for name in {"denoiser_", "gaussian_"} & state.keys():
            state[name] = copy.deepcopy(state[name]).cpu()
        return state

    def fit(self, X, y=None):
        """Learn the law of the rows, and of the target with them.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            The table: a NumPy array, or a pandas or polars frame. Cells may be missing; rows are
            learned from what they have.
        y : array-like of shape (n,) or None, default=None
            Target to condition on: classes or numbers.

        Returns
        -------
        self : DiffusionManifoldSampler
            The fitted estimator. A fit that fails or is interrupted leaves it unfitted.

        Raises
        ------
        ValueError
            If a parameter is out of range, cells are infinite, there are fewer than two rows, or
            every column is constant.
        TypeError
            If a column holds cells without a code.
        """
        with all_or_nothing(self):
            self._check_parameters()
            rng = check_random_state(self.random_state)
            coupling = Coupling(self.manifold, self.coupling)
            X, y = without_outliers(self, X, y)
            codes, is_target = self._fit_codes(X, y, coupling, rng)
            rows = coupling.training_rows(codes, rng)
            completions = None
            if np.isnan(rows).any():
                completions = draw_completions(rows, random_state=rng)
            # copies of the rows come after them
            filled = codes if completions is None else completions[0][: len(codes)]
            gaussian, baseline = self._closed_forms(coupling, is_target).fit(filled, rng)
            net = self._net(rng).fit(
                rows,
                gaussian=gaussian,
                baseline=baseline,
                groups=self._groups(is_target),
                target=is_target,
                levels=fit_levels(self.encoder_, self.target_encoder_, filled),
                completions=completions,
            )
            self.history_ = net.history
            self.is_target_ = torch.from_numpy(is_target)
            signs = rng.randint(2, size=(N_PROBES, self.encoder_.n_codes_))
            self.probes_ = torch.from_numpy(2.0 * signs - 1.0)
            denoiser = net.module_.double().eval().requires_grad_(False)
            # planes are laid on the CPU
            self.gaussian_, denoiser = gaussian.cpu(), denoiser.cpu()
            draw_codes = partial(self._draw_codes, generator=self._generator(rng))
            denoiser = coupling.couple(denoiser, draw_codes, filled, self.sigma_min, rng)
            self.noise_ = read_noise(self.data_noise, self.encoder_, X, coupling, filled)
            self.coupling_, self.dimension_ = coupling.name, coupling.dimension
            self.embedding_ = coupling.embedding
            self.denoiser_ = denoiser.to(net.device)
            self.gaussian_ = gaussian.to(net.device)
            self.landmarks_ = filled[rng.permutation(len(filled))[:MAX_LANDMARKS]][:, ~is_target]
        return self

    def sample(
        self,
        n_samples=1,
        *,
        y=None,
        conditions=None,
        return_y=False,
        return_acceptance=False,
        random_state=None,
    ):
        """Draw rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        y : scalar, array-like of shape (n_samples,) or None, default=None
            Target that the rows shall have: one for all, or one for each, whose number then is
            the number of rows. None draws classes with their frequencies in `fit`, and numbers
            together with the rows.
        conditions : dict, array-like, data frame or None, default=None
            What is settled about columns. A dict from columns to a value, to a range as a tuple
            ``(low, high)`` with None for no end, or to a list of levels; or a table, some columns
            by name or an array of all columns, with a row for each row to draw, whose missing
            cells are free.
        return_y : bool, default=False
            Whether to return the targets too.
        return_acceptance : bool, default=False
            Whether to return the share of the draws that met ranges by themselves.
        random_state : int, RandomState instance or None, default=None
            Source of randomness; None draws different rows at every call.

        Returns
        -------
        X : ndarray or data frame of shape (n_samples, n_features)
            The rows, in the container and with the data types of `fit`.
        y : ndarray or series of shape (n_samples,)
            Their targets; only with ``return_y=True``.
        acceptance : float
            1 without ranges; only with ``return_acceptance=True``.

        Raises
        ------
        ValueError
            If a class or category was never seen, a range holds nothing or is met by too few draws,
            or a target is asked for and there was none in `fit`.
        TypeError
            If a condition does not suit the kind of its column.

        Warns
        -----
        UserWarning
            If fewer than one draw in fifty meets the ranges.

        Notes
        -----
        Known cells are conditioned on, and never met by chance. Ranges and lists of categories are
        met by choosing among draws, which is exact, and takes long where few draws meet them.

        Examples
        --------
        >>> import numpy as np
        >>> from skdiffusion import DenoiserNet, DiffusionManifoldSampler
        >>> X = np.random.RandomState(0).normal(size=(200, 2))
        >>> sampler = DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=2), random_state=0)
        >>> drawn = sampler.fit(X).sample(5, conditions={0: X[3, 0], 1: (0, None)}, random_state=0)
        >>> bool(np.allclose(drawn[:, 0], X[3, 0])), bool((drawn[:, 1] >= 0).all())
        (True, True)
        """
        check_is_fitted(self)
        rng = check_random_state(random_state)
        n_samples, wanted, target = self._conditions(n_samples, y, conditions, return_y, rng)
        coarse = np.zeros(len(self.is_target_), dtype=bool)
        if self.coupling_ == "hierarchical":
            coarse[~self.is_target_.numpy()] = self.encoder_.coarse
        codes, acceptance = (partial(draw_coarse_first, coarse=coarse) if coarse.any() else draw)(
            self._clean_model(),
            self._integration(),
            n_samples,
            wanted if target is None else wanted.extended(target.values),
            self._generator(rng),
            self.encoder_,
        )
        X, y = self._decode(codes, rng, wanted, target)
        result = [X] + [y] * return_y + [acceptance] * return_acceptance
        return result[0] if len(result) == 1 else tuple(result)

    def sample_y(self, X, n_samples=1, *, random_state=None):
        """Draw targets of rows: a forecast as a distribution.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows; missing cells are taken as unknown.
        n_samples : int, default=1
            Number of draws for each row.
        random_state : int, RandomState instance or None, default=None
            Source of randomness; None draws different targets at every call.

        Returns
        -------
        Y : ndarray of shape (n, n_samples)
            Draws of the target given each row.

        Raises
        ------
        ValueError
            If there was no target in `fit`.

        Examples
        --------
        >>> import numpy as np
        >>> from skdiffusion import DenoiserNet, DiffusionManifoldSampler
        >>> X = np.random.RandomState(0).normal(size=(200, 2))
        >>> sampler = DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=2), random_state=0)
        >>> Y = sampler.fit(X, X.sum(axis=1)).sample_y(X[:5], n_samples=100, random_state=0)
        >>> np.quantile(Y, [0.05, 0.95], axis=1).shape
        (2, 5)
        """
        check_is_fitted(self)
        if self.target_encoder_ is None:
            raise ValueError("There is no target: this sampler was fitted without y.")
        check_count(n_samples, "n_samples")
        rng = check_random_state(random_state)
        codes = np.repeat(self._codes(X).cpu().numpy(), n_samples, axis=0)
        free = np.full((1, int(self.is_target_.sum())), np.nan)
        drawn, _ = draw(
            self._clean_model(),
            self._integration(),
            len(codes),
            Conditions(codes).extended(free),
            self._generator(rng),
        )
        Y = self.target_encoder_.inverse_transform(drawn[:, self.is_target_.numpy()])
        return np.asarray(Y).reshape(-1, n_samples)

    def score_samples(self, X):
        """Return the log-density of each row.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        log_density : ndarray of shape (n,)
            Nats, in the units of the table: a density for continuous columns, times a probability
            for integers, repeated values and categories. With a target it is the marginal one, and
            so it is where cells are missing. A constant column counts for nothing.

        Notes
        -----
        Numbers are scored by the probability flow, and categories given those numbers by the
        chain rule; see :func:`~skdiffusion.diffusion.level_log_prob`. The probability of a number
        that many rows share is approximate: its code is a point that the flow has to resolve.
        """
        Z = torch.from_numpy(self._informative_codes(X)).to(self._device)
        blocks = [
            (torch.from_numpy(columns).to(Z.device), torch.from_numpy(vertices).to(Z))
            for columns, vertices in self.encoder_.level_blocks()
        ]
        # whether a cell is there comes before what it is: so the probabilities sum to one
        n_cells = len(blocks) - len(self.encoder_.indicators_)
        blocks = blocks[n_cells:] + blocks[:n_cells]
        model, sigmas = self._model(), self._likelihood_grid()
        parts = [
            log_density_of_codes(model, rows, blocks, self.probes_, sigmas)
            for rows in Z.split(CHUNK_ROWS)
        ]
        return torch.cat(parts).cpu().numpy() + self.encoder_.log_volume(X, self.sigma_min)

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

    def transform(self, X):
        """Code rows as about independent standard normal numbers, by the probability flow.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        U : ndarray of shape (n, n_codes)
            Codes; as many as the encoder has. NaN in rows with missing cells, which have none:
            fill those first, for example with :class:`~skdiffusion.DiffusionImputer`.
        """
        Z = self._codes(X)
        whole = ~Z.isnan().any(1)
        prior, denoiser = self._row_law()
        sigmas = self._likelihood_grid()
        noisy = [encode(denoiser, rows, sigmas) for rows in Z[whole].split(CHUNK_ROWS)]
        U = torch.full_like(Z, torch.nan)
        U[whole] = (torch.cat(noisy) - prior.mean) / self._noised_std(prior)
        return U.cpu().numpy()

    def inverse_transform(self, U):
        """Return the rows that codes stand for, the inverse of `transform`.

        Numbers are clipped to the range seen in `fit`, as in `sample`.

        Parameters
        ----------
        U : array-like of shape (n, n_codes)
            Codes.

        Returns
        -------
        X : ndarray or data frame of shape (n, n_features)
            The rows, in the container and with the data types of `fit`.
        """
        check_is_fitted(self)
        U = check_array(U, dtype=np.float64, input_name="U")
        if U.shape[1] != self.encoder_.n_codes_:
            raise ValueError(
                f"U has {U.shape[1]} columns, but rows have {self.encoder_.n_codes_} codes."
            )
        U = torch.from_numpy(U.copy()).to(self._device)
        prior, denoiser = self._row_law()
        noisy = prior.mean + U * self._noised_std(prior)
        sigmas = self._likelihood_grid()
        Z = torch.cat([decode(denoiser, rows, sigmas) for rows in noisy.split(CHUNK_ROWS)])
        return self.encoder_.inverse_transform(Z.cpu().numpy())

    @property
    def _n_features_out(self):
        return self.encoder_.n_codes_

    @property
    def _device(self):
        return self.gaussian_.means.device

    def _check_parameters(self):
        if self.baseline not in BASELINES:
            raise ValueError(f"baseline must be one of {BASELINES}, got {self.baseline!r}.")
        if not (callable(self.solver) or self.solver in SOLVERS):
            raise ValueError(
                f"solver must be a function or one of {sorted(SOLVERS)}, got {self.solver!r}."
            )
        if self.grid not in GRIDS:
            raise ValueError(f"grid must be one of {sorted(GRIDS)}, got {self.grid!r}.")
        get_schedule(self.schedule)
        for name in ("n_steps", "n_likelihood_steps"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{name} must be a positive whole number, got {value!r}.")
        if not np.isfinite(self.guidance_scale):
            raise ValueError(f"guidance_scale must be finite, got {self.guidance_scale!r}.")
        if not 0 < self.sigma_min < self.sigma_max < np.inf:
            raise ValueError(
                "sigma_min and sigma_max must satisfy 0 < sigma_min < sigma_max, "
                f"got {self.sigma_min!r} and {self.sigma_max!r}."
            )

    def _fit_codes(self, X, y, coupling, rng):
        """Fit the encoders; return the codes of rows and target, and which are the target's."""
        X = validate_table(self, X, reset=True, allow_missing=True)
        encoder = TableEncoder(
            categorical_features=self.categorical_features,
            numeric_transform=self.numeric_transform,
            ordinal_features=self.ordinal_features,
            min_frequency=self.min_frequency,
            handle_unknown=self.handle_unknown,
            missing_indicator=self.generate_missing,
        )
        self.encoder_ = coupling.fit_encoder(encoder, X, rng)
        codes = [self.encoder_.transform(X)]
        if len(codes[0]) < 2:
            raise ValueError("A law cannot be learned from n_samples=1: give at least 2 rows.")
        if self.encoder_.n_codes_ == 0:
            raise ValueError("Every column of X is constant: there is nothing to learn.")
        codes = [self.encoder_.dequantize(codes[0], rng)]
        self.encoder_, codes[0] = coupling.fit_codes(self.encoder_, codes[0], rng)
        self.target_encoder_ = None
        if y is not None:
            check_consistent_length(X, y)
            self.target_encoder_ = TargetEncoder(target=self.target).fit(y)
            own = self.target_encoder_.transform(y)
            codes.append(self.target_encoder_.encoder_.dequantize(own, rng))
        check_noise(self.data_noise, self.encoder_, coupling)
        is_target = np.repeat([False, True][: len(codes)], [Z.shape[1] for Z in codes])
        return np.concatenate(codes, axis=1), is_target

    def _closed_forms(self, coupling, is_target):
        """Return what fits the Gaussian and the baseline."""
        has_classes = self.target_encoder_ is not None and self.target_encoder_.is_categorical_
        return ClosedForms(
            self.baseline,
            sum(len(columns) for columns, _ in self.encoder_.level_blocks()),
            is_target if has_classes else np.zeros_like(is_target),
            coupling.numbers,
            coupling.n_factors,
        )

    def _draw_codes(self, denoiser, n, generator):
        """Draw rows of codes, with their target, by another denoiser."""
        free = Conditions(np.full((1, self.gaussian_.n_features), np.nan))
        integration = self._integration(self.sigma_min)._replace(guidance_scale=1.0)
        return draw(self._model(denoiser), integration, n, free, generator)[0]

    def _net(self, rng):
        """Return the unfitted net, with the noise of this sampler."""
        net = DenoiserNet() if self.denoiser is None else clone(self.denoiser)
        seed = rng.randint(2**31 - 1)
        return net.set_params(
            schedule=self.schedule,
            sigma_min=self.sigma_min,
            sigma_max=self.sigma_max,
            verbose=max(net.verbose, self.verbose),
            random_state=seed if net.random_state is None else net.random_state,
        )

    def _groups(self, is_target):
        """Return the table column of each code, counted without those that have none."""
        encoder = self.encoder_
        # an indicator may be known where its column is not
        own = encoder.groups_ + encoder.n_features_in_ * encoder.is_indicator_
        label = np.full(is_target.sum(), 2 * encoder.n_features_in_)
        return np.unique(np.concatenate([own, label]), return_inverse=True)[1]

    def _conditions(self, n_samples, y, conditions, return_y, rng):
        """Return the number of rows to draw, and what is settled about them and the target."""
        encoder = self.target_encoder_
        if encoder is None and (y is not None or return_y):
            raise ValueError("There is no target: this sampler was fitted without y.")
        for name, given in (("y", y), ("conditions", conditions)):
            if given is not None and np.ndim(given) > 0 and not isinstance(given, Mapping):
                if n_samples not in (1, len(given)):
                    raise ValueError(f"{name} has {len(given)} entries, but n_samples={n_samples}.")
                n_samples = len(given)
        check_count(n_samples, "n_samples")
        wanted = Conditions(np.full((1, self.encoder_.n_codes_), np.nan))
        if conditions is not None:
            if self.coupling_ == "latent":
                raise ValueError(
                    "Coordinates of an embedding cannot be conditioned on columns: fit with "
                    "coupling='project' or 'hierarchical'."
                )
            wanted = read_conditions(self.encoder_, conditions)
        if encoder is None:
            return n_samples, wanted, None
        if y is not None:
            y = np.full(n_samples, y) if np.ndim(y) == 0 else y
        elif encoder.is_categorical_ and conditions is None:
            y = encoder.classes_[spread(encoder.class_prior_, n_samples, rng)]
        target = Conditions(np.full((1, encoder.encoder_.n_codes_), np.nan))
        if y is not None:
            target = read_conditions(encoder.encoder_, encoder.known(y)[:, None])
        return n_samples, wanted, target

    def _model(self, denoiser=None):
        return CodeModel(
            self.denoiser_ if denoiser is None else denoiser,
            self.gaussian_,
            self.is_target_.to(self._device),
            self.sigma_min,
            self.sigma_max,
        )

    def _integration(self, lowest=None):
        solver = self.solver if callable(self.solver) else SOLVERS[self.solver]
        options = {"schedule": get_schedule(self.schedule)} if self.grid == "uniform" else {}
        lowest = self._clean(self.denoiser_).lowest if lowest is None else lowest
        sigmas = GRIDS[self.grid](lowest, self.sigma_max, self.n_steps, **options)
        return Integration(solver, sigmas, self.guidance_scale)

    def _generator(self, rng):
        return torch.Generator(self._device).manual_seed(int(rng.randint(2**31 - 1)))

    def _decode(self, codes, rng, wanted, target):
        """Return the rows of codes, and their targets, None without; settled cells as given."""
        is_target = self.is_target_.numpy()
        X = self.encoder_._decode(codes[:, ~is_target], rng, wanted.cells)
        if self.target_encoder_ is None:
            return X, None
        return X, self.target_encoder_._decode(codes[:, is_target], target.cells)

    def _likelihood_grid(self):
        return GRIDS["karras"](
            self.sigma_min, self.sigma_max, self.n_likelihood_steps, final_zero=False
        )

    def _codes(self, X):
        """Validate rows and code them."""
        check_is_fitted(self)
        X = validate_table(self, X, reset=False, allow_missing=True)
        return torch.from_numpy(self.encoder_.transform(X)).to(self._device)

    def _informative_codes(self, X):
        """Validate rows and code them, with NaN where a code says nothing about its cell."""
        Z = self._codes(X).cpu().numpy()
        Z[self.encoder_.void_codes(Z)] = np.nan
        return Z

    def _row_law(self, model=None):
        """Return the Gaussian and the denoiser of the rows, with the target unknown."""
        model = self._model() if model is None else model
        return marginal_law(model, ~model.is_target)

    def _noised_std(self, prior):
        variances = prior.cov if prior.is_diagonal else prior.cov.diagonal()
        return (variances + self.sigma_max**2).sqrt()
