"""Torch's global generator, lent to one fit at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import torch

# initial weights and dropout draw from the global generator, which threads share
LOCK = RLock()
if hasattr(os, "register_at_fork"):
    # a thread that holds it is not there in a child
    os.register_at_fork(after_in_child=LOCK._at_fork_reinit)  # type: ignore[attr-defined]


def seed_torch(seed: int, device: str = "cpu") -> None:
    """Seed the global generator, within a block in which it is lent."""
    # torch.manual_seed would reach the generators of other devices too
    is_cpu = torch.device(device).type == "cpu"
    (torch.default_generator.manual_seed if is_cpu else torch.manual_seed)(seed)


@contextmanager
def seeded_torch(seed: int, device: str = "cpu") -> Iterator[None]:
    """Seed the global generator for a while; other threads that want to have to wait."""
    is_cpu = torch.device(device).type == "cpu"
    with LOCK, torch.random.fork_rng([] if is_cpu else None):
        seed_torch(seed, device)
        yield
