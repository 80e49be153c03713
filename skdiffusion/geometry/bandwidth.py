"""Rules of thumb for the blur of a kernel density on standardised columns."""

__all__ = ["bandwidth_scott", "bandwidth_silverman"]


def bandwidth_scott(n: int, d: int) -> float:
    """Scott's rule, ``h = n^{-1 / (d + 4)}``."""
    return float(n ** (-1 / (d + 4)))


def bandwidth_silverman(n: int, d: int) -> float:
    """Silverman's rule, ``h = (4 / (n (d + 2)))^{1 / (d + 4)}``: the best for a normal law."""
    return float((4 / (n * (d + 2))) ** (1 / (d + 4)))
