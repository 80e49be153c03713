"""Noise processes, denoisers, solvers and likelihoods, in torch alone."""

from skdiffusion.diffusion.clean import CleanDenoiser
from skdiffusion.diffusion.denoiser import Denoiser, Posterior, score
from skdiffusion.diffusion.directions import flipd, tangent_space
from skdiffusion.diffusion.gaussians import EmpiricalDenoiser, GaussianDenoiser, MixtureDenoiser
from skdiffusion.diffusion.grid import karras
from skdiffusion.diffusion.guidance import Conditioned, Guided, Marginal
from skdiffusion.diffusion.kernel_density import KernelDenoiser
from skdiffusion.diffusion.likelihood import decode, encode, log_density
from skdiffusion.diffusion.operator_denoiser import OperatorDenoiser
from skdiffusion.diffusion.paths import local_metric, relax_path
from skdiffusion.diffusion.preconditioning import Preconditioned
from skdiffusion.diffusion.solvers import N_STEPS, SOLVERS, ddim, dpmpp_2m, heun, run
from skdiffusion.diffusion.tangent_denoiser import TangentDenoiser

__all__ = [
    "CleanDenoiser",
    "Conditioned",
    "Denoiser",
    "EmpiricalDenoiser",
    "GaussianDenoiser",
    "Guided",
    "KernelDenoiser",
    "Marginal",
    "MixtureDenoiser",
    "N_STEPS",
    "OperatorDenoiser",
    "Posterior",
    "Preconditioned",
    "SOLVERS",
    "TangentDenoiser",
    "ddim",
    "decode",
    "dpmpp_2m",
    "encode",
    "flipd",
    "heun",
    "karras",
    "local_metric",
    "log_density",
    "relax_path",
    "run",
    "score",
    "tangent_space",
]
