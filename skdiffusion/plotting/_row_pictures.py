"""Rows as pictures, one beside the other or one after the other."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from . import _style


@dataclass(kw_only=True, repr=False, eq=False)
class RowDisplay(_style.AnimatedDisplay):
    """Rows, or what belongs to their cells, as images or as lines over the columns.

    Parameters
    ----------
    frames : array of shape (n_frames, n, d), (n_frames, n, H, W) or (n_frames, n, H, W, C)
        The rows, of which `plot` draws the last frame and `animate` all.
    limits : tuple of (low, high)
        Values that the colours, or the axes of lines, reach to.
    titles : list of str or None, default=None
        What stands above each row.
    n_columns : int, default=8
        How many rows stand side by side.

    Attributes
    ----------
    artists_ : list of matplotlib.image.AxesImage or matplotlib.lines.Line2D
        The images or lines.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdiffusion.plotting import RowDisplay
    >>> display = RowDisplay.from_rows(load_digits().data[:10], (8, 8), n_columns=5)
    >>> display.frames.shape
    (1, 10, 8, 8)
    """

    frames: np.ndarray
    limits: tuple[float, float]
    titles: list[str] | None = None
    n_columns: int = 8

    @classmethod
    def from_rows(
        cls, rows: Any, image_shape: Any = None, *, titles=None, n_columns: int = 8, limits=None
    ) -> Self:
        """Show rows, or frames of them.

        Parameters
        ----------
        rows : array-like or data frame of shape (n, d) or (n_frames, n, d)
            Numbers. Of a traversal `T`, ``T[:, None]`` has a frame for each row.
        image_shape : tuple of (H, W) or (H, W, C) or None, default=None
            Shape of an image, in NumPy's order, with 1, 3 or 4 channels. None draws lines.
        titles, n_columns, limits : list of str or None, int, tuple of (low, high) or None
            As for the display. Without limits those of the last frame are taken, as earlier ones
            may be noise, with zero in the middle of both signs.

        Returns
        -------
        display : RowDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If rows are not numbers, fit no image of that shape, or have not a title each.
        """
        rows = np.asarray(rows, dtype=np.float64)
        rows = rows[None] if rows.ndim == 2 else rows
        shape = rows.shape[-1:] if image_shape is None else tuple(image_shape)
        is_image = len(shape) < 3 or (len(shape) == 3 and shape[2] in (1, 3, 4))
        if rows.ndim != 3 or rows.shape[-1] != np.prod(shape) or not is_image:
            raise ValueError(
                "rows must be of shape (n, d) or (n_frames, n, d), with as many columns as an "
                f"image of 1, 3 or 4 channels has cells: {rows.shape}, {image_shape}."
            )
        if titles is not None and len(titles) != rows.shape[1]:
            raise ValueError(f"{rows.shape[1]} rows need a title each, got {len(titles)}.")
        scale = _style.colour_scale(rows[-1])
        limits = (scale["vmin"], scale["vmax"]) if limits is None else limits
        frames = rows.reshape(*rows.shape[:2], *(shape[:2] if shape[2:] == (1,) else shape))
        return cls(frames=frames, limits=limits, titles=titles, n_columns=n_columns)

    def plot(self, ax: Any = None) -> Self:
        rows = self.frames[-1]
        across = min(len(rows), self.n_columns)
        down = -(-len(rows) // across)
        place = _style.give_up_place(_style.take_axes(self, ax, 1.2 * across, 1.3 * down))
        grid = place.subgridspec(down, across)
        panels = [self.figure_.add_subplot(grid[divmod(i, across)]) for i in range(len(rows))]
        self.artists_ = [self._draw(*pair) for pair in zip(panels, rows, strict=True)]
        for panel, title in zip(panels, self.titles or [], strict=False):
            panel.set_title(title, **_style.NOTE)
        return self

    def _draw(self, panel, row):
        """Draw a row, and return what a frame changes."""
        panel.set(xticks=[], yticks=[])
        low, high = self.limits
        if row.ndim > 1:
            colours = _style.colour_scale(self.limits)["cmap"]
            return panel.imshow(self._shown(row), cmap=colours, vmin=low, vmax=high)
        panel.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        return panel.plot(row, color=_style.REAL, linewidth=1.2)[0]

    def _shown(self, row):
        low, high = self.limits
        # colours of their own are from 0 to 1
        return np.clip((row - low) / (high - low), 0, 1) if row.ndim == 3 else row

    def _animated(self, ax):
        self.plot(ax)

        def show(frame):
            for artist, row in zip(self.artists_, self.frames[frame], strict=True):
                (artist.set_data if row.ndim > 1 else artist.set_ydata)(self._shown(row))

        return len(self.frames), show
