"""The trainer: a skorch net whose ``infer`` and ``get_loss`` hold the denoising objective."""

import copy
from collections.abc import Callable, Sequence
from contextlib import suppress
from inspect import signature
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state
from skorch.callbacks import ProgressBar
from skorch.dataset import Dataset
from torch import Tensor, nn

from skdiffusion._utils.checks import check_weights
from skdiffusion._utils.torch_seed import LOCK, seeded_torch
from skdiffusion.diffusion.categories import Levels
from skdiffusion.diffusion.gaussians import GaussianDenoiser
from skdiffusion.diffusion.preconditioning import Preconditioned, Prepared, network_sizes
from skdiffusion.nets import ResidualMLP
from skdiffusion.training.adapted import AdaptedNet
from skdiffusion.training.batch_noise import draw_noise, generator_states
from skdiffusion.training.batches import RowBatches, check_fresh, pair_with_completions, split_rows
from skdiffusion.training.callbacks import EarlyStop, training_callbacks
from skdiffusion.training.lengths import check_parameters, max_epochs, steps_per_epoch
from skdiffusion.training.memory import step_in_parts
from skdiffusion.training.noise import NoiseLevels
from skdiffusion.training.objective import DenoisingLoss


class DenoiserNet(AdaptedNet):
    """A skorch net that trains a denoiser on rows of numbers.

    It is the place of every training option: :class:`~skdiffusion.DiffusionManifoldSampler`
    takes one, unfitted, as ``denoiser=``, so that ``denoiser__lr`` or ``denoiser__module__width``
    can be searched. All options of :class:`skorch.NeuralNet` work too: callbacks, such as
    :class:`~skdiffusion.training.TrainingCheckpoint`, and ``compile=True``. Several processes, and
    mixed precision, take :class:`~skdiffusion.training.DistributedDenoiserNet`.

    The weights that are kept are an exponential moving average. Its regularisers besides early
    stopping are ``module__dropout`` and ``optimizer__weight_decay``.

    Parameters
    ----------
    module : type or nn.Module, default=ResidualMLP
        The network, called as ``module(inputs, log_sigma)`` and built with ``n_inputs`` and
        ``n_outputs``, and where the latter is not the number of entries with ``n_entries``; see
        :class:`~skdiffusion.nets.ResidualMLP`.
    criterion : type, default=DenoisingLoss
        The loss.
    schedule : {"edm", "ve", "vp", "subvp", "cosine", "flow"}, default="edm"
        The process in whose time the noise levels are uniform; "edm" draws them log-normally.
    sigma_min, sigma_max : float, default=0.005 and 20.0
        Range of the noise levels, in standard deviations of the rows: small enough not to blur
        them, large enough to drown them.
    per_entry : float, default=0.5
        Share of the rows whose entries have different noise levels, from which the network learns
        to condition on any entries. With a target half as many rows are so noised, besides the
        70 % in which the target has a level of its own.
    given : sequence of int, default=()
        Positions of columns of the table that are always given, as conditions of draws: the
        others are learned given these alone, so that draws without them, and densities, are not
        the table's.
    patience : int or None, default=6
        Epochs without a better validation loss before training stops; None trains on.
    validation_fraction : float, default=0.1
        Share of the rows set aside for the validation loss, whose noise is fixed.
    steps_per_epoch : int or "auto", default="auto"
        Batches between two validations. "auto" is one pass over the rows, but 100 from 8,000 rows
        on, 50 for small tables and a quarter of the number of rows, at least 10, for tiny ones.
    max_epochs : int or "auto", default="auto"
        Validations, at most, over which the learning rate falls. "auto" is one for 50 rows, but 8
        up to 400 rows and 20 from 1,000 on: fewer rows are learned by heart sooner.
    max_time : float, default=inf
        Seconds after which training stops, with the epoch that is then over. Where they run out,
        the result depends on the machine.
    batch_size : int, default=256
        Rows per batch.
    lr : float, default=0.003
        Peak of the one-cycle learning rate.
    optimizer : type, default=torch.optim.AdamW
        The optimiser.
    device : str, default="auto"
        "auto" becomes "cuda" where there is one, else "cpu", when training starts.
    random_state : int, RandomState instance or None, default=None
        Source of initial weights, batches and noise. The global generators stay untouched.
    verbose : int, default=0
        1 shows a progress bar for each epoch.
    **kwargs
        Further options of :class:`skorch.NeuralNet`, but for those of batches and splits.

    Attributes
    ----------
    module_ : Preconditioned
        The trained denoiser.
    history_ : skorch.history.History
        Training and validation loss of each epoch; ``row_visits``, the rows trained on until then,
        each as often as it was; in the last, ``left_out``, the share of the epochs that `max_time`
        cut off.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import DenoiserNet
    >>> X = np.random.RandomState(0).normal(size=(64, 2))
    >>> net = DenoiserNet(max_epochs=2, random_state=0).fit(X)
    >>> len(net.history)
    2
    """

    # of an epoch, and of these; set by fit, and read by skorch before
    n_steps_ = n_epochs_ = 1
    initialized_: bool
    # one process trains, unless there are several: see distributed
    rank_, n_processes_ = 0, 1
    fixed_: Prepared | None

    def __init__(
        self,
        module: Any = ResidualMLP,
        criterion: Any = DenoisingLoss,
        *,
        schedule: str = "edm",
        sigma_min: float = 0.005,
        sigma_max: float = 20.0,
        per_entry: float = 0.5,
        given: Sequence[int] = (),
        patience: int | None = 6,
        validation_fraction: float = 0.1,
        steps_per_epoch: int | str = "auto",
        max_epochs: int | str = "auto",
        max_time: float = np.inf,
        batch_size: int = 256,
        lr: float = 3e-3,
        optimizer: Any = torch.optim.AdamW,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        **kwargs: Any,
    ):
        self.schedule = schedule
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.per_entry = per_entry
        self.given = given
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.steps_per_epoch = steps_per_epoch
        self.max_time = max_time
        self.random_state = random_state
        # rows to validate on are set aside by `validation_fraction`
        kwargs.setdefault("train_split", None)
        super().__init__(
            module,
            criterion,
            optimizer=optimizer,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            device=device,
            verbose=verbose,
            **kwargs,
        )

    def fit(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        sample_weight: ArrayLike | None = None,
        gaussian: GaussianDenoiser | None = None,
        baseline: nn.Module | None = None,
        groups: ArrayLike | None = None,
        target: ArrayLike | None = None,
        levels: Levels | None = None,
        completions: ArrayLike | None = None,
        fresh_rows: Callable[[int], ArrayLike] | None = None,
        **fit_params: Any,
    ) -> Self:
        """Train a fresh denoiser.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Rows in units of about one standard deviation; NaN where an entry is missing.
        y : Ignored
        sample_weight : array-like of shape (n,), default=None
            Weights of rows in the loss.
        gaussian : GaussianDenoiser, default=None
            What the network corrects; None is that of rows of mean zero and unit variance.
        baseline : nn.Module, default=None
            A denoiser in closed form, which the network is shown.
        groups : array-like of shape (d,), default=None
            The column of the table that each entry belongs to; None for one each.
        target : array-like of bool of shape (d,), default=None
            Entries of the target.
        levels : Levels, default=None
            Entries of categories.
        completions : array-like of shape (k, n, d), default=None
            Rows whose gaps are filled, k times; needed where entries are missing.
        fresh_rows : callable, default=None
            ``fresh_rows(epoch)``, called before each epoch but the first, whose number is 1,
            returns rows (m, d) without gaps, which take the place of those trained on. So a table
            need not fit in memory: `X` is its first part. The rows validated on stay those of `X`.
        **fit_params : dict
            Ignored, as what skorch hands to other networks.

        Returns
        -------
        self : DenoiserNet
        """
        # threads that fit one net do so one after the other
        with LOCK:
            check_parameters(self)
            self._set(np.shape(X)[1], gaussian, baseline, groups, target, levels)
            train_on = self.warm_start and self.initialized_
            return self._train(X, sample_weight, completions, fresh_rows, train_on)

    def _set(
        self, d: int, gaussian: Any, baseline: Any, groups: Any, target: Any, levels: Any
    ) -> None:
        columns = torch.arange(d) if groups is None else torch.as_tensor(groups)
        # what the rows tell about the denoiser before its training begins
        self.setting_ = SimpleNamespace(
            gaussian=gaussian or GaussianDenoiser(torch.zeros(d), torch.ones(d)),
            baseline=baseline,
            # the table column of each encoded feature, and whether it is the target's
            groups=columns.unique(return_inverse=True)[1],
            columns=columns,
            target=torch.zeros(d, dtype=torch.bool) if target is None else torch.as_tensor(target),
            given=torch.isin(columns, torch.as_tensor(np.atleast_1d(self.given))),
            levels=levels,
        )
        self.noise_ = NoiseLevels(
            self.sigma_min, self.sigma_max, self.schedule, self.per_entry, np.size(self.given) > 0
        )

    def partial_fit(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        sample_weight: ArrayLike | None = None,
        completions: ArrayLike | None = None,
        fresh_rows: Callable[[int], ArrayLike] | None = None,
        **fit_params: Any,
    ) -> Self:
        """Train on, with other rows: the network stays, the learning rate rises and falls again.

        Parameters are those of `fit`. A net that was not fitted is fitted, and one whose training
        is interrupted is fitted no longer. Weights are averaged afresh, and those are kept that are
        best for the new rows.

        Returns
        -------
        self : DenoiserNet
        """
        if not self.initialized_:
            extra: dict[str, Any] = {"completions": completions, "fresh_rows": fresh_rows}
            return self.fit(X, sample_weight=sample_weight, **extra)
        n_entries = len(self.setting_.groups)
        if np.ndim(X) != 2 or np.shape(X)[1] != n_entries:
            raise ValueError(f"X has shape {np.shape(X)}; fit saw {n_entries} columns.")
        with LOCK:
            check_parameters(self)
            return self._train(X, sample_weight, completions, fresh_rows, train_on=True)

    def _train(
        self, X: Any, sample_weight: Any, completions: Any, fresh_rows: Any, train_on: bool
    ) -> Self:
        X, weights = np.array(X, dtype=np.float32), None
        if fresh_rows is not None and sample_weight is not None:
            raise ValueError("fresh_rows have no weights: leave out sample_weight.")
        if sample_weight is not None:
            share = check_weights(sample_weight, len(X))
            weights = torch.from_numpy(share / share.mean())
        rows = torch.from_numpy(pair_with_completions(X, completions))
        n_here = -(-len(X) // self.n_processes_)
        self.n_steps_, self.n_epochs_ = steps_per_epoch(self, n_here), max_epochs(self, len(X))
        self.fresh_rows_, self.fixed_, self.n_parts_, self.share_ = fresh_rows, None, 1, 1.0
        self.patterns_, self.n_batches_ = torch.empty(0), 0
        self.n_before_ = len(self.history) if train_on else 0
        # the same in all processes
        seed = torch.tensor(check_random_state(self.random_state).randint(2**31 - 1))
        self.seed_ = int(self.gathered(seed.to(self.device))[0]) + self.n_before_
        with seeded_torch(self.seed_, self.device):
            if train_on:
                # they know of the learning rate and the number of steps
                self.initialize_callbacks()
            else:
                self.initialize()
            self._run(rows, weights)
        return self

    def _run(self, rows: Tensor, weights: Tensor | None) -> None:
        """Train until an early stop; an interruption, which skorch takes for one, is raised."""
        try:
            self.notify("on_train_begin", X=rows, y=weights)
            with suppress(EarlyStop):
                # a checkpoint brings epochs with it
                n_done = len(self.history) - self.n_before_
                self.fit_loop(rows, weights, epochs=self.n_epochs_ - n_done)
            self.notify("on_train_end", X=rows, y=weights)
        except BaseException:
            self.initialized_ = False
            del self.module_
            raise

    def denoiser(self, dtype: torch.dtype = torch.float64) -> nn.Module:
        """Return a copy on the CPU, without gradients, in double precision but for the network."""
        module = copy.deepcopy(self.module_).cpu().double().eval().requires_grad_(False)
        module.net.to(dtype)
        return module

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        n_steps = self.n_epochs_ * self.n_steps_
        callbacks = training_callbacks(self.lr, n_steps, self.patience, self.max_time)
        if not self.verbose:
            return callbacks
        # first, as an early stop keeps the callbacks after it from closing their bar
        return [("progress", ProgressBar(self.n_steps_ + 1)), *callbacks]

    def get_iterator(self, dataset: Dataset, training: bool = False) -> RowBatches:
        """Return shuffled batches to train on, or one batch to validate on."""
        if training:
            return RowBatches(dataset, self.batch_size, self.n_steps_)
        return RowBatches(dataset, -1)

    def run_single_epoch(self, iterator: Any, training: bool, **kwargs: Any) -> Any:
        """Run an epoch: training moves the weights, validation judges their average."""
        if training or iterator is None:
            return super().run_single_epoch(iterator, training, **kwargs)
        with dict(self.callbacks_)["average"].applied():
            return super().run_single_epoch(iterator, training, **kwargs)

    def initialize_module(self) -> Self:
        """Make the network a denoiser, which corrects the Gaussian's."""
        setting = self.setting_
        takes_columns = "columns" in signature(self.module).parameters
        columns = setting.columns if takes_columns else None
        parts = setting.gaussian, setting.baseline, setting.levels, columns
        options = network_sizes(*parts) | self.get_params_for("module")
        net = self.initialized_instance(self.module, options)
        self.module_ = Preconditioned(net, *parts)
        return self

    def get_split_datasets(
        self, X: Tensor, y: Tensor | None = None, **fit_params: Any
    ) -> tuple[Dataset, Dataset | None]:
        """Split rows, and their weights, into those to train on and those to validate on."""
        return split_rows(X.to(self.device), y, self.validation_fraction)

    def on_epoch_begin(self, net: Any, dataset_train: Any = None, **kwargs: Any) -> None:
        """Start an epoch, with other rows where there are fresh ones."""
        super().on_epoch_begin(net, dataset_train=dataset_train, **kwargs)
        if self.fresh_rows_ is not None and len(self.history) > self.n_before_ + 1:
            epoch, n_entries = len(self.history) - self.n_before_, len(self.setting_.groups)
            rows = check_fresh(self.fresh_rows_(epoch), n_entries)
            dataset_train.X = rows.to(self.device)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Note how many rows were trained on, each as often as it was."""
        n_done = len(self.history) - self.n_before_
        n_visits = n_done * self.n_steps_ * self.batch_size * self.n_processes_
        self.history.record("row_visits", n_visits)
        self.history.record("left_out", 0.0)

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Forget the noisy rows of the validation, and the noise levels of the last batches."""
        self.fixed_, self.patterns_, self.fresh_rows_ = None, torch.empty(0), None

    def add_noise(self, x0: Tensor, noise: tuple[Tensor, Tensor] | None = None) -> Prepared:
        """Noise clean rows and do all that precedes the network."""
        sigma, normal = noise or draw_noise(self, x0)
        # what was filled in is seen like any other entry; only the loss knows of gaps
        x0 = x0 if x0.dim() == 2 else x0[:, 1]
        with torch.no_grad():
            return self.module_.prepare(x0 + sigma * normal, sigma)

    def validation_noise(self, x0: Tensor) -> Prepared:
        """Return the noisy rows of the validation, the same in every epoch."""
        if self.fixed_ is None:
            # a checkpoint draws them again
            self.before_fixed_ = generator_states(self)
            self.fixed_ = self.add_noise(x0)
        return self.fixed_

    def gathered(self, value: Tensor) -> Tensor:
        """Return what each process that trains has, one below the other."""
        return value.unsqueeze(0)

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Return the loss of a batch, whose gradients it adds; in parts if memory runs out."""
        return step_in_parts(self, super().train_step_single, batch)

    def infer(
        self, x0: Tensor, noise: tuple[Tensor, Tensor] | None = None, **fit_params: Any
    ) -> tuple[Prepared, Tensor]:
        """Noise the rows, afresh in training and as ever in validation, and run the network."""
        training = self.module_.training
        prepared = self.add_noise(x0, noise) if training else self.validation_noise(x0)
        return prepared, self.module_.correction(prepared)

    def get_loss(
        self,
        y_pred: tuple[Prepared, Tensor],
        y_true: Tensor,
        X: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        """Return the denoising loss of a batch, whose weights take the place of a target."""
        prepared, correction = y_pred
        x0 = X if X is None or X.dim() == 2 else X[:, 0]
        weights = y_true if y_true.numel() else None
        # less than one for a part of a batch
        return self.share_ * self.criterion_(x0, self.module_, prepared, correction, weights)
