"""The learned diffusion time: from which noise level a row seems to come."""

import copy
import math
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from skorch.callbacks import PassthroughScoring
from skorch.dataset import Dataset
from torch import Tensor, nn

from skdiffusion.diffusion.preconditioning import Preconditioned
from skdiffusion.training.averaged import AveragedNet

__all__ = ["TimeHead", "TimeNet"]

POSTERIORS = ("categorical", "inverse_gamma")
# rows noised by the largest level are far out; beyond this they are squashed
REACH = 20.0


class Setting(NamedTuple):
    """What is known before the training begins."""

    denoiser: Preconditioned
    n_columns: int


class TimeHead(nn.Module):
    """A head on a denoiser's trunk that reads off the noise level of a row."""

    def __init__(self, denoiser: Preconditioned, n_inputs: int, n_outputs: int, sigma: float):
        super().__init__()
        self.trunk = copy.deepcopy(denoiser).float().requires_grad_(True)
        self.sigma = sigma
        with torch.no_grad():
            width = self._features(torch.zeros(1, n_inputs)).shape[1]
        # the trunk's last layer has no part in this
        self.trunk.net.leave.requires_grad_(False)
        self.head = nn.Sequential(
            nn.Linear(width + n_inputs + 1, width),
            nn.LeakyReLU(),
            nn.Dropout(0.1),
            nn.Linear(width, n_outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs for each row, of shape (n, n_outputs)."""
        near = x / (1 + x.abs() / REACH)
        norm = x.square().mean(1, keepdim=True).add(1e-12).log()
        return self.head(torch.cat([self._features(near), near, norm], dim=1))

    def _features(self, x: Tensor) -> Tensor:
        prepared = self.trunk.prepare(x, x.new_tensor(self.sigma))
        inputs, log_sigma = prepared.inputs.to(x.dtype), prepared.log_sigma.to(x.dtype)
        features: Tensor = self.trunk.net.features(inputs, log_sigma)  # type: ignore[operator]
        return features


class TimeNet(AveragedNet):
    """A skorch net that learns the posterior of the noise level given a noisy row."""

    def __init__(
        self,
        module: Any = TimeHead,
        criterion: Any = nn.CrossEntropyLoss,
        *,
        posterior: str = "categorical",
        sigma_min: float = 0.02,
        sigma_max: float = 10.0,
        n_levels: int = 20,
        lr: float = 1e-3,
        batch_size: int = 128,
        max_epochs: int = 20,
        optimizer: Any = torch.optim.AdamW,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        **kwargs: Any,
    ):
        self.posterior = posterior
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.n_levels = n_levels
        self.random_state = random_state
        kwargs.setdefault("train_split", None)
        super().__init__(
            module,
            criterion,
            optimizer=optimizer,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            verbose=verbose,
            **kwargs,
        )

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        return [
            ("train_loss", PassthroughScoring("train_loss", on_train=True)),
            ("lr_scheduler", self._one_cycle()),
        ]

    def fit(
        self, X: ArrayLike, y: Any = None, *, denoiser: Preconditioned, **fit_params: Any
    ) -> Self:
        """Train on clean rows, which are noised afresh in each batch."""
        if self.posterior not in POSTERIORS:
            raise ValueError(f"posterior must be one of {POSTERIORS}, got {self.posterior!r}.")
        rows = torch.from_numpy(np.array(X, dtype=np.float32))
        # in a tuple, as skorch would take a bare module for one that it has to train
        self.setting_, self.n_steps_ = Setting(denoiser, rows.shape[1]), 100
        self.levels_ = np.geomspace(self.sigma_min, self.sigma_max, self.n_levels)
        with self._own_randomness():
            super().fit(rows, None, **fit_params)
        return self

    def log_posterior(self, X: ArrayLike) -> np.ndarray:
        """Return the log-probability of each level for each row."""
        rows = torch.from_numpy(np.array(X, dtype=np.float64))
        levels = torch.from_numpy(self.levels_)
        module = self._trained_module()
        with torch.no_grad():
            outputs = module(rows)
            if self.posterior == "inverse_gamma":
                outputs = self._log_inverse_gamma(outputs, levels.log())
            return outputs.log_softmax(1).numpy()

    def initialize_module(self) -> Self:
        """Put a head on the denoiser's trunk."""
        n_outputs = self.n_levels if self.posterior == "categorical" else 1
        middle = math.sqrt(self.sigma_min * self.sigma_max)
        self.module_ = self.initialized_instance(
            self.module,
            {
                "denoiser": self.setting_.denoiser,
                "n_inputs": self.setting_.n_columns,
                "n_outputs": n_outputs,
                "sigma": middle,
                **self.get_params_for("module"),
            },
        )
        return self

    def get_split_datasets(
        self, X: Tensor, y: Any = None, **fit_params: Any
    ) -> tuple[Dataset, Dataset | None]:
        """Train on all rows."""
        return Dataset(X.to(self.device)), None

    def infer(self, x0: Tensor, **fit_params: Any) -> tuple[Tensor, Tensor]:
        """Noise the rows; return the logarithm of their levels, and what the network says."""
        low, high = math.log(self.sigma_min), math.log(self.sigma_max)
        # half a step beyond the outermost levels, which are the centres of their bins
        half = (high - low) / (self.n_levels - 1) / 2
        log_sigma = low - half + (high - low + 2 * half) * torch.rand(len(x0), 1).to(x0)
        return log_sigma, self.module_(x0 + log_sigma.exp() * torch.randn_like(x0))

    def get_loss(
        self,
        y_pred: tuple[Tensor, Tensor],
        y_true: Tensor,
        X: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        """Return the negative log-posterior of the true levels."""
        log_sigma, outputs = y_pred
        if self.posterior == "inverse_gamma":
            return -self._log_inverse_gamma(outputs, log_sigma).mean()
        low, high = math.log(self.sigma_min), math.log(self.sigma_max)
        place = (log_sigma - low) / (high - low) * (self.n_levels - 1)
        level = place.round().long().clamp(0, self.n_levels - 1).squeeze(1)
        return self.criterion_(outputs, level)

    def _log_inverse_gamma(self, log_b2: Tensor, log_sigma: Tensor) -> Tensor:
        """Log-density of ``log sigma``, up to a constant."""
        shape = self.setting_.n_columns / 2
        return shape * (log_b2 - 2 * log_sigma) - (log_b2 - 2 * log_sigma).exp() / 2
