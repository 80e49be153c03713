"""Settings of the whole suite."""

import os

# One thread per worker: pytest-xdist already fills the cores. Set before PyTorch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
import torch

torch.set_num_threads(1)

# SKDIFFUSION_TESTS_GLOBAL_RANDOM_SEED is a seed, several with commas between, or "all" for 0 to 9
SEEDS = os.environ.get("SKDIFFUSION_TESTS_GLOBAL_RANDOM_SEED", "0")
SEEDS = range(10) if SEEDS == "all" else [int(seed) for seed in SEEDS.split(",")]


@pytest.fixture(params=SEEDS)
def global_random_seed(request):
    """Seed of a randomised test, whose verdict must not hang on it."""
    return request.param


@pytest.fixture(autouse=True)
def close_figures():
    """Close what a test drew."""
    yield
    import sys

    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")
