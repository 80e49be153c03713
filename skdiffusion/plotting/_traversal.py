"""Rows along a path: between two rows, or along a direction of the latent space."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._columns import as_columns, is_numeric
from ._style import GROUPS, MUTED, import_pyplot, tidy

# Height of a column's band of one; the rest keeps the numbers at its edges apart.
_BAND = 0.7


class TraversalDisplay:
    """Rows along a path, as a line for each column or as small images.

    It is recommended to make a display with :meth:`from_estimator` or :meth:`from_path`.

    Parameters
    ----------
    columns : dict of str to array of shape (n_points,)
        The values of each column along the path, in the order in which they are drawn.
    positions : array of shape (n_points,)
        Where each row stands on the path.
    position_label : str, default="position on the path"
        What the positions are.
    images : array of shape (n_points, height, width) or None, default=None
        The rows as images, which are then drawn instead of lines.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes drawn into.
    figure_ : matplotlib.figure.Figure
        The figure that holds them.
    lines_ : list of matplotlib.lines.Line2D
        The line of each column; empty for images.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.plotting import TraversalDisplay
    >>> angle = np.linspace(0, np.pi, 9)
    >>> path = np.stack([np.cos(angle), np.sin(angle), np.ones(9)], axis=1)
    >>> display = TraversalDisplay.from_path(path)
    >>> list(display.columns)
    ['x0', 'x1']
    """

    def __init__(
        self,
        *,
        columns: dict[str, NDArray[Any]],
        positions: NDArray[np.float64],
        position_label: str = "position on the path",
        images: NDArray[np.float64] | None = None,
    ):
        self.columns = columns
        self.positions = positions
        self.position_label = position_label
        self.images = images

    @classmethod
    def from_estimator(
        cls,
        sampler: Any,
        a: ArrayLike,
        b: ArrayLike | None = None,
        *,
        direction: Any = 0,
        n_points: int = 20,
        columns: Sequence[str] | None = None,
        max_columns: int = 8,
        image_shape: tuple[int, int] | None = None,
        ax: Any = None,
    ) -> "TraversalDisplay":
        """Show a path that a fitted sampler finds.

        Parameters
        ----------
        sampler : estimator
            Anything fitted with ``interpolate(a, b, n_points)``, which returns rows from `a` to
            `b`, or ``traverse(a, direction, n_points)``, which returns rows along a direction of
            the latent space.
        a : array-like of shape (n_features,)
            Row at which the path starts, or through which the traversal goes.
        b : array-like of shape (n_features,) or None, default=None
            Row at which it ends; None traverses the latent space from `a`.
        direction : int or array-like, default=0
            Direction of the traversal; see the sampler.
        n_points : int, default=20
            Number of rows on the path.
        columns : sequence of str or None, default=None
            Columns to draw; see :meth:`from_path`.
        max_columns : int, default=8
            How many to draw with ``columns=None``.
        image_shape : tuple of int (height, width) or None, default=None
            Shape of the images that the rows are; None draws lines.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into at once. With ``None``, the display is not drawn yet.

        Returns
        -------
        display : TraversalDisplay
            The display, drawn if `ax` is given.
        """
        if b is None:
            path = sampler.traverse(a, direction, n_points)
        else:
            path = sampler.interpolate(a, b, n_points)
        return cls.from_path(
            path, columns=columns, max_columns=max_columns, image_shape=image_shape, ax=ax
        )

    @classmethod
    def from_path(
        cls,
        path: Any,
        *,
        positions: ArrayLike | None = None,
        position_label: str = "position on the path",
        columns: Sequence[str] | None = None,
        max_columns: int = 8,
        image_shape: tuple[int, int] | None = None,
        ax: Any = None,
    ) -> "TraversalDisplay":
        """Show rows along a path that has been found already.

        Parameters
        ----------
        path : array or frame of shape (n_points, n_features)
            Rows in order, two or more.
        positions : array-like of shape (n_points,) or None, default=None
            Where each stands; None spaces them equally from 0 to 1.
        position_label : str, default="position on the path"
            What the positions are.
        columns : sequence of str or None, default=None
            Columns to draw, top to bottom; those of an array are named ``x0``, ``x1`` and so on.
            With ``None``, the first that change along the path.
        max_columns : int, default=8
            How many to draw with ``columns=None``.
        image_shape : tuple of int (height, width) or None, default=None
            Shape of the images that the rows are; None draws lines.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into at once. With ``None``, the display is not drawn yet.

        Returns
        -------
        display : TraversalDisplay
            The display, drawn if `ax` is given.

        Raises
        ------
        ValueError
            If a name is none of the columns, there are less than two rows, not one position for
            each, or the rows are not of the shape of the images.
        """
        table = as_columns(path)
        n = len(next(iter(table.values())))
        if n < 2:
            raise ValueError(f"A path needs two rows or more, got {n}.")
        at = np.linspace(0, 1, n) if positions is None else np.asarray(positions, dtype=np.float64)
        if at.shape != (n,):
            raise ValueError(f"positions must have one for each of the {n} rows, got {at.shape}.")
        if unknown := [name for name in columns or () if name not in table]:
            raise ValueError(f"Unknown columns {unknown}; the rows have {list(table)}.")
        if columns is None:
            changing = [name for name, values in table.items() if np.any(values != values[0])]
            columns = changing[:max_columns] or list(table)[:1]
        display = cls(
            columns={name: table[name] for name in columns},
            positions=at,
            position_label=position_label,
            images=None if image_shape is None else _images(table, image_shape),
        )
        return display if ax is None else display.plot(ax)

    def plot(self, ax: Any = None) -> "TraversalDisplay":
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into. With ``None``, a figure of its own is made.

        Returns
        -------
        display : TraversalDisplay
            The display itself, with ``ax_``, ``figure_`` and ``lines_``.
        """
        plt = import_pyplot("TraversalDisplay.plot")
        if ax is None:
            if self.images is None:
                size = (6.0, 1.0 + 0.6 * len(self.columns))
            else:
                size = (min(0.8 * len(self.images), 14.0), 1.4)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_, self.lines_ = ax, ax.figure, []
        if self.images is None:
            self._plot_lines(ax)
        else:
            self._plot_images(ax)
        return self

    def _plot_lines(self, ax: Any) -> None:
        """Draw the columns one above the other, each in a band of its own range."""
        names = list(self.columns)
        for i, (name, values) in enumerate(self.columns.items()):
            heights, low, high, style = _heights(values)
            colour = GROUPS[i % len(GROUPS)]
            line = ax.plot(self.positions, heights - i, color=colour, drawstyle=style, label=name)
            self.lines_ += line
            for text, height in ((high, _BAND), (low, 0.0)):
                ax.annotate(
                    text,
                    xy=(1, height - i),
                    xycoords=("axes fraction", "data"),
                    xytext=(3, 0),
                    textcoords="offset points",
                    va="center",
                    color=colour,
                    fontsize="x-small",
                )
        ax.set_yticks(_BAND / 2 - np.arange(len(names)), names)
        ax.set_ylim(0.75 - len(names), _BAND + 0.25)
        ax.set_xlabel(self.position_label, color=MUTED, fontsize="small")
        tidy(ax)
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)

    def _plot_images(self, ax: Any) -> None:
        """Draw the images side by side, in one scale of grey."""
        assert self.images is not None
        n, height, width = self.images.shape
        gap = max(1, width // 8)
        strip = np.full((height, n * (width + gap) - gap), np.nan)
        for i, image in enumerate(self.images):
            strip[:, i * (width + gap) : i * (width + gap) + width] = image
        ax.imshow(strip, cmap="gray_r", interpolation="nearest")
        middle = np.arange(n) * (width + gap) + (width - 1) / 2
        labelled = np.unique(np.linspace(0, n - 1, min(n, 5)).round().astype(int))
        ax.set_xticks(middle[labelled], [f"{self.positions[i]:.2g}" for i in labelled])
        ax.set_xlabel(self.position_label, color=MUTED, fontsize="small")
        tidy(ax, left=False)
        ax.spines["bottom"].set_visible(False)


def _heights(values: NDArray[Any]) -> tuple[NDArray[np.float64], str, str, str]:
    """A column scaled to its band, what its edges mean, and how lines are drawn."""
    if is_numeric(values):
        numbers, style = values.astype(np.float64), "default"
        low, high = np.nanmin(numbers), np.nanmax(numbers)
        edges = (f"{low:.3g}", f"{high:.3g}" if high > low else "")
    else:
        # in the order in which they come
        levels = list(dict.fromkeys(values.astype(str).tolist()))
        numbers = np.array([levels.index(str(value)) for value in values], dtype=np.float64)
        low, high, style = 0.0, float(len(levels) - 1), "steps-mid"
        edges = (levels[0], levels[-1] if len(levels) > 1 else "")
    return _BAND * (numbers - low) / (high - low or 1.0), *edges, style


def _images(table: dict[str, NDArray[Any]], shape: tuple[int, int]) -> NDArray[np.float64]:
    rows = np.stack([np.asarray(column, dtype=np.float64) for column in table.values()], axis=1)
    if len(shape) != 2 or rows.shape[1] != shape[0] * shape[1]:
        raise ValueError(f"Rows of {rows.shape[1]} columns are no images of shape {shape}.")
    return rows.reshape(len(rows), *shape)
