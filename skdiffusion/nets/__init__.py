"""Networks of a denoiser: ``net(inputs, log_sigma)`` is its correction."""

from skdiffusion.nets.mlp import ResidualMLP
from skdiffusion.nets.unet import UNet

__all__ = ["ResidualMLP", "UNet"]
