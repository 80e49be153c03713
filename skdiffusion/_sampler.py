"""`DiffusionManifoldSampler`: learn a table, then draw, score and encode rows."""

from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch

from skdiffusion._base import TableModel
from skdiffusion._utils.checks import COUNT, Interval, Seed, StrOptions
from skdiffusion.closed_forms.fitted_prior import fit_levels, fit_prior
from skdiffusion.closed_forms.gap_filling import draw_completions, without_gross_cells
from skdiffusion.diffusion import SOLVERS
from skdiffusion.geometry import noise_level
from skdiffusion.manifold.coupling import couple, decide_geometry, fit_encoder, read_plan
from skdiffusion.manifold.robustness import encoded_noise, inlier_rows
from skdiffusion.model.drawing import Sampling
from skdiffusion.model.encoded import merge_copies
from skdiffusion.model.starts import fit_starts
from skdiffusion.model.table_model import Model
from skdiffusion.tables.frames import read_table, take
from skdiffusion.training.lengths import check_parameters, max_epochs
from skdiffusion.training.net import DenoiserNet

N_PROBES = 16
MAX_ROWS = 2000
# rows of `fit`: one pass over them in each epoch is a thousand steps
MAX_FIT_ROWS = 256_000


class DiffusionManifoldSampler(TableModel):
    """Diffusion model of a table: draws rows, scores them and encodes them.

    The table is encoded as numbers, a denoiser is trained on these, and everything else follows
    from that one denoiser: new rows by integrating from noise, conditional rows by keeping the
    known entries free of noise, log-densities and latents by the probability-flow equation.

    Parameters
    ----------
    denoiser : DenoiserNet or None, default=None
        Unfitted net: training, noise process and range of noise levels; None is ``DenoiserNet()``.
        Its parameters can be searched, such as ``denoiser__lr``.
    baseline : {"auto", "mixture", "gaussian"} or None, default="auto"
        Closed form that the network improves upon: a Gaussian or, with None, the standard normal.
        With "mixture" the network also sees what a mixture of Gaussians would answer. "auto" is
        that up to 32 encoded features besides those of classes, and "gaussian" above.
    solver : str or callable, default="dpmpp_2m"
        How to integrate from noise to rows, a name among
        :data:`skdiffusion.diffusion.SOLVERS` or a function like them.
    n_steps : int or None, default=None
        Number of solver steps; None is the solver's own number
        (:data:`skdiffusion.diffusion.N_STEPS`), of which draws that start from rows take those
        below their noise, at least 8.
    n_likelihood_steps : int, default=20
        Number of steps of the probability flow in `score_samples`, `transform` and
        `inverse_transform`, of four evaluations each.
    guidance_scale : float, default=1.0
        How strongly a given target, and given cells, act: 1 is the conditional distribution, more
        exaggerates what they imply, 0 ignores them.
    dcr_ratio : float or None, default=0.75
        How new draws are: their median distance to the closest record (DCR) of `fit`, relative to
        that of the rows of `fit` to one another. Draws start between such rows, with as much noise
        as that takes; where it would drown them, from rows that trees draw column by column; and
        from noise alone where numbers are given, or where even this comes nearer. Less follows the
        rows more closely, down to copies at 0. None starts all draws from noise: the distribution
        as the network knows it.
    encoder : TableEncoder or None, default=None
        Unfitted encoder of the columns; None is ``TableEncoder()``.
    target : {"auto", "categorical", "continuous"}, default="auto"
        What `y` is. "auto" takes text, booleans, and whole numbers of at most 20 values as
        classes.
    manifold : None, "auto" or estimator, default="auto"
        Whether account is taken of a manifold that the rows lie on. "auto" looks for one where all
        columns are numbers that hardly repeat, and uses it if draws come nearer to it. An
        estimator, such as :class:`sklearn.manifold.Isomap` or
        :class:`~skdiffusion.manifold.AutoencoderEmbedding`, is the manifold.
    coupling : {"auto", "latent", "project"}, default="auto"
        How a manifold takes part.

        - "latent": the model is of an embedding's coordinates, from which rows are decoded. Without
          an estimator it is an autoencoder of one dimension more than the rows seem to have.
        - "project": the model is of the rows. With an estimator drawn rows pass through its
          embedding; otherwise the denoiser itself keeps to local planes of the rows, so that
          scores, conditions and latents know of the manifold too.
        - "auto": "latent" for an estimator; for ``manifold="auto"`` "project", or nothing.
    data_noise : float, array-like of shape (n_features,) or "auto", default=0.0
        Standard deviation of noise that the rows of `fit` have, in the units of the columns, which
        have to be continuous. Drawn rows come without it, though too narrow where they are narrower
        than the noise, and `denoise` takes it off rows. "auto" estimates it as that across the
        manifold. Scores and latents are those of noisy rows.
    contamination : float, default=0.0
        Share of the rows that are outliers and left out of training: those that are farthest from
        their tenth neighbour.
    verbose : int, default=0
        1 shows progress bars while fitting, and while many rows are drawn or scored.
    random_state : int, RandomState instance or None, default=None
        Source of randomness of `fit`.

    Attributes
    ----------
    model_ : object
        The fitted model: encoder, denoiser, prior and range of noise levels.
    history_ : skorch.history.History
        Losses of the training.
    dcr_ratio_ : float
        The ratio that unconditional draws have. NaN where nothing is measured: with
        ``dcr_ratio=None``, below ten rows, or where most rows of `fit` have equals.
    coupling_ : {"none", "latent", "project"}
        How a manifold takes part.
    dimension_ : int or None
        Dimension of the manifold, or of the embedding; None where nothing was estimated.
    embedding_ : InvertibleEmbedding or None
        The fitted embedding of the numbers, if there is one.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns, where they all have one.
    n_rows_used_ : int
        Number of rows that were fitted: all that have weight, or a random sample; see the notes.

    See Also
    --------
    DenoiserNet : The training.
    sample_from : Samples from a pipeline that ends in this estimator.
    skdiffusion.manifold.interpolate : Paths along the manifold, and its geometry.

    Notes
    -----
    Of more than 256,000 rows a random sample of so many is fitted, with one row of each category:
    so the time of a fit has a bound, of a thousand steps an epoch. Where ``denoiser`` has
    `steps_per_epoch`, as many rows are taken as training visits, if these are more. Of frames and
    files infinite cells outside the sample go unseen, and the range of numbers is the sample's.

    The fitted model holds the rows that draws start from, at most 20,000: whoever has the model has
    these rows.

    Scoring is deterministic and treats each row by itself, in double precision. Above 32 encoded
    features it estimates a trace with random signs that are drawn in `fit` and shared by all rows.

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

    _parameter_constraints: ClassVar[dict] = {
        "baseline": [StrOptions({"auto", "mixture", "gaussian"}), None],
        "solver": [StrOptions(set(SOLVERS)), callable],
        "n_steps": [COUNT, None],
        "n_likelihood_steps": [COUNT],
        "guidance_scale": [Interval(Real, None, None, closed="neither")],
        "dcr_ratio": [Interval(Real, 0, None, closed="neither"), None],
        "contamination": [Interval(Real, 0, 1, closed="left")],
        "data_noise": [StrOptions({"auto"}), Real, "array-like"],
    }

    _default_denoiser = DenoiserNet()

    def __init__(
        self,
        *,
        denoiser: Any = None,
        baseline: Any = "auto",
        solver: str = "dpmpp_2m",
        n_steps: int | None = None,
        n_likelihood_steps: int = 20,
        guidance_scale: float = 1.0,
        dcr_ratio: Any = 0.75,
        encoder: Any = None,
        target: Any = "auto",
        manifold: Any = "auto",
        coupling: Any = "auto",
        data_noise: Any = 0.0,
        contamination: Any = 0.0,
        verbose: int = 0,
        random_state: Seed = None,
    ) -> None:
        self.denoiser = denoiser
        self.baseline = baseline
        self.solver = solver
        self.n_steps = n_steps
        self.n_likelihood_steps = n_likelihood_steps
        self.guidance_scale = guidance_scale
        self.dcr_ratio = dcr_ratio
        self.encoder = encoder
        self.target = target
        self.manifold = manifold
        self.coupling = coupling
        self.data_noise = data_noise
        self.contamination = contamination
        self.verbose = verbose
        self.random_state = random_state

    @property
    def model_(self) -> Any:
        """The fitted model, with the present parameters of sampling and of likelihoods."""
        return replace(super().model_, n_likelihood_steps=self.n_likelihood_steps)

    def _sampling(self):
        return Sampling(self.solver, self.n_steps, float(self.guidance_scale), self.verbose)

    def _check_parameters(self):
        super()._check_parameters()
        read_plan(self.manifold, self.coupling)

    @property
    def _most_rows(self):
        """Return the rows that training visits, where its steps are given; else many."""
        net = DenoiserNet() if self.denoiser is None else self.denoiser
        check_parameters(net)
        if net.steps_per_epoch == "auto":
            return MAX_FIT_ROWS
        n_steps = net.steps_per_epoch * max_epochs(net, MAX_FIT_ROWS)
        return max(MAX_FIT_ROWS, net.batch_size * n_steps)

    def _encode(self, X, y, sample_weight, rng):
        if self.contamination:
            kept = inlier_rows(self._unfitted_encoder(), X, read_table(X), self.contamination)
            X, y, sample_weight = take(kept, X, y, sample_weight)
        return super()._encode(X, y, sample_weight, rng)

    def _fit_encoder(self, X, columns, sample_weight, rng):
        plan = read_plan(self.manifold, self.coupling)
        unfitted = self._unfitted_encoder()
        encoder, measured = fit_encoder(unfitted, X, columns, sample_weight, plan, rng)
        noise = encoded_noise(self.data_noise, encoder, columns, plan.coupling)
        return encoder, measured._replace(noise=noise)

    def _fit_model(self, rows, rng):
        """Decide on the geometry, train the network beside closed forms, couple it to planes."""
        plan, rows = read_plan(self.manifold, self.coupling), merge_copies(rows)
        rows = replace(rows, Z=without_gross_cells(rows.Z, rows))
        geometry, rows = decide_geometry(rows, plan, rows.measured, rng)
        net, prior, filled = self._train(rows, geometry, rng)
        model = self._assemble(rows, net, prior, filled, rng)
        generator = torch.Generator().manual_seed(int(rng.randint(2**31 - 1)))

        def draw(denoiser, n):
            """Draw rows by a denoiser."""
            return replace(model, denoiser=denoiser).draw(n, generator)

        denoiser, geometry = couple(model.denoiser, draw, filled, geometry, net.sigma_min, rng)
        self.history_ = net.history
        self.coupling_, self.dimension_ = geometry.coupling, geometry.dimension
        self.embedding_ = geometry.embedding
        model = replace(
            model,
            denoiser=denoiser.to(net.device),
            prior=model.prior.to(net.device),
            noise=_noise_of(model, rows.measured.noise, geometry.dimension),
        )
        starts, self.dcr_ratio_ = fit_starts(model, rows, filled, self.dcr_ratio, rng)
        return replace(model, starts=starts)

    def _train(self, rows, geometry, rng):
        """Return the trained net, the Gaussian it starts from, and the rows without gaps."""
        completions, filled = None, rows.Z
        if np.isnan(rows.Z).any():
            completions = draw_completions(rows.Z, random_state=rng)
            filled = completions[0]
        prior, baseline = fit_prior(
            filled,
            geometry.numbers,
            geometry.n_factors,
            self.baseline,
            is_class=rows.is_class,
            random_state=rng,
            sample_weight=rows.weights,
        )
        net = self._net(rng).fit(
            rows.Z,
            gaussian=prior,
            baseline=baseline,
            groups=rows.columns,
            target=rows.is_target,
            levels=fit_levels(filled, rows.category_blocks, rows.weights),
            completions=completions,
            sample_weight=rows.weights,
        )
        return net, prior, filled

    def _assemble(self, rows, net, prior, filled, rng):
        """Return the model of a trained net, on the CPU, where planes are laid."""
        signs = 2.0 * rng.randint(2, size=(N_PROBES, rows.encoder.n_encoded_)) - 1.0
        return Model(
            rows.encoder,
            net.denoiser(torch.float32),
            prior.cpu(),
            net.sigma_min,
            net.sigma_max,
            rows.target_encoder,
            Sampling(self.solver, self.n_steps),
            self.n_likelihood_steps,
            torch.from_numpy(signs),
            rows=filled[rng.permutation(len(filled))[:MAX_ROWS]],
        )

    def _net(self, rng):
        """Return the unfitted net, seeded."""
        net = self._part("denoiser")
        seed = rng.randint(2**31 - 1)
        return net.set_params(
            verbose=max(net.verbose, self.verbose),
            random_state=seed if net.random_state is None else net.random_state,
        )


def _noise_of(model, noise, dimension):
    """Return the noise of encoded rows, measured across the manifold where it is "auto"."""
    if not isinstance(noise, str):
        return noise
    seen = model.rows[:, ~model.is_target]
    return np.full(seen.shape[1], noise_level(seen, dimension=dimension))
