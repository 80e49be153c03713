"""Noise processes, denoisers, solvers and likelihoods, in torch alone."""

from skdiffusion.diffusion.denoiser import Denoiser, Posterior, score
from skdiffusion.diffusion.gaussians import EmpiricalDenoiser, GaussianDenoiser, MixtureDenoiser
from skdiffusion.diffusion.grid import karras
from skdiffusion.diffusion.guidance import Conditioned, Guided, Marginal
from skdiffusion.diffusion.likelihood import decode, encode, log_density
from skdiffusion.diffusion.measurement import Measured
from skdiffusion.diffusion.solvers import N_STEPS, SOLVERS, ddim, dpmpp_2m, heun, run

__all__ = [
    "Conditioned",
    "Denoiser",
    "EmpiricalDenoiser",
    "GaussianDenoiser",
    "Guided",
    "Marginal",
    "Measured",
    "MixtureDenoiser",
    "N_STEPS",
    "Posterior",
    "SOLVERS",
    "ddim",
    "decode",
    "dpmpp_2m",
    "encode",
    "heun",
    "karras",
    "log_density",
    "run",
    "score",
]
