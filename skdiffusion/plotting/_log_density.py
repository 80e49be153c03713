"""Log-densities of groups of rows."""

from dataclasses import dataclass

import numpy as np

from ._style import GROUPS, Display, take_axes, tidy, write_at_edge


@dataclass(kw_only=True, repr=False, eq=False)
class LogDensityDisplay(Display):
    """Log-densities of groups of rows, one above the other.

    Held-out rows that score like the training rows say that the model has not learned rows by
    heart; synthetic rows that score like both say that they look like the data to the model.
    Each group has a tick at its median. The axis suits the typical group; rows that are less
    likely than it reaches are gathered at its left end.

    Parameters
    ----------
    log_densities : dict of str to array of shape (n,)
        Log-densities in nats, by the name of the group.

    Attributes
    ----------
    ax_, figure_ : matplotlib.axes.Axes, matplotlib.figure.Figure
        The axes drawn into, and the figure that holds them.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.mixture import GaussianMixture
    >>> from skdiffusion.plotting import LogDensityDisplay
    >>> X = load_iris().data
    >>> mixture = GaussianMixture(3, random_state=0).fit(X[::2])
    >>> display = LogDensityDisplay.from_estimator(
    ...     mixture, {"training rows": X[::2], "held-out rows": X[1::2]}
    ... )
    >>> list(display.log_densities)
    ['training rows', 'held-out rows']
    """

    log_densities: dict[str, np.ndarray]

    @classmethod
    def from_estimator(cls, estimator, samples):
        """Compare what a fitted density estimator says of groups of rows.

        Parameters
        ----------
        estimator : estimator
            Anything fitted that has ``score_samples``.
        samples : mapping of str to array or frame of shape (n, n_features)
            Rows, by the name of the group, top to bottom.

        Returns
        -------
        display : LogDensityDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If there is no group, or one of them has no finite log-density.
        """
        groups = {name: np.asarray(estimator.score_samples(X)) for name, X in samples.items()}
        if not groups or not all(np.isfinite(values).any() for values in groups.values()):
            raise ValueError("Groups of rows are needed, each with finite log-densities.")
        return cls(log_densities=groups)

    def plot(self, ax=None):
        ax = take_axes(self, ax, 6.0, 1.2 + 0.75 * len(self.log_densities))
        low, high = self._limits()
        for i, (name, values) in enumerate(self.log_densities.items()):
            self._plot_group(name, values, low, high, GROUPS[i % len(GROUPS)], -float(i))
        ax.set_xlim(low - 0.45 * (high - low), high)
        ax.set_xticks([tick for tick in ax.get_xticks() if low <= tick <= high])
        ax.set_ylim(1 - len(self.log_densities) - 0.05, 1.0)
        ax.spines["bottom"].set_bounds(low, high)
        tidy(ax, "log-density (nats)", left=False)
        return self

    def _plot_group(self, name, values, low, high, colour, base):
        grid, ax = np.linspace(low, high, 400), self.ax_
        height = _density(np.clip(values[np.isfinite(values)], low, None), grid)
        ax.fill_between(grid, base, base + height, color=colour, alpha=0.55, linewidth=0)
        ax.plot(grid, base + height, color=colour, linewidth=1.2)
        median = float(np.median(values))
        if low <= median <= high:
            ax.plot([median] * 2, [base, base + np.interp(median, grid, height)], color=colour)
        label = f"{name}\nmedian {median:.1f}"
        write_at_edge(ax, 0, base + 0.42, label, colour, "small")

    def _limits(self):
        """Return an axis for the bulk of every group, unless one would squeeze the others."""
        finite = [values[np.isfinite(values)] for values in self.log_densities.values()]
        lows, medians = np.transpose([np.quantile(values, [0.02, 0.5]) for values in finite])
        # Less than a few nats is no difference worth the whole width.
        typical = max(np.median(medians - lows), 2.0)
        low = max(lows.min(), np.median(medians) - 6 * typical)
        high = max(values.max() for values in finite)
        margin = 0.04 * max(high - low, typical)
        return low - margin, high + margin


def _density(values, grid):
    """Return a smooth density scaled to a peak of 0.85, so that groups do not overlap."""
    # Never narrower than can be seen: a group may hold a single value.
    width = max(np.std(values) * len(values) ** -0.2, 0.008 * np.ptp(grid))
    height = np.exp(-0.5 * ((grid[:, None] - values) / width) ** 2).sum(axis=1)
    return 0.85 * height / height.max()
