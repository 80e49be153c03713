"""Nets with the options that suit a task."""

from skdiffusion.nets import PlainMLP
from skdiffusion.training.net import DenoiserNet

# Sixteen epochs are 1600 steps; half and twice as many rank anomalies almost alike
STEPS_PER_EPOCH = 100


def judging_net(*, robust: bool = False) -> DenoiserNet:
    """Return an unfitted net for judging rows, not for drawing them."""
    scale, trim = (10.0, 0.2) if robust else (1.0, 0.0)
    return DenoiserNet(
        PlainMLP,
        preconditioning="none",
        schedule="ve",
        sigma_min=0.02 * scale,
        sigma_max=0.2 * scale,
        per_entry=0.0,
        lr=1e-3,
        batch_size=128,
        patience=None,
        validation_fraction=0.0,
        max_epochs=16,
        steps_per_epoch=STEPS_PER_EPOCH,
        criterion__trim=trim,
    )
