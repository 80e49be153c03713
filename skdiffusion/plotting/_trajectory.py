"""How noise becomes rows, step by step."""

from dataclasses import dataclass
from typing import Any, Self

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
    projection : array of shape (n_steps + 1, n, 2)
        Rows in two coordinates at each state, from noise to data.
    sigmas : array of shape (n_steps + 1,)
        Noise level of each.
    n_panels : int, default=5
        Number of pictures; `animate` shows all states.

    Attributes
    ----------
    axes_ : array of matplotlib.axes.Axes
        The pictures that `plot` has drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.plotting import TrajectoryDisplay
    >>> rng = np.random.default_rng(0)
    >>> rows, noise = rng.choice([-1.0, 1.0], size=(50, 2)), rng.normal(size=(50, 2))
    >>> sigmas = np.array([10.0, 3.0, 1.0, 0.3, 0.0])
    >>> states = rows + sigmas[:, None, None] * noise
    >>> display = TrajectoryDisplay.from_states(states, sigmas, n_panels=3)
    >>> display.projection.shape
    (5, 50, 2)
    """

    projection: np.ndarray
    sigmas: np.ndarray
    n_panels: int = 5

    @classmethod
    def from_states(cls, states: Any, sigmas: Any, *, n_panels: int = 5) -> Self:
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
        last = states[-1]
        centre, axes = last.mean(axis=0), np.eye(2)
        if last.shape[1] > 2:
            axes = PCA(n_components=2, svd_solver="full").fit(last).components_.T
        points = (states - centre) @ axes
        spread = np.sqrt((points[-1] ** 2).mean()) or 1.0
        points /= np.sqrt(1 + (sigmas / spread) ** 2)[:, None, None]
        return cls(projection=points, sigmas=sigmas, n_panels=n_panels)

    def plot(self, ax: Any = None) -> Self:
        n_panels = min(self.n_panels, len(self.sigmas))
        grid = give_up_place(take_axes(self, ax, 2.2 * n_panels, 2.5)).subgridspec(1, n_panels)
        self.axes_ = np.array([self.figure_.add_subplot(grid[i]) for i in range(n_panels)])
        shown = np.linspace(0, len(self.sigmas) - 1, n_panels).round().astype(int)
        for panel, state in zip(self.axes_, shown, strict=True):
            self._draw(panel, state)
        return self

    def _draw(self, panel, state):
        """Draw a state, and return its points."""
        # a few rows far out shall not squeeze the others
        reach = 1.15 * np.quantile(np.abs(self.projection), 0.99) or 1.0
        points, colours = self.projection[state], self.projection[-1, :, 0].argsort().argsort()
        size = np.clip(3000 / len(points), 2, 14)
        drawn = panel.scatter(*points.T, c=colours, s=size, linewidths=0)
        self._name(panel, state)
        panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[])
        tidy(panel, left=False)
        panel.spines["bottom"].set_visible(False)
        return drawn

    def _name(self, panel, state):
        panel.set_title(f"noise {self.sigmas[state]:.2g}", fontsize="small", color=MUTED)

    def _animated(self, ax):
        ax = take_axes(self, ax, 3.6, 3.9)
        drawn = self._draw(ax, 0)

        def show(state):
            drawn.set_offsets(self.projection[state])
            self._name(ax, state)

        return len(self.sigmas), show
