"""Rules of thumb for the blur of a kernel density on standardised columns."""

__all__ = ["bandwidth_scott", "bandwidth_silverman"]


def bandwidth_scott(n: int, d: int) -> float:
    """Scott's rule, ``h = n^{-1 / (d + 4)}``.

    Parameters
    ----------
    n, d : int
        Numbers of rows and columns.

    Returns
    -------
    float
        Standard deviation of the kernel, in standard deviations of a column.

    References
    ----------
    Scott, D. W. (1992). Multivariate density estimation. Wiley, equation 6.42.

    Examples
    --------
    >>> bandwidth_scott(32, 1)
    0.5
    """
    return float(n ** (-1 / (d + 4)))


def bandwidth_silverman(n: int, d: int) -> float:
    """Silverman's rule, ``h = (4 / (n (d + 2)))^{1 / (d + 4)}``: the best for a normal law.

    Parameters
    ----------
    n, d : int
        Numbers of rows and columns.

    Returns
    -------
    float
        Standard deviation of the kernel, in standard deviations of a column.

    References
    ----------
    Silverman, B. W. (1986). Density estimation for statistics and data analysis. Chapman & Hall,
    equation 4.14.

    Examples
    --------
    >>> round(bandwidth_silverman(32, 2), 3)
    0.561
    """
    return float((4 / (n * (d + 2))) ** (1 / (d + 4)))
