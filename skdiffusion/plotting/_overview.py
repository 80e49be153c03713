"""Both displays in one figure."""

from typing import Any

from ._comparison import SyntheticComparisonDisplay
from ._log_density import LogDensityDisplay
from ._style import import_pyplot


def draw_overview(
    comparison: SyntheticComparisonDisplay, log_density: LogDensityDisplay, *, title: str = ""
) -> Any:
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
    """
    plt = import_pyplot("draw_overview")
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(14.0, 5.0), width_ratios=[2.75, 1.0], layout="constrained"
    )
    comparison.plot(left)
    log_density.plot(right)
    log_density.ax_.set_title("How likely the model finds the rows", fontsize="medium", loc="left")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize="x-large")
    return figure
