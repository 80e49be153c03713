"""The trainer of autoencoders, on skorch."""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from skorch.dataset import Dataset
from torch import Tensor, nn

from skdiffusion.nets.autoencoder import Autoencoder
from skdiffusion.training.averaged import AveragedNet

__all__ = ["AutoencoderNet"]

STEPS_PER_EPOCH = 50
VALIDATION_FRACTION = 0.1
DEFAULTS = {"lr": 1e-2, "optimizer": torch.optim.AdamW, "train_split": None, "verbose": 0}


class AutoencoderNet(AveragedNet):
    """A skorch net that learns to reconstruct rows of numbers through a few components."""

    ema_decay = 0.99

    def __init__(
        self,
        module: Any = Autoencoder,
        criterion: Any = nn.MSELoss,
        *,
        input_noise: float = 0.05,
        patience: int | None = 10,
        random_state: int | np.random.RandomState | None = None,
        **kwargs: Any,
    ):
        self.input_noise = input_noise
        self.patience = patience
        self.random_state = random_state
        super().__init__(module, criterion, **DEFAULTS | kwargs)

    def fit(self, X: ArrayLike, y: Any = None, **fit_params: Any) -> Self:
        """Train a fresh autoencoder."""
        rows = torch.from_numpy(np.array(X, dtype=np.float32))
        # in a tuple, as skorch would take a bare tensor for one that it has to watch
        self.setting_: tuple[Tensor, ...] = (rows,)
        self.n_steps_ = STEPS_PER_EPOCH
        try:
            with self._own_randomness():
                super().fit(rows, None, **fit_params)
        finally:
            self.setting_ = ()
        return self

    def autoencoder(self) -> nn.Module:
        """Return the trained autoencoder, in double precision and without gradients."""
        return self._trained_module()

    def initialize_module(self) -> Self:
        """Build the network, and start it at the principal components."""
        (rows,) = self.setting_
        options = {"n_inputs": rows.shape[1], **self.get_params_for("module")}
        self.module_: Any = self.initialized_instance(self.module, options)
        self.module_.start_at_principal_components(rows)
        return self

    def get_split_datasets(
        self, X: Tensor, y: Any = None, **fit_params: Any
    ) -> tuple[Dataset, Dataset | None]:
        """Split rows into those to train on and those to validate on."""
        X = X.to(self.device)
        n_valid = int(VALIDATION_FRACTION * len(X))
        order = torch.randperm(len(X)).to(X.device)
        train = Dataset(X[order[n_valid:]])
        return train, Dataset(X[order[:n_valid]]) if n_valid >= 2 else None

    def infer(self, x: Tensor, **fit_params: Any) -> Any:
        """Reconstruct rows, in training from noisy ones."""
        if self.module_.training and self.input_noise:
            x = x + self.input_noise * torch.randn_like(x)
        return self.module_(x)

    def get_loss(
        self, y_pred: Tensor, y_true: Tensor, X: Tensor | None = None, training: bool = False
    ) -> Tensor:
        """Return the error of a batch's reconstruction."""
        loss: Tensor = self.criterion_(y_pred, X)
        return loss
