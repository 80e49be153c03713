"""What the trainers share: randomness of their own, averaged weights, and early stopping."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils import check_random_state
from skorch import NeuralNet
from skorch.callbacks import GradientNormClipping, LRScheduler, PassthroughScoring, ProgressBar
from skorch.dataset import Dataset
from torch import Tensor, nn

from skdiffusion.training.batches import RowBatches
from skdiffusion.training.callbacks import AveragedEarlyStopping, EarlyStop

__all__ = ["AveragedNet"]


class AveragedNet(NeuralNet):
    """A skorch net with averaged weights, early stopping and its own `random_state`."""

    random_state: int | np.random.RandomState | None
    ema_decay: float
    patience: int | None
    clip_grad_norm: float = 1.0
    # of an epoch; set by fit, and read by skorch before
    n_steps_ = 1

    def get_params(self, deep: bool = True, **kwargs: Any) -> dict[str, Any]:
        """Return the parameters, as :class:`skorch.NeuralNet` does but for its own records."""
        params = super().get_params(deep=deep, **kwargs)
        # a set in skorch's list, whose order in a repr would change from process to process
        params.pop("_params_to_validate", None)
        return params

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        callbacks = [
            ("train_loss", PassthroughScoring("train_loss", on_train=True)),
            ("valid_loss", PassthroughScoring("valid_loss")),
            ("average", AveragedEarlyStopping(self.ema_decay, self.patience)),
            ("clip", GradientNormClipping(self.clip_grad_norm)),
            ("lr_scheduler", self._one_cycle()),
        ]
        if not self.verbose:
            return callbacks
        # first, as an early stop keeps the callbacks after it from closing their bar
        return [("progress", ProgressBar(self.n_steps_ + 1)), *callbacks]

    def _one_cycle(self) -> LRScheduler:
        # one step more than taken: the policy refuses to step past its end, and has to rise for
        # more than its first step
        n_steps = max(self.max_epochs * self.n_steps_ + 1, 11)
        policy = torch.optim.lr_scheduler.OneCycleLR
        return LRScheduler(
            policy, step_every="batch", max_lr=self.lr, total_steps=n_steps, pct_start=0.1
        )

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

    def notify(self, method_name: str, **kwargs: Any) -> None:
        """Call the callbacks, which end a training by a KeyboardInterrupt after an epoch."""
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt as error:
            if method_name != "on_epoch_end":
                raise
            raise EarlyStop from error

    def fit_loop(self, X: Tensor, y: Any = None, **fit_params: Any) -> Self:
        """Train, and tell an early stop from an interruption, which skorch takes as one."""
        self.interrupted_ = False
        try:
            return super().fit_loop(X, y, **fit_params)
        except EarlyStop:
            return self
        except KeyboardInterrupt:
            self.interrupted_ = True
            raise

    def partial_fit(self, X: Tensor, y: Any = None, classes: Any = None, **fit_params: Any) -> Self:
        """Train on; an interruption by the user is raised, not swallowed."""
        super().partial_fit(X, y, classes=classes, **fit_params)
        if self.interrupted_:
            self.initialized_ = False
            del self.module_
            raise KeyboardInterrupt
        return self

    def run_single_epoch(self, iterator: Any, training: bool, **kwargs: Any) -> Any:
        """Run an epoch: training moves the weights, validation judges their average."""
        if training or iterator is None:
            return super().run_single_epoch(iterator, training, **kwargs)
        with dict(self.callbacks_)["average"].applied():
            return super().run_single_epoch(iterator, training, **kwargs)

    @contextmanager
    def _own_randomness(self) -> Iterator[None]:
        """Draw from `random_state` in a block; torch's global generators stay untouched."""
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield

    def _trained_module(self) -> nn.Module:
        """Return a copy of the module on the CPU, in double precision and without gradients."""
        return copy.deepcopy(self.module_).cpu().double().eval().requires_grad_(False)
