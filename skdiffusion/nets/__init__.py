"""Networks of a denoiser: ``net(inputs, log_sigma)`` is its correction."""

from skdiffusion.nets.mlp import ResidualMLP

__all__ = ["ResidualMLP"]
