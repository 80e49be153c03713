"""The command line: ``python -m skdiffusion``."""

from skdiffusion._cli.commands import main

__all__ = ["main"]
