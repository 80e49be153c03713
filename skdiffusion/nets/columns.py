"""Features gathered by the table column that they belong to, and put back."""

import torch
from torch import Tensor, nn

#: The table column of each input, of each entry of a row, and of each output.
Columns = tuple[Tensor, Tensor, Tensor]


class ByColumn(nn.Module):
    """Which of some features belong to each of some columns: (n_columns, width) places, padded."""

    places: Tensor
    origins: Tensor

    def __init__(self, owners: Tensor, columns: Tensor):
        super().__init__()
        members = [torch.nonzero(owners == column).flatten() for column in columns]
        self.width = max(1, max(map(len, members)))
        # what is no feature is the zero that `gather` puts behind them
        padded = [torch.cat([m, m.new_full((self.width - len(m),), len(owners))]) for m in members]
        places = torch.stack(padded)
        origins = torch.argsort(places.flatten(), stable=True)[: sum(map(len, members))]
        self.register_buffer("places", places)
        self.register_buffer("origins", origins)

    def gather(self, features: Tensor) -> Tensor:
        """Return features (n, m) by column, (n, n_columns, width), zeros where there are fewer."""
        return nn.functional.pad(features, (0, 1))[:, self.places]

    def scatter(self, values: Tensor) -> Tensor:
        """Return the features that have a column, in their order, of values by column."""
        return values.flatten(1)[:, self.origins]


def check_columns(columns: Columns | None, n_inputs: int, n_outputs: int) -> Columns:
    """Return the columns of inputs, entries and outputs; None has a column for each output."""
    if columns is not None:
        return columns
    if n_inputs % n_outputs:
        raise ValueError(
            f"Without `columns` there must be as many inputs for each of {n_outputs} outputs, "
            f"got {n_inputs}."
        )
    own = torch.arange(n_outputs)
    return own.repeat(n_inputs // n_outputs), own, own
