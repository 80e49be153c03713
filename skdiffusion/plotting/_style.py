"""What all displays share: the way to matplotlib, and a look."""

from typing import Any

import numpy as np

from skdiffusion._utils.checks import needs

# Slate for what was measured, vermilion for what was made: told apart without colour vision too,
# since they differ in lightness. The others serve further groups.
REAL, SYNTHETIC = "#35495e", "#f4743b"
GROUPS = (REAL, "#3a8fb7", SYNTHETIC, "#a3a9b0", "#7b5ea7", "#5b9a57")
MUTED = "#6b7480"
NOTE = {"color": MUTED, "fontsize": "small"}


def import_pyplot():
    """Return ``matplotlib.pyplot``, or say where to get it."""
    with needs("plot", "Displays need matplotlib"):
        import matplotlib.pyplot as plt
    return plt


class Display:
    """What a class method has made of rows, to be drawn as often as wanted."""

    def plot(self, ax=None):
        """Draw into axes, or into a figure of its own.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into, whose place several pictures share. With ``None``, a figure is made.

        Returns
        -------
        display : Display
            The display itself, now with `ax_`, the axes drawn into, and their `figure_`.
        """
        raise NotImplementedError


class AnimatedDisplay(Display):
    """A display of states. `_animated` draws one; it returns how many, and what shows one."""

    def animate(self, ax: Any = None, *, interval: int = 100) -> Any:
        """Draw all states into one place, one after the other.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            As for ``plot``.
        interval : int, default=100
            Milliseconds from one to the next.

        Returns
        -------
        animation : matplotlib.animation.FuncAnimation
            To be kept, shown or saved, as by ``animation.save("rows.gif", "pillow")``.
        """
        n_frames, show = self._animated(ax)
        from matplotlib.animation import FuncAnimation

        return FuncAnimation(self.figure_, show, frames=n_frames, interval=interval)


def take_axes(display, ax, width, height):
    """Give a display the axes to draw into: those given, or those of a new figure."""
    plt = import_pyplot()
    if ax is None:
        ax = plt.subplots(figsize=(width, height), layout="constrained")[1]
    display.ax_, display.figure_ = ax, ax.figure
    return ax


def give_up_place(ax):
    """Hide axes, and return their place in the grid of the figure for other axes."""
    if (place := ax.get_subplotspec()) is None:
        raise ValueError("ax must come from a grid, for example from plt.subplots().")
    ax.set_axis_off()
    return place


def tidy(ax, x="", y="", *, left=True):
    """Label axes, and take away their lines that carry no data."""
    ax.set_xlabel(x, **NOTE)
    ax.set_ylabel(y, **NOTE)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.tick_params(colors=MUTED, labelsize="small")
    if not left:
        ax.spines["left"].set_visible(False)
        ax.set_yticks([])


def legend_above(ax):
    """Draw the legend in a line above the axes, where there is anything to name."""
    if ax.get_legend_handles_labels()[0]:
        place = {"loc": "lower left", "bbox_to_anchor": (0, 1.0)}
        ax.legend(**place, ncols=3, frameon=False, fontsize="small")


def colour_scale(values):
    """Return colours over the range of values, with zero in the middle of both signs."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low < 0 < high:
        return {"cmap": "RdBu_r", "vmin": -max(-low, high), "vmax": max(-low, high)}
    return {"cmap": "viridis", "vmin": low, "vmax": high if high > low else low + 1.0}


def marker_size(n_points):
    """Return a marker size for so many points: the more there are, the smaller."""
    return float(np.clip(9000 / max(n_points, 1), 3, 26))


def scatter_mixed(ax, real, synthetic=None):
    """Draw two samples of points in mixed order, so that neither hides the other."""
    samples = {"real": real} if synthetic is None else {"real": real, "synthetic": synthetic}
    points, sizes = np.concatenate(list(samples.values())), list(map(len, samples.values()))
    colours = np.repeat([REAL, SYNTHETIC][: len(samples)], sizes)
    mixed = np.random.default_rng(0).permutation(len(points))
    size = marker_size(len(points))
    ax.scatter(*points[mixed].T, c=colours[mixed].tolist(), s=size, alpha=0.6, linewidths=0)
    for name, n, colour in zip(samples, sizes, (REAL, SYNTHETIC), strict=False):
        ax.scatter([], [], c=colour, s=30, linewidths=0, label=f"{name} ({n:,} rows)")
