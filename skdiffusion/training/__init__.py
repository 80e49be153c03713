"""Training of denoisers through skorch."""

from skdiffusion.training.objective import DenoisingLoss

__all__ = ["DenoisingLoss"]
