"""A small U-Net for rows that are images."""

import math

import torch
from torch import Tensor, nn

from skdiffusion.nets.mlp import FourierFeatures

# of an embedding of noise levels and of the columns beside the image
N_EMBEDDED = 64
N_GROUPS, N_HEADS = 4, 4


class UNet(nn.Module):
    """Convolutions over rows that are images, at several resolutions, with attention at the lowest.

    The first columns of the table are the pixels; what columns there are beside them, such as a
    class, and the mean noise level, shift and scale the features of each block. The last layers
    start at zero, so an untrained network leaves its Gaussian as it is.

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
        Table column of each input, each entry and each output. None has a column for each output,
        and input ``i`` is of column ``i % n_outputs``.
    image_shape : tuple of int
        Height and width, or height, width and number of channels, in the order of
        ``image.reshape(-1)``: the table's columns, those of constant pixels included.
    width : int, default=16
        Channels at the full resolution, a multiple of 4; twice as many at half of it.
    depth : int, default=2
        Number of resolutions, each half of the one above.
    dropout : float, default=0.0
        Dropout probability inside the blocks.

    Raises
    ------
    ValueError
        If `image_shape`, `width` or `depth` cannot be.

    References
    ----------
    Ronneberger, O., Fischer, P. and Brox, T. (2015). U-Net: convolutional networks for biomedical
    image segmentation. arXiv:1505.04597.

    Ho, J., Jain, A. and Abbeel, P. (2020). Denoising diffusion probabilistic models.
    arXiv:2006.11239, appendix B: group normalisation, attention, and the noise level in each block.

    Examples
    --------
    >>> import torch
    >>> net = UNet(n_inputs=32, n_outputs=16, image_shape=(4, 4))
    >>> net(torch.zeros(5, 32), torch.zeros(5, 16)).shape
    torch.Size([5, 16])
    """

    other_inputs: Tensor
    other_entries: Tensor
    order: Tensor

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        *,
        n_entries: int | None = None,
        columns: tuple[Tensor, Tensor, Tensor] | None = None,
        image_shape: tuple[int, ...] = (),
        width: int = 16,
        depth: int = 2,
        dropout: float = 0.0,
    ):
        super().__init__()
        if columns is None and n_inputs % n_outputs:
            wanted = f"as many inputs for each of {n_outputs} outputs, got {n_inputs}"
            raise ValueError(f"Without `columns` there must be {wanted}.")
        own = torch.arange(n_outputs)
        inputs, entries, outputs = columns or (torch.arange(n_inputs) % n_outputs, own, own)
        _check_sizes(image_shape, width, depth)
        self.image_height, self.image_width, n_channels = (*image_shape, 1)[:3]
        n_pixels = math.prod(image_shape)
        self.inputs, self.entries = _ByPixel(inputs, n_pixels), _ByPixel(entries, n_pixels)
        self.outputs = _ByPixel(outputs, n_pixels)
        others = [torch.nonzero(part >= n_pixels).flatten() for part in (inputs, entries)]
        self.register_buffer("other_inputs", others[0])
        self.register_buffer("other_entries", others[1])
        # the corrections of the pixels and of what is beside them, in the order of the outputs
        self.register_buffer("order", (outputs >= n_pixels).argsort(stable=True).argsort())
        self.level = FourierFeatures(1, 32, 1.0)
        self.embed = nn.Sequential(nn.Linear(32 + sum(map(len, others)), N_EMBEDDED), nn.SiLU())
        widths = [width * 2**k for k in range(depth)]
        pairs = list(zip([width, *widths[:-1]], widths, strict=True))
        self.enter = nn.Conv2d(n_channels * (self.inputs.width + 1), width, 3, padding=1)
        self.down = nn.ModuleList(_Block(a, b, dropout) for a, b in pairs)
        self.halve = nn.AvgPool2d(2, ceil_mode=True)
        self.middle = _Attention(widths[-1])
        self.up = nn.ModuleList(_Block(a + b, a, dropout) for a, b in reversed(pairs[1:]))
        last = nn.Conv2d(width, n_channels * self.outputs.width, 3, padding=1)
        self.leave = nn.Sequential(nn.GroupNorm(N_GROUPS, width), nn.SiLU(), last)
        n_others = n_outputs - len(self.outputs.origins)
        self.leave_others = nn.Linear(widths[-1] + N_EMBEDDED, n_others) if n_others else None
        for weight in [*last.parameters(), *(self.leave_others or nn.Identity()).parameters()]:
            nn.init.zeros_(weight)

    def forward(self, inputs: Tensor, log_sigma: Tensor) -> Tensor:
        """Return the correction of each row, of shape (n, n_outputs)."""
        mean_level = log_sigma.mean(1, keepdim=True)
        relative = (log_sigma - mean_level) / 4
        beside = inputs[:, self.other_inputs], relative[:, self.other_entries]
        known = self.embed(torch.cat([self.level(mean_level / 2), *beside], dim=1))
        features = self.inputs.gather(inputs), self.entries.gather(relative)[:, :, :1]
        # (n, pixels and channels, features) to (n, channels and features, height, width)
        image = torch.cat(features, dim=2).reshape(
            len(inputs), self.image_height, self.image_width, -1
        )
        hidden, seen = self.enter(image.permute(0, 3, 1, 2)), []
        for k, block in enumerate(self.down):
            hidden = block(self.halve(hidden) if k else hidden, known)
            seen.append(hidden)
        hidden = lowest = self.middle(seen.pop())
        for block in self.up:
            larger = nn.functional.interpolate(hidden, size=seen[-1].shape[2:])
            hidden = block(torch.cat([larger, seen.pop()], dim=1), known)
        image = self.leave(hidden).permute(0, 2, 3, 1)
        found = [self.outputs.scatter(image.reshape(len(inputs), -1, self.outputs.width))]
        if self.leave_others is not None:
            found.append(self.leave_others(torch.cat([lowest.mean((2, 3)), known], dim=1)))
        return torch.cat(found, dim=1)[:, self.order]


