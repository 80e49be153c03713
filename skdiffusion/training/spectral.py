"""Spectral normalisation of hidden layers for the time of a training."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import remove_parametrizations

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
# on weights that are kept, as they are not those of the last step
N_ITERATIONS = 50


def hidden_layers(net: nn.Module) -> list[Any]:
    """Return linear and convolutional layers but those that start at zero, which have no scale."""
    layers = [layer for layer in net.modules() if isinstance(layer, LAYERS)]
    # a weight that is no parameter has a parametrisation of its own
    return [w for w in layers if isinstance(w.weight, nn.Parameter) and w.weight.any()]


@contextmanager
def normalised(layers: list[Any]) -> Iterator[None]:
    """Divide weights by their spectral norm for the time of a block, and leave them so divided."""
    for layer in layers:
        spectral_norm(layer)
    yield
    for layer in layers:
        weight = layer.parametrizations.weight
        weight.train()
        with torch.no_grad():
            # each call in training is a power iteration
            for _ in range(N_ITERATIONS):
                weight()
        # a parametrised module cannot be pickled
        remove_parametrizations(layer, "weight")
