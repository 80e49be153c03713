"""A comparison and log-densities in one figure."""

from ._style import import_pyplot


def draw_overview(comparison, log_density, *, title=""):
    """Draw a comparison and the log-densities beside it.

    Parameters
    ----------
    comparison : SyntheticComparisonDisplay
        Drawn on the left.
    log_density : LogDensityDisplay
        Drawn on the right.
    title : str, default=""
        A line above the figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure; ``figure.savefig(path)`` writes it.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import plotting
    >>> real, synthetic = np.random.default_rng(0).normal(size=(2, 50, 3))
    >>> comparison = plotting.SyntheticComparisonDisplay.from_samples(real, synthetic)
    >>> log_density = plotting.LogDensityDisplay.from_samples({"real": real[:, 0]})
    >>> plotting.draw_overview(comparison, log_density, title="Noise").get_suptitle()
    'Noise'
    """
    figure, (left, right) = import_pyplot().subplots(
        1, 2, figsize=(14.0, 5.0), width_ratios=[2.75, 1.0], layout="constrained"
    )
    comparison.plot(left)
    log_density.plot(right)
    right.set_title("How likely the model finds the rows", fontsize="medium", loc="left")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize="x-large")
    return figure
