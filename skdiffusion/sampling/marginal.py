"""The law of some codes, with all others unknown."""

from skdiffusion.diffusion import GaussianDenoiser, Marginal

__all__ = ["marginal_law"]


def marginal_law(model, kept):
    """Return the Gaussian and the denoiser of some codes, with all others unknown."""
    if kept.all():
        return model.gaussian, model.denoiser
    cov = model.gaussian.cov[kept]
    prior = GaussianDenoiser(
        model.gaussian.mean[kept], cov if model.gaussian.is_diagonal else cov[:, kept]
    )
    return prior, Marginal(model.denoiser, kept, model.sigma_max)
