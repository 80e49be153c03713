"""Networks for the residual of a denoiser: ``net(inputs, log_sigma) -> correction``."""

from skdiffusion.nets.mlp import FourierFeatures, ResidualMLP

__all__ = ["FourierFeatures", "ResidualMLP"]
