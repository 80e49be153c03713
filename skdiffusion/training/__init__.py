"""Training of denoisers through skorch."""

from skdiffusion.training.baseline import fit_gaussian, fit_kernel, fit_mixture, fit_operator
from skdiffusion.training.completion import draw_completions
from skdiffusion.training.factors import fit_factor_mixture, fit_factors, n_factors
from skdiffusion.training.net import DenoiserNet
from skdiffusion.training.noise import NoiseLevels
from skdiffusion.training.objective import DenoisingLoss
from skdiffusion.training.presets import judging_net
from skdiffusion.training.time import TimeNet

__all__ = [
    "DenoiserNet",
    "DenoisingLoss",
    "NoiseLevels",
    "TimeNet",
    "draw_completions",
    "fit_factor_mixture",
    "fit_factors",
    "fit_gaussian",
    "fit_kernel",
    "fit_mixture",
    "fit_operator",
    "judging_net",
    "n_factors",
]
