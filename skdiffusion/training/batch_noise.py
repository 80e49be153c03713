"""The noise of batches, and the generators that it is drawn from."""

from typing import Any

import torch
from torch import Tensor

# of noise levels in a batch, and batches that share them: closed forms are factorised once for each
N_PATTERNS, N_BATCHES = 32, 4
# from so many columns on matrices are dear, and patterns half as many
WIDE = 33


def draw_noise(net: Any, x0: Tensor) -> tuple[Tensor, Tensor]:
    """Draw noise levels and standard normal noise for rows."""
    # equally many rows for each pattern, and no pattern drawn in vain
    n_rows = -(-len(x0) // (N_PATTERNS if x0.shape[1] < WIDE else N_PATTERNS // 2))
    if net.n_batches_ % N_BATCHES == 0 or n_rows * len(net.patterns_) < len(x0):
        setting, n_patterns = net.setting_, -(-len(x0) // n_rows)
        patterns = net.noise_.draw(n_patterns, setting.groups, setting.target)
        net.patterns_ = torch.where(setting.given, net.sigma_min, patterns).to(x0)
        net.n_batches_ = 0
    net.n_batches_ += 1
    sigma = net.patterns_.repeat_interleave(n_rows, dim=0)[: len(x0)]
    return sigma, torch.randn_like(x0 if x0.dim() == 2 else x0[:, 1])


def generator_states(net: Any) -> dict[str, Any]:
    """Return all that the next batches are drawn from, of each process."""
    states = [torch.get_rng_state()]
    states += [torch.cuda.get_rng_state()] if net.device.startswith("cuda") else []
    return {
        "generators": [net.gathered(state.to(net.device)).cpu() for state in states],
        "patterns": net.gathered(net.patterns_.to(net.device)).cpu(),
        "n_batches": net.n_batches_,
    }


def set_generator_states(net: Any, states: dict[str, Any]) -> None:
    """Draw the next batches as at that time."""
    # a part of a tensor is no state
    own = [of_each[net.rank_].clone() for of_each in states["generators"]]
    torch.set_rng_state(own[0])
    if len(own) > 1 and net.device.startswith("cuda"):
        torch.cuda.set_rng_state(own[1])
    net.patterns_ = states["patterns"][net.rank_].to(net.device)
    net.n_batches_ = states["n_batches"]
