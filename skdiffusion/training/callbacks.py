"""A skorch callback that averages weights and ends training when their average no longer gains."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from skorch.callbacks import Callback
from torch import Tensor

__all__ = ["AveragedEarlyStopping", "EarlyStop"]


class EarlyStop(KeyboardInterrupt):
    """Ends training as skorch expects it; a KeyboardInterrupt that no user has sent."""


class AveragedEarlyStopping(Callback):
    """Keep an exponential moving average of the weights, and the best of it by validation loss."""

    def __init__(self, decay: float, patience: int | None):
        self.decay = decay
        self.patience = patience

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Start the average at the initial weights."""
        self.best_loss_, self.best_epoch_ = math.inf, 0
        self.best_weights_: list[Tensor] | None = None
        self.count_ = 0
        self.weights_ = list(net.module_.net.parameters())
        self.averages_ = _copies(self.weights_)

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
        self, net: Any, batch: Any = None, training: bool = False, **kwargs: Any
    ) -> None:
        """Update the average after a training step."""
        if training:
            decay = min(self.decay, (1 + self.count_) / (10 + self.count_))
            torch._foreach_lerp_(self.averages_, self.weights_, 1 - decay)
            self.count_ += 1

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Remember the best average; stop when there was none for long."""
        epoch = net.history[-1]
        loss = epoch.get("valid_loss")
        if loss is None:
            return
        net.history.record("valid_loss_best", loss < self.best_loss_)
        if loss < self.best_loss_:
            self.best_loss_, self.best_epoch_ = loss, epoch["epoch"]
            self.best_weights_ = _copies(self.averages_)
        elif self.patience is not None and epoch["epoch"] - self.best_epoch_ >= self.patience:
            raise EarlyStop

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Leave the best average in the network."""
        self._write(self.best_weights_ or self.averages_)
        del self.weights_, self.averages_, self.best_weights_


def _copies(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in tensors]
