"""How noise becomes rows, step by step."""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

from ._style import MUTED, AnimatedDisplay, give_up_place, take_axes, tidy


@dataclass(kw_only=True, repr=False, eq=False)
class TrajectoryDisplay(AnimatedDisplay):
    """States of a solver on the way from noise to rows, in a few pictures from left to right.

    Each picture shows the same rows at one noise level, divided by what the noise has widened them
    by. A row keeps its colour, which goes by where it ends.

    Parameters
    ----------
    projection : array of shape (n_panels, n, 2)
        Rows in two coordinates at each picture, from noise to data.
    sigmas : array of shape (n_panels,)
        Noise level of each.
    frames : array of shape (n_steps + 1, n, 2) or None, default=None
        The same of all states, for `animate`; None is those of the pictures.
    frame_sigmas : array of shape (n_steps + 1,) or None, default=None
        Noise level of each.

    Attributes
    ----------
    axes_ : array of matplotlib.axes.Axes
        The pictures that `plot` has drawn.
    ax_, figure_ : matplotlib.axes.Axes, matplotlib.figure.Figure
        The axes whose place they take, and the figure that holds them.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.plotting import TrajectoryDisplay
    >>> rng = np.random.default_rng(0)
    >>> rows, noise = rng.choice([-1.0, 1.0], size=(50, 2)), rng.normal(size=(50, 2))
    >>> sigmas = np.array([10.0, 3.0, 1.0, 0.3, 0.0])
    >>> states = rows + sigmas[:, None, None] * noise
    >>> display = TrajectoryDisplay.from_states(states, sigmas, n_panels=3)
    >>> display.sigmas
    array([10.,  1.,  0.])
    """

    projection: np.ndarray
    sigmas: np.ndarray
    frames: np.ndarray | None = None
    frame_sigmas: np.ndarray | None = None

    @classmethod
    def from_states(cls, states, sigmas, *, n_panels=5):
        """Show the states of a solver.

        Parameters
        ----------
        states : array-like of shape (n_steps + 1, n, d)
            Rows after each step, from noise to data, in two columns or more. More are drawn in
            the first two principal components of the last state.
        sigmas : array-like of shape (n_steps + 1,)
            Noise level of each state, in the units of the rows.
        n_panels : int, default=5
            Number of pictures, at equal numbers of steps from one another.

        Returns
        -------
        display : TrajectoryDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If the shapes disagree or there are less than two states, rows or columns.
        """
        states = np.asarray(states, dtype=np.float64)
        sigmas = np.asarray(sigmas, dtype=np.float64)
        if states.ndim != 3 or min(states.shape) < 2 or sigmas.shape != states.shape[:1]:
            raise ValueError(
                "states must be of shape (n_steps + 1, n, d) with two steps, rows and columns or "
                f"more, and sigmas of shape (n_steps + 1,): {states.shape}, {sigmas.shape}."
            )
        shown = np.linspace(0, len(states) - 1, min(n_panels, len(states))).round().astype(int)
        last = states[-1]
        centre, axes = last.mean(axis=0), np.eye(2)
        if last.shape[1] > 2:
            axes = PCA(n_components=2, svd_solver="full").fit(last).components_.T
        points = (states - centre) @ axes
        spread = np.sqrt((points[-1] ** 2).mean()) or 1.0
        points /= np.sqrt(1 + (sigmas / spread) ** 2)[:, None, None]
        kept = {"frames": points, "frame_sigmas": sigmas}
        return cls(projection=points[shown], sigmas=sigmas[shown], **kept)

    def plot(self, ax=None):
        n_panels = len(self.projection)
        grid = give_up_place(take_axes(self, ax, 2.2 * n_panels, 2.5)).subgridspec(1, n_panels)
        self.axes_ = np.array([self.figure_.add_subplot(grid[i]) for i in range(n_panels)])
        for panel, points, sigma in zip(self.axes_, self.projection, self.sigmas, strict=True):
            self._draw(panel, points, sigma)
        return self

    def _draw(self, panel, points, sigma):
        """Draw a state, and return its points."""
        # a few rows far out shall not squeeze the others
        reach = 1.15 * np.quantile(np.abs(self.projection), 0.99) or 1.0
        colours = self.projection[-1, :, 0].argsort().argsort()
        size = np.clip(3000 / len(points), 2, 14)
        drawn = panel.scatter(*points.T, c=colours, s=size, linewidths=0)
        _name(panel, sigma)
        panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[])
        tidy(panel, left=False)
        panel.spines["bottom"].set_visible(False)
        return drawn

    def _animated(self, ax):
        take_axes(self, ax, 3.6, 3.9)
        frames, sigmas = self.frames, self.frame_sigmas
        if frames is None:
            frames, sigmas = self.projection, self.sigmas
        drawn = self._draw(self.ax_, frames[0], sigmas[0])

        def show(frame):
            drawn.set_offsets(frames[frame])
            _name(self.ax_, sigmas[frame])
            return [drawn]

        return len(frames), show


def _name(panel, sigma):
    panel.set_title(f"noise {sigma:.2g}", fontsize="small", color=MUTED)
