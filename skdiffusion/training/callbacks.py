"""Callbacks of training: averaged weights, early stopping by them, and the learning rate."""

import math
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback, GradientNormClipping, LRScheduler, PassthroughScoring
from torch import Tensor

# of the averaged weights
DECAY = 0.995
# times the loss of the first batch: more than chance makes of training that gains nothing
DIVERGED = 3.0
# of averages, for a checkpoint
STATE = ("averages_", "best_weights_", "best_loss_", "best_epoch_", "count_")


class EarlyStop(Exception):
    """Ends training before its last epoch."""


class AveragedEarlyStopping(Callback):
    """Keep an exponential moving average of the weights, and the best of it by validation loss."""

    def __init__(self, patience: int | None):
        self.patience = patience

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Start the average at the initial weights."""
        self.best_loss_, self.best_epoch_ = math.inf, 0
        self.best_weights_: list[Tensor] | None = None
        self.count_ = 0
        self.weights_ = list(net.module_.net.parameters())
        self.averages_, self.untrained_ = _copies(self.weights_), _copies(self.weights_)

    def get_state(self) -> dict[str, Any]:
        """Return what a checkpoint holds of the averages."""
        return {name: getattr(self, name) for name in STATE}

    @torch.no_grad()
    def set_state(self, state: dict[str, Any]) -> None:
        """Go on with the averages of a checkpoint."""
        torch._foreach_copy_(self.averages_, state["averages_"])
        for name in STATE[1:]:
            setattr(self, name, state[name])
        if self.best_weights_ is not None:
            pairs = zip(self.best_weights_, self.weights_, strict=True)
            self.best_weights_ = [best.to(own.device) for best, own in pairs]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the network its averaged weights for the time of a block."""
        own = _copies(self.weights_)
        self._write(self.averages_)
        try:
            yield
        finally:
            self._write(own)

    @torch.no_grad()
    def _write(self, values: list[Tensor]) -> None:
        torch._foreach_copy_(self.weights_, values)

    @torch.no_grad()
    def on_batch_end(
        self,
        net: Any,
        batch: Any = None,
        training: bool = False,
        **kwargs: Any,
    ) -> None:
        """Update the average after a training step."""
        if training:
            decay = min(DECAY, (1 + self.count_) / (10 + self.count_))
            torch._foreach_lerp_(self.averages_, self.weights_, 1 - decay)
            self.count_ += 1

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Remember the best average; stop when there was none for long."""
        epoch = net.history[-1]
        loss = epoch.get("valid_loss")
        if loss is None:
            return
        net.history.record("valid_loss_best", bool(loss < self.best_loss_))
        if loss < self.best_loss_:
            self.best_loss_, self.best_epoch_ = float(loss), epoch["epoch"]
            self.best_weights_ = _copies(self.averages_)
        elif self.patience is not None and epoch["epoch"] - self.best_epoch_ >= self.patience:
            raise EarlyStop

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Leave the best average in the network; one that diverged is worse than no training."""
        best, epoch = self.best_weights_ or self.averages_, net.history[-1]
        # of the initial weights
        first = net.history[net.n_before_, "batches", 0, "train_loss"]
        last = epoch.get("valid_loss", epoch.get("train_loss", 0.0))
        reached = last if self.best_weights_ is None else self.best_loss_
        if not reached <= DIVERGED * first:
            message = (
                f"The training of the network diverged: its loss went from {first:.3g} "
                f"to {reached:.3g}. Lower its learning rate, lr={net.lr}."
            )
            if not math.isfinite(reached):
                raise ValueError(message)
            warnings.warn(message + " It counts for nothing.", ConvergenceWarning, stacklevel=2)
            best = self.untrained_
        self._write(best)
        del self.weights_, self.averages_, self.untrained_, self.best_weights_


class TimeLimit(Callback):
    """Stop where one more epoch would take longer than so many seconds in all."""

    def __init__(self, seconds: float):
        self.seconds = seconds

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Look at the clock."""
        self.start_, self.n_epochs_ = time.monotonic(), 0

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Look again."""
        elapsed = time.monotonic() - self.start_
        self.n_epochs_ += 1
        over = torch.tensor(elapsed * (1 + 1 / self.n_epochs_) > self.seconds, device=net.device)
        # clocks of processes differ
        if net.gathered(over).any():
            n_done = len(net.history) - net.n_before_
            net.history.record("left_out", 1 - n_done / net.n_epochs_)
            raise EarlyStop


def _copies(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in tensors]


def training_callbacks(
    lr: float, n_steps: int, patience: int | None, max_time: float
) -> list[tuple[str, Any]]:
    """Return what every training has."""
    schedule = LRScheduler(
        torch.optim.lr_scheduler.OneCycleLR,
        step_every="batch",
        max_lr=lr,
        # one step more than taken: the policy refuses to step past its end, and has to rise for
        # more than its first step
        total_steps=max(n_steps + 1, 11),
        pct_start=0.1,
        # from the start, whatever was trained before
        last_epoch=-1,
    )
    return [
        ("train_loss", PassthroughScoring("train_loss", on_train=True)),
        ("valid_loss", PassthroughScoring("valid_loss")),
        ("average", AveragedEarlyStopping(patience)),
        ("time", TimeLimit(max_time)),
        ("clip", GradientNormClipping(1.0)),
        ("lr_scheduler", schedule),
    ]
