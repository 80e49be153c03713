"""Networks of a denoiser: ``net(inputs, log_sigma)`` is its correction, or all of it."""

from skdiffusion.nets.mlp import PlainMLP, ResidualMLP

__all__ = ["PlainMLP", "ResidualMLP"]
