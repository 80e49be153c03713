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
from skorch import NeuralNet
from skorch.callbacks import ProgressBar
from skorch.dataset import Dataset
from torch import Tensor, nn

from skdiffusion._utils.checks import check_weights
from skdiffusion._utils.torch_seed import seeded_torch
from skdiffusion.diffusion.categories import Levels
from skdiffusion.diffusion.gaussians import GaussianDenoiser
from skdiffusion.diffusion.preconditioning import Preconditioned, Prepared, network_sizes
from skdiffusion.nets import ResidualMLP
from skdiffusion.training.batches import RowBatches, check_fresh, pair_with_completions
from skdiffusion.training.callbacks import EarlyStop, training_callbacks
from skdiffusion.training.lengths import check_parameters, max_epochs, steps_per_epoch
from skdiffusion.training.noise import NoiseLevels
from skdiffusion.training.objective import DenoisingLoss

# of noise levels in a batch, and batches that share them: closed forms are factorised once for each
N_PATTERNS, N_BATCHES = 32, 4
# from so many columns on matrices are dear, and patterns half as many
WIDE = 33
# validation rows are repeated with other noise up to this many, for a loss of low variance
N_VALIDATION = 1024


class DenoiserNet(NeuralNet):
    """A skorch net that trains a denoiser on rows of numbers.

    It is the place of every training option: :class:`~skdiffusion.DiffusionManifoldSampler`
    takes one, unfitted, as ``denoiser=``, so that ``denoiser__lr`` or ``denoiser__module__width``
    can be searched. All options of :class:`skorch.NeuralNet` work too: callbacks, ``compile=True``,
    and mixed precision by deriving from ``skorch.hf.AccelerateMixin`` and this class.

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
        Training and validation loss of each epoch.

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
    fresh_rows_: Callable[[int], ArrayLike] | None = None

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
            Ignored.

        Returns
        -------
        self : DenoiserNet
        """
        check_parameters(self)
        X = np.array(X, dtype=np.float32)
        n, d = X.shape
        if fresh_rows is not None and sample_weight is not None:
            raise ValueError("fresh_rows have no weights: leave out sample_weight.")
        self.fresh_rows_, weights = fresh_rows, None
        if sample_weight is not None:
            share = check_weights(sample_weight, n)
            weights = torch.from_numpy(share / share.mean())
        rows = torch.from_numpy(pair_with_completions(X, completions))
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
        self.n_steps_, self.n_epochs_ = steps_per_epoch(self, n), max_epochs(self, n)
        self.noise_ = NoiseLevels(
            self.sigma_min, self.sigma_max, self.schedule, self.per_entry, np.size(self.given) > 0
        )
        self.patterns_, self.n_batches_ = torch.empty(0), 0
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        with seeded_torch(seed, self.device):
            super().fit(rows, weights, **fit_params)
        return self

    def partial_fit(self, X: Tensor, y: Any = None, classes: Any = None, **fit_params: Any) -> Self:
        """Train on until an early stop; an interruption, which skorch takes for one, is raised."""
        if not self.initialized_:
            self.initialize()
        self.notify("on_train_begin", X=X, y=y)
        try:
            with suppress(EarlyStop):
                self.fit_loop(X, y, epochs=self.n_epochs_, **fit_params)
            self.notify("on_train_end", X=X, y=y)
        except BaseException:
            self.initialized_ = False
            del self.module_
            raise
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """As in skorch 1.3; before, what had been set counted as fitted."""
        return getattr(self, "initialized_", False)

    def notify(self, method_name: str, **kwargs: Any) -> None:
        """Call the callbacks; a KeyboardInterrupt of theirs after an epoch is an early stop."""
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt as error:
            if method_name != "on_epoch_end":
                raise
            raise EarlyStop from error

    def denoiser(self, dtype: torch.dtype = torch.float64) -> nn.Module:
        """Return a copy on the CPU, without gradients, in double precision but for the network."""
        module = copy.deepcopy(self.module_).cpu().double().eval().requires_grad_(False)
        module.net.to(dtype)
        return module

    def get_params(self, deep: bool = True, **kwargs: Any) -> dict[str, Any]:
        """Return the parameters, as :class:`skorch.NeuralNet` does but for its own records."""
        params = super().get_params(deep=deep, **kwargs)
        # a set in skorch's list, whose order in a repr would change from process to process
        params.pop("_params_to_validate", None)
        # as it was given: skorch reads what "auto" stands for
        params["device"] = vars(self)["device"]
        return params

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        n_steps = self.n_epochs_ * self.n_steps_
        callbacks = training_callbacks(self.lr, n_steps, self.patience, self.max_time)
        if not self.verbose:
            return callbacks
        # first, as an early stop keeps the callbacks after it from closing their bar
        return [("progress", ProgressBar(self.n_steps_ + 1)), *callbacks]

    def get_params_for_optimizer(self, *args: Any, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Return the optimiser's options; AdamW is fused unless told otherwise."""
        args, kwargs = super().get_params_for_optimizer(*args, **kwargs)
        if self.optimizer is torch.optim.AdamW:
            kwargs.setdefault("fused", True)
        return args, kwargs

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

    @property
    def device(self) -> str:
        """Where the net trains; "auto" is looked up, not replaced, as fit leaves parameters."""
        device = self.__dict__["device"]
        if device != "auto":
            return device
        return "cuda" if torch.cuda.is_available() else "cpu"

    @device.setter
    def device(self, value: str) -> None:
        self.__dict__["device"] = value

    def __setstate__(self, state: dict[str, Any]) -> None:
        # skorch moves the weights to the device by its name, of which "auto" is none
        asked = self.device = state["device"]
        super().__setstate__(state | {"device": self.device})
        self.device = asked

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

    def torch_compile(self, module: Any, name: str) -> Any:
        """Compile the network alone; closed forms gain nothing from it."""
        if self.compile and name == "module":
            module.net = super().torch_compile(module.net, name)
        return module

    def get_split_datasets(
        self, X: Tensor, y: Tensor | None = None, **fit_params: Any
    ) -> tuple[Dataset, Dataset | None]:
        """Split rows, and their weights, into those to train on and those to validate on."""
        X = X.to(self.device)
        # rows with completions come several times, each time completed otherwise
        copies = X.unsqueeze(0) if X.dim() == 2 else X
        n = copies.shape[1]
        n_valid = int(self.validation_fraction * n)
        order = torch.randperm(n, device=X.device)
        taught, held_out = order[n_valid:], order[:n_valid]
        weights = None if y is None else y.to(X.device)
        self.fixed_: Prepared | None = None
        train = Dataset(
            copies[:, taught].flatten(0, 1),
            None if weights is None else weights[taught].repeat(len(copies)),
        )
        if n_valid < 2:
            return train, None
        repeated = held_out.repeat(-(-N_VALIDATION // n_valid))[: 2 * N_VALIDATION]
        weights = None if weights is None else weights[repeated]
        return train, Dataset(copies[0, repeated], weights)

    def on_epoch_begin(self, net: Any, dataset_train: Any = None, **kwargs: Any) -> None:
        """Start an epoch, with other rows where there are fresh ones."""
        super().on_epoch_begin(net, dataset_train=dataset_train, **kwargs)
        if self.fresh_rows_ is not None and len(self.history) > 1:
            rows = check_fresh(self.fresh_rows_(len(self.history)), len(self.setting_.groups))
            dataset_train.X = rows.to(self.device)

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Forget the noisy rows of the validation, and the noise levels of the last batches."""
        self.fixed_, self.patterns_, self.fresh_rows_ = None, torch.empty(0), None

    def add_noise(self, x0: Tensor) -> Prepared:
        """Noise clean rows and do all that precedes the network."""
        # equally many rows for each pattern, and no pattern drawn in vain
        n_rows = -(-len(x0) // (N_PATTERNS if x0.shape[1] < WIDE else N_PATTERNS // 2))
        if self.n_batches_ % N_BATCHES == 0 or n_rows * len(self.patterns_) < len(x0):
            setting, n_patterns = self.setting_, -(-len(x0) // n_rows)
            patterns = self.noise_.draw(n_patterns, setting.groups, setting.target)
            self.patterns_ = torch.where(setting.given, self.sigma_min, patterns).to(x0)
            self.n_batches_ = 0
        self.n_batches_ += 1
        sigma = self.patterns_.repeat_interleave(n_rows, dim=0)[: len(x0)]
        # what was filled in is seen like any other entry; only the loss knows of gaps
        x0 = x0 if x0.dim() == 2 else x0[:, 1]
        with torch.no_grad():
            return self.module_.prepare(x0 + sigma * torch.randn_like(x0), sigma)

    def infer(self, x0: Tensor, **fit_params: Any) -> tuple[Prepared, Tensor]:
        """Noise the rows, afresh in training and as ever in validation, and run the network."""
        if self.module_.training:
            prepared = self.add_noise(x0)
        else:
            prepared = self.fixed_ = self.fixed_ or self.add_noise(x0)
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
        return self.criterion_(x0, self.module_, prepared, correction, weights)
