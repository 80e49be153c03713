"""A transformer over the columns of a table."""

import torch
from torch import Tensor, nn

from skdiffusion.nets.attention import Attention
from skdiffusion.nets.columns import ByColumn, Columns, check_columns
from skdiffusion.nets.mlp import FourierFeatures


class TableTransformer(nn.Module):
    """Self-attention between the columns of a row, each a token that knows its noise level.

    A column of numbers, a category with its levels, a gap's indicator and the target are one token
    each. The last layer starts at zero, so an untrained network leaves its Gaussian as it is.

    Parameters
    ----------
    n_inputs : int
        Number of input features.
    n_outputs : int
        Number of corrections: of the entries of the row, or of its numbers and the levels of its
        categories.
    n_entries : int or None, default=None
        Number of entries of the row, ``d``; None is `n_outputs`.
    columns : tuple of three Tensors or None, default=None
        Table column of each input, each entry and each output. None has a column for each output.
    width : int, default=32
        Features of a token; a multiple of `n_heads`.
    depth : int, default=2
        Number of blocks of attention and perceptron.
    n_heads : int, default=2
        Heads of the attention.
    dropout : float, default=0.0
        Dropout probability inside the blocks.

    References
    ----------
    Vaswani, A. et al. (2017). Attention is all you need. arXiv:1706.03762.

    Gorishniy, Y. et al. (2021). Revisiting deep learning models for tabular data. arXiv:2106.11959:
    a linear embedding for each column.

    Examples
    --------
    >>> import torch
    >>> net = TableTransformer(n_inputs=4, n_outputs=2)
    >>> net(torch.zeros(5, 4), torch.zeros(5, 2)).shape
    torch.Size([5, 2])
    >>> net.attention(torch.zeros(5, 4), torch.zeros(5, 2)).shape
    torch.Size([5, 2, 2])
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        *,
        n_entries: int | None = None,
        columns: Columns | None = None,
        width: int = 32,
        depth: int = 2,
        n_heads: int = 2,
        dropout: float = 0.0,
    ):
        super().__init__()
        inputs, entries, outputs = check_columns(columns, n_inputs, n_outputs)
        tokens = entries.unique()
        self.inputs, self.entries = ByColumn(inputs, tokens), ByColumn(entries, tokens)
        self.outputs = ByColumn(outputs, tokens)
        n, scale = len(tokens), self.inputs.width**-0.5
        self.embedding = nn.Parameter(scale * torch.randn(n, self.inputs.width, width))
        self.bias = nn.Parameter(0.1 * torch.randn(n, width))
        self.level = nn.Sequential(FourierFeatures(1, 32, 1.0), nn.Linear(32, width))
        self.blocks = nn.ModuleList(_Block(width, n_heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Parameter(torch.zeros(n, width, self.outputs.width))

    def forward(self, inputs: Tensor, log_sigma: Tensor) -> Tensor:
        """Return the correction of each row, of shape (n, n_outputs)."""
        tokens = self._embed(inputs, log_sigma)
        for block in self.blocks:
            tokens = block(tokens)[0]
        return self.outputs.scatter(torch.einsum("ntw,two->nto", self.norm(tokens), self.leave))

    def attention(self, inputs: Tensor, log_sigma: Tensor) -> Tensor:
        """Return how much each column looks at each other, (n, t, t), mean of heads and blocks."""
        tokens, maps = self._embed(inputs, log_sigma), []
        for block in self.blocks:
            tokens, weights = block(tokens)
            maps.append(weights.mean(1))
        return torch.stack(maps).mean(0)

    def _embed(self, inputs: Tensor, log_sigma: Tensor) -> Tensor:
        """Return the token of each column, (n, t, width)."""
        own = torch.einsum("ntf,tfw->ntw", self.inputs.gather(inputs), self.embedding)
        # entries of one column have one noise level
        levels = self.entries.gather(log_sigma)[:, :, :1]
        return own + self.bias + self.level(levels / 2)


class _Block(nn.Module):
    """Attention between tokens, then a perceptron of each; both are added to the tokens."""

    def __init__(self, width: int, n_heads: int, dropout: float):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attend = Attention(width, n_heads)
        self.perceptron = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens, and the weights of the attention."""
        heard, weights = self.attend(self.norms[0](tokens))
        tokens = tokens + heard
        return tokens + self.perceptron(self.norms[1](tokens)), weights