class _ByPixel(nn.Module):
    """Which of some features belong to each of the first columns: (n_columns, width), padded."""

    places: Tensor
    origins: Tensor

    def __init__(self, owners: Tensor, n_columns: int):
        super().__init__()
        members = [torch.nonzero(owners == column).flatten() for column in range(n_columns)]
        self.width = max(1, max(map(len, members)))
        # what is no feature is the zero that `gather` puts behind them
        padded = [torch.cat([m, m.new_full((self.width - len(m),), len(owners))]) for m in members]
        self.register_buffer("places", torch.stack(padded))
        order = torch.argsort(self.places.flatten(), stable=True)
        self.register_buffer("origins", order[: sum(map(len, members))])

    def gather(self, features: Tensor) -> Tensor:
        """Return features (n, m) by column, (n, n_columns, width), zeros where there are fewer."""
        return nn.functional.pad(features, (0, 1))[:, self.places]

    def scatter(self, values: Tensor) -> Tensor:
        """Return the features that have a column, in their order, of values by column."""
        return values.flatten(1)[:, self.origins]


class _Block(nn.Module):
    """Two convolutions, between which the embedding shifts and scales, beside a direct way."""

    def __init__(self, n_inputs: int, n_outputs: int, dropout: float):
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(N_GROUPS, n) for n in (n_inputs, n_outputs))
        self.first = nn.Conv2d(n_inputs, n_outputs, 3, padding=1)
        self.second = nn.Conv2d(n_outputs, n_outputs, 3, padding=1)
        self.modulate = nn.Linear(N_EMBEDDED, 2 * n_outputs)
        self.dropout = nn.Dropout(dropout)
        self.direct = nn.Conv2d(n_inputs, n_outputs, 1)

    def forward(self, image: Tensor, known: Tensor) -> Tensor:
        """Return the features of the block, (n, n_outputs, height, width)."""
        scale, shift = self.modulate(known)[:, :, None, None].chunk(2, dim=1)
        hidden = self.first(nn.functional.silu(self.norms[0](image)))
        hidden = nn.functional.silu(self.norms[1](hidden) * (1 + scale) + shift)
        return self.direct(image) + self.second(self.dropout(hidden))


class _Attention(nn.Module):
    """Self-attention between the places of an image, added to it."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(N_GROUPS, width)
        layers = {"enter": nn.Linear(width, 3 * width), "leave": nn.Linear(width, width)}
        self.attend = nn.ModuleDict(layers)

    def forward(self, image: Tensor) -> Tensor:
        """Return the image with what its places have told one another."""
        parts = self.attend["enter"](self.norm(image).flatten(2).mT).unflatten(2, (3, N_HEADS, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        weights = torch.softmax(query * query.shape[3] ** -0.5 @ key.mT, dim=3)
        heard = self.attend["leave"]((weights @ value).transpose(1, 2).flatten(2))
        return image + heard.mT.reshape(image.shape)


def _check_sizes(image_shape: tuple[int, ...], width: int, depth: int) -> None:
    if len(image_shape or ()) not in (2, 3) or min(image_shape) < 1:
        raise ValueError(
            "A U-Net needs the image_shape of rows, (height, width) or (height, width, "
            f"channels), got {image_shape!r}."
        )
    if width < 1 or width % N_GROUPS or depth < 1:
        raise ValueError(f"width={width} must be a multiple of {N_GROUPS}, and depth={depth} > 0.")
