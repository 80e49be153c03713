"""A multi-layer perceptron for rows of a table."""

import math

import torch
from torch import Tensor, nn


class FourierFeatures(nn.Module):
    """Random Fourier features ``sqrt(2) cos(x @ frequencies + phases)``."""

    frequencies: Tensor
    phases: Tensor

    def __init__(self, n_inputs: int, n_features: int, scale: float):
        super().__init__()
        self.register_buffer("frequencies", scale * torch.randn(n_inputs, n_features))
        self.register_buffer("phases", 2 * math.pi * torch.rand(n_features))

    def forward(self, x: Tensor) -> Tensor:
        """Return the features, of shape (n, n_features)."""
        return math.sqrt(2) * torch.cos(x @ self.frequencies + self.phases)


class ResidualMLP(nn.Module):
    """Residual blocks over the inputs, their Fourier features and the noise levels.

    There are 64 random Fourier features of the white row up to four columns, where they help most,
    and 16 above, where more of them cost accuracy. The last layer starts at zero, so an untrained
    network leaves its baseline as it is.

    Parameters
    ----------
    n_inputs : int
        Number of input columns: the white row, then whatever else helps.
    n_outputs : int
        Number of corrections: of the entries of the row, or of its numbers and the levels of its
        categories.
    n_entries : int or None, default=None
        Number of entries of the row, ``d``; None is `n_outputs`.
    width : int, default=128
        Width of the hidden layers; 64 to 128 serves tables of a few thousand rows.
    depth : int, default=3
        Number of residual blocks of one hidden layer each.
    dropout : float, default=0.0
        Dropout probability inside the blocks.

    Examples
    --------
    >>> import torch
    >>> net = ResidualMLP(n_inputs=4, n_outputs=2)
    >>> net(torch.zeros(5, 4), torch.zeros(5, 2)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        *,
        n_entries: int | None = None,
        width: int = 128,
        depth: int = 3,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.n_entries = d = n_outputs if n_entries is None else n_entries
        n_fourier = 64 if d <= 4 else 16
        # 2.7 resolves the details of data of unit variance in up to three dimensions; beyond, the
        # phase would wrap over typical distances, which grow with the dimension
        self.fourier = FourierFeatures(d, n_fourier, 2.7 * min(1.0, 3.0 / d))
        self.level = FourierFeatures(1, 32, 1.0)
        self.enter = nn.Linear(n_inputs + n_fourier + d, width)
        self.condition = nn.Linear(32, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.SiLU(),
                nn.Linear(width, width),
                nn.SiLU(),
                nn.Dropout(dropout),
                nn.Linear(width, width),
            )
            for _ in range(depth)
        )
        self.leave = nn.Linear(width, n_outputs)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, inputs: Tensor, log_sigma: Tensor) -> Tensor:
        """Return the correction of each row, of shape (n, n_outputs)."""
        level = log_sigma.mean(1, keepdim=True)
        waves = self.fourier(inputs[:, : self.n_entries])
        hidden = self.enter(torch.cat([inputs, waves, (log_sigma - level) / 4], dim=1))
        hidden = hidden + self.condition(self.level(level / 2))
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.leave(nn.functional.silu(hidden))
