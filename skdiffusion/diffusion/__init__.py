"""Noise processes, denoisers, solvers and likelihoods, in torch alone."""

from skdiffusion.diffusion.categories import Levels
from skdiffusion.diffusion.clean import CleanDenoiser
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
from skdiffusion.diffusion.dimension import (
    TangentSpace,
    denoiser_trace,
    flipd,
    normal_bundle_dimension,
    tangent_space,
)
from skdiffusion.diffusion.factors import FactorGaussian, FactorMixture
from skdiffusion.diffusion.functionals import (
    Contributions,
    contraction,
    denoising_error,
    flow_log_density,
    reconstruction,
    score_norm,
)
from skdiffusion.diffusion.grid import GRIDS, karras, log_linear, log_shifted, uniform
from skdiffusion.diffusion.guidance import Conditioned, Guided, Marginal
from skdiffusion.diffusion.kernel import KernelDenoiser
from skdiffusion.diffusion.levels import level_log_prob
from skdiffusion.diffusion.likelihood import decode, elbo, encode, log_density
from skdiffusion.diffusion.operator import OperatorDenoiser
from skdiffusion.diffusion.paths import local_metric, relax_path
from skdiffusion.diffusion.preconditioning import Plain, Preconditioned, network_sizes
from skdiffusion.diffusion.repaint import repaint
from skdiffusion.diffusion.restriction import Interval, LevelSet, Restricted
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
from skdiffusion.diffusion.surprise import masked_surprise
from skdiffusion.diffusion.tangent import Planes, TangentDenoiser
from skdiffusion.diffusion.time import (
    diffusion_time,
    diffusion_time_np,
    inverse_gamma_log_pdf,
    inverse_gamma_mean,
    inverse_gamma_mode,
    knn_time_log_posterior,
    time_log_posterior,
)

__all__ = [
    "relax_path",
    "network_sizes",
    "local_metric",
    "TangentDenoiser",
    "Planes",
    "FactorMixture",
    "FactorGaussian",
    "CleanDenoiser",
    "EDM",
    "GRIDS",
    "SCHEDULES",
    "SOLVERS",
    "STOCHASTIC",
    "VE",
    "VP",
    "Conditioned",
    "Contributions",
    "CosineVP",
    "Denoiser",
    "EmpiricalDenoiser",
    "GaussianDenoiser",
    "Guided",
    "Interval",
    "KernelDenoiser",
    "LevelSet",
    "Levels",
    "Marginal",
    "MixtureDenoiser",
    "OperatorDenoiser",
    "Plain",
    "Posterior",
    "Preconditioned",
    "RectifiedFlow",
    "Restricted",
    "Schedule",
    "SubVP",
    "TangentSpace",
    "ancestral",
    "annealed_langevin",
    "contraction",
    "ddim",
    "decode",
    "denoiser_trace",
    "denoising_error",
    "diffusion_time",
    "diffusion_time_np",
    "dpmpp_2m",
    "elbo",
    "encode",
    "eps_from_mean",
    "euler",
    "euler_maruyama",
    "flipd",
    "flow_log_density",
    "get_schedule",
    "heun",
    "inverse_gamma_log_pdf",
    "inverse_gamma_mean",
    "inverse_gamma_mode",
    "karras",
    "knn_time_log_posterior",
    "level_log_prob",
    "log_density",
    "log_linear",
    "log_shifted",
    "masked_surprise",
    "mean_from_eps",
    "mean_from_score",
    "mean_from_v",
    "normal_bundle_dimension",
    "predictor_corrector",
    "reconstruction",
    "repaint",
    "run",
    "score",
    "score_from_mean",
    "score_norm",
    "tangent_space",
    "time_log_posterior",
    "uniform",
    "v_from_mean",
]
