"""Training of denoisers through skorch."""

from skdiffusion.training.checkpoint import TrainingCheckpoint
from skdiffusion.training.distributed import DistributedDenoiserNet
from skdiffusion.training.objective import DenoisingLoss

__all__ = ["DenoisingLoss", "DistributedDenoiserNet", "TrainingCheckpoint"]
