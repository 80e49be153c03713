"""Noise processes, denoisers, solvers and likelihoods, in torch alone."""

from skdiffusion.diffusion.closed_form import (
    EmpiricalDenoiser,
    GaussianDenoiser,
    MixtureDenoiser,
)
from skdiffusion.diffusion.denoiser import (
    Denoiser,
    Posterior,
    eps_from_mean,
    mean_from_eps,
    mean_from_score,
    mean_from_v,
    score,
    score_from_mean,
    v_from_mean,
)
from skdiffusion.diffusion.grid import GRIDS, karras, log_linear, log_shifted, uniform
from skdiffusion.diffusion.guidance import Conditioned, Guided, Marginal
from skdiffusion.diffusion.kernel import KernelDenoiser
from skdiffusion.diffusion.levels import level_log_prob
from skdiffusion.diffusion.likelihood import decode, elbo, encode, log_density
from skdiffusion.diffusion.operator import OperatorDenoiser
from skdiffusion.diffusion.preconditioning import Preconditioned
from skdiffusion.diffusion.schedule import (
    EDM,
    SCHEDULES,
    VE,
    VP,
    CosineVP,
    RectifiedFlow,
    Schedule,
    SubVP,
    get_schedule,
)
from skdiffusion.diffusion.solvers import (
    SOLVERS,
    STOCHASTIC,
    ancestral,
    annealed_langevin,
    ddim,
    dpmpp_2m,
    euler,
    euler_maruyama,
    heun,
    predictor_corrector,
    run,
)

__all__ = [
    "EDM",
    "GRIDS",
    "SCHEDULES",
    "SOLVERS",
    "STOCHASTIC",
    "VE",
    "VP",
    "Conditioned",
    "CosineVP",
    "Denoiser",
    "EmpiricalDenoiser",
    "GaussianDenoiser",
    "Guided",
    "KernelDenoiser",
    "Marginal",
    "MixtureDenoiser",
    "OperatorDenoiser",
    "Posterior",
    "Preconditioned",
    "RectifiedFlow",
    "Schedule",
    "SubVP",
    "ancestral",
    "annealed_langevin",
    "ddim",
    "decode",
    "dpmpp_2m",
    "elbo",
    "encode",
    "eps_from_mean",
    "euler",
    "euler_maruyama",
    "get_schedule",
    "heun",
    "karras",
    "level_log_prob",
    "log_density",
    "log_linear",
    "log_shifted",
    "mean_from_eps",
    "mean_from_score",
    "mean_from_v",
    "predictor_corrector",
    "run",
    "score",
    "score_from_mean",
    "uniform",
    "v_from_mean",
]
