"""What a closed-form baseline leaves to a network, and what that is worth in training steps.

Parts of `benchmarks.operator`.
"""

import math
import time

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.model_selection import train_test_split

from benchmarks._toys import make_eight_gaussians
from skdiffusion.closed_forms.baselines import fit_gaussian, fit_mixture
from skdiffusion.diffusion import MixtureDenoiser, score
from skdiffusion.training.net import DenoiserNet

RING_RADIUS, RING_STD = 4 / math.sqrt(2), 0.5 / math.sqrt(2)
TIMES = (0.02, 0.1, 0.3, 0.6, 1.5)
STEPS = (100, 300, 1000)
LEVELS = np.geomspace(0.02, 5.0, 10)
TABLES = {
    "breast cancer": load_breast_cancer,
    "wine": load_wine,
    "diabetes": load_diabetes,
}


def ring(n, seed):
    """Draw rows of eight Gaussians in units of their standard deviation; return these too."""
    scale = math.sqrt(RING_RADIUS**2 / 2 + RING_STD**2)
    angles = torch.arange(8, dtype=torch.float64) * math.pi / 4
    distribution = MixtureDenoiser(
        torch.ones(8),
        RING_RADIUS / scale * torch.stack([angles.cos(), angles.sin()], dim=1),
        torch.full((8, 2), (RING_STD / scale) ** 2),
    )
    return make_eight_gaussians(n, random_state=seed) / scale, distribution


def signal_rows(n_rows, n_test, seed):
    """Share of the score's energy, and of the denoising loss, that each baseline leaves.

    The first is ``E|exact - s|^2 / E|exact|^2``, the second ``E|target - s|^2 / E|target|^2`` with
    the regression target of denoising score matching; its floor is that of the exact score.
    """
    rows, distribution = ring(n_rows, 2 * seed)
    clean = torch.from_numpy(ring(n_test, 2 * seed + 1)[0])
    baselines = {
        "exact": distribution,
        "gaussian": fit_gaussian(rows),
        "mixture": fit_mixture(rows, random_state=seed),
    }
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(clean.shape, generator=generator, dtype=torch.float64)
    for t in TIMES:
        sigma = torch.tensor(math.sqrt(math.expm1(2 * t)), dtype=torch.float64)
        noisy, target = clean + sigma * noise, -noise / sigma
        exact = score(distribution, noisy, sigma)
        for method, denoiser in baselines.items():
            found = score(denoiser, noisy, sigma)
            yield {
                "t": t,
                "seed": seed,
                "method": method,
                "signal_left": float(((found - exact) ** 2).sum() / (exact**2).sum()),
                "loss": float(((found - target) ** 2).sum() / (target**2).sum()),
            }


def training_rows(n_rows, n_test, seed):
    """Held-out denoising loss after training from each baseline for several numbers of steps.

    Each budget is a training of its own, with the learning rate annealed to its end. Zero steps
    are the baseline itself.
    """
    cases = {"eight Gaussians": (ring(n_rows, 2 * seed)[0], ring(n_test, 2 * seed + 1)[0])}
    quick = n_rows < 1000
    for name, load in TABLES.items():
        X = load().data
        X = (X - X.mean(0)) / X.std(0)
        cases[name] = train_test_split(X, test_size=0.3, random_state=seed)
    for case, (train, test) in list(cases.items())[: 1 if quick else None]:
        gaussian = fit_gaussian(train)
        baselines = {
            "gaussian": None,
            "mixture": fit_mixture(train, random_state=seed),
        }
        untrained = {**baselines, "gaussian": gaussian}
        for method, baseline in untrained.items():
            loss = held_out_loss(baseline, test)
            where = {"table": case, "steps": 0, "seed": seed, "method": method}
            yield {**where, "loss": loss, "seconds": 0.0}
        for method, baseline in {"none": None, **baselines}.items():
            for n_steps in STEPS[: 1 if quick else None]:
                start = time.process_time()
                net = DenoiserNet(
                    steps_per_epoch=50, max_epochs=n_steps // 50, patience=None, random_state=seed
                )
                net.fit(train, gaussian=None if method == "none" else gaussian, baseline=baseline)
                yield {
                    "table": case,
                    "steps": n_steps,
                    "seed": seed,
                    "method": method,
                    "loss": held_out_loss(net.module_.double().eval(), test),
                    "seconds": time.process_time() - start,
                }


def held_out_loss(denoiser, test):
    """Return the loss of EDM, ``(x0 - D)^2 (1 + 1 / sigma^2)``, averaged over noise levels."""
    clean = torch.from_numpy(np.asarray(test, dtype=np.float64))
    generator = torch.Generator().manual_seed(0)
    losses = []
    for level in LEVELS:
        noise = torch.randn(clean.shape, generator=generator, dtype=torch.float64)
        sigma = torch.tensor(level, dtype=torch.float64)
        with torch.no_grad():
            mean = denoiser(clean + sigma * noise, sigma).mean
        losses.append(float(((clean - mean) ** 2).mean()) * (1 / level**2 + 1))
    return float(np.mean(losses))
