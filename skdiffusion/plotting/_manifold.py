"""Real and synthetic rows in two coordinates of the manifold they lie on."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._columns import as_columns, is_numeric, project, same_columns
from ._style import MUTED, REAL, SYNTHETIC, import_pyplot, tidy

Values = ArrayLike | Callable[[Any], ArrayLike] | None


class ManifoldDisplay:
    """Rows in two coordinates: those of an embedding, or the first two principal components.

    Synthetic rows that leave the manifold, or leave a part of it out, show as orange without slate
    beneath it, or slate without orange. With a value for each real row, such as its local dimension
    or log-density, the real rows are coloured by it.

    It is recommended to make a display with :meth:`from_estimator` or :meth:`from_samples`.

    Parameters
    ----------
    real_projection : array of shape (n, 2)
        The real rows in the two coordinates.
    synthetic_projection : array of shape (m, 2) or None, default=None
        The synthetic rows; None where there are none.
    values : array of shape (n,) or None, default=None
        What the real rows are coloured by.
    value_label : str, default="value"
        What the values are.
    axis_labels : tuple of two str, default=("coordinate 1", "coordinate 2")
        What the coordinates are.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes drawn into.
    figure_ : matplotlib.figure.Figure
        The figure that holds them.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        The scale of the values.

    Examples
    --------
    >>> from sklearn.datasets import make_swiss_roll
    >>> from sklearn.manifold import Isomap
    >>> from skdiffusion.plotting import ManifoldDisplay
    >>> X, angle = make_swiss_roll(300, random_state=0)
    >>> display = ManifoldDisplay.from_estimator(Isomap().fit(X), X, values=angle)
    >>> display.real_projection.shape, display.axis_labels
    ((300, 2), ('Isomap 1', 'Isomap 2'))
    """

    def __init__(
        self,
        *,
        real_projection: NDArray[np.float64],
        synthetic_projection: NDArray[np.float64] | None = None,
        values: NDArray[np.float64] | None = None,
        value_label: str = "value",
        axis_labels: tuple[str, str] = ("coordinate 1", "coordinate 2"),
    ):
        self.real_projection = real_projection
        self.synthetic_projection = synthetic_projection
        self.values = values
        self.value_label = value_label
        self.axis_labels = axis_labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        synthetic: Any = None,
        embedding: Any = None,
        values: Values | str = None,
        value_label: str | None = None,
        random_state: Any = None,
        ax: Any = None,
    ) -> "ManifoldDisplay":
        """Show rows beside those that a sampler draws, or as an embedding sees them.

        Parameters
        ----------
        estimator : estimator
            A fitted sampler, which has ``sample``; or a fitted embedding, which has ``transform``
            and no ``sample``, and is then the `embedding`.
        X : array or frame of shape (n, n_features)
            Real rows.
        synthetic : array or frame of shape (m, n_features) or None, default=None
            Synthetic rows. With ``None``, a sampler draws as many as there are real ones.
        embedding : transformer or None, default=None
            Whose first two columns of ``transform`` are drawn. With ``None``, the first two
            principal components are, of columns scaled to unit variance.
        values : array of shape (n,), callable, "log_density" or None, default=None
            What the real rows are coloured by, or a function from rows to it;
            "log_density" asks the estimator's ``score_samples``.
        value_label : str or None, default=None
            What the values are.
        random_state : int, RandomState instance or None, default=None
            Source of the rows drawn.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into at once. With ``None``, the display is not drawn yet.

        Returns
        -------
        display : ManifoldDisplay
            The display, drawn if `ax` is given.
        """
        if hasattr(estimator, "sample"):
            if synthetic is None:
                synthetic = estimator.sample(len(X), random_state=random_state)
        elif embedding is None:
            embedding = estimator
        if isinstance(values, str):
            if values != "log_density":
                raise ValueError(f"values must be an array, function or 'log_density': {values!r}.")
            values, value_label = estimator.score_samples, value_label or "log-density (nats)"
        return cls.from_samples(
            X, synthetic, embedding=embedding, values=values, value_label=value_label, ax=ax
        )

    @classmethod
    def from_samples(
        cls,
        real: Any,
        synthetic: Any = None,
        *,
        embedding: Any = None,
        values: Values = None,
        value_label: str | None = None,
        ax: Any = None,
    ) -> "ManifoldDisplay":
        """Show rows that have been drawn already.

        Parameters
        ----------
        real : array or frame of shape (n, n_features)
            Real rows.
        synthetic : array or frame of shape (m, n_features) or None, default=None
            Synthetic rows.
        embedding : transformer or None, default=None
            Whose first two columns of ``transform`` are drawn. With ``None``, the first two
            principal components are, of columns scaled to unit variance.
        values : array of shape (n,), callable or None, default=None
            What the real rows are coloured by, or a function from rows to it.
        value_label : str or None, default=None
            What the values are.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into at once. With ``None``, the display is not drawn yet.

        Returns
        -------
        display : ManifoldDisplay
            The display, drawn if `ax` is given.

        Raises
        ------
        ValueError
            If the columns of the tables differ, there are less than two coordinates, or not one
            value for each real row.
        """
        if embedding is None:
            ours, theirs, labels = _principal(real, synthetic)
        else:
            ours = _coordinates(embedding, real)
            theirs = None if synthetic is None else _coordinates(embedding, synthetic)
            name = type(embedding).__name__
            labels = (f"{name} 1", f"{name} 2")
        display = cls(
            real_projection=ours,
            synthetic_projection=theirs,
            values=None if values is None else _values(values, real, len(ours)),
            value_label=value_label or "value",
            axis_labels=labels,
        )
        return display if ax is None else display.plot(ax)

    def plot(self, ax: Any = None) -> "ManifoldDisplay":
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into. With ``None``, a figure of its own is made.

        Returns
        -------
        display : ManifoldDisplay
            The display itself, with ``ax_``, ``figure_`` and ``colorbar_``.
        """
        plt = import_pyplot("ManifoldDisplay.plot")
        if ax is None:
            _, ax = plt.subplots(figsize=(5.6, 4.6), layout="constrained")
        self.ax_, self.figure_, self.colorbar_ = ax, ax.figure, None
        muted = {"color": MUTED, "fontsize": "small"}
        if self.values is None:
            self._scatter_mixed(ax)
        else:
            shown = ax.scatter(
                *self.real_projection.T, c=self.values, s=_size(self.real_projection), linewidths=0
            )
            self.colorbar_ = self.figure_.colorbar(shown, ax=ax)
            self.colorbar_.set_label(self.value_label, **muted)
            if self.synthetic_projection is not None:
                size = _size(self.synthetic_projection)
                ax.scatter(
                    *self.synthetic_projection.T, c=SYNTHETIC, s=size, marker="x", linewidths=0.6
                )
        for colour, label in self._legend():
            ax.scatter([], [], c=colour, s=30, linewidths=0, label=label)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(
                loc="lower left",
                bbox_to_anchor=(0, 1.0),
                ncols=2,
                frameon=False,
                borderaxespad=0.2,
                handletextpad=0.1,
                columnspacing=1.0,
                fontsize="small",
            )
        ax.set_xlabel(self.axis_labels[0], **muted)
        ax.set_ylabel(self.axis_labels[1], **muted)
        tidy(ax)
        return self

    def _scatter_mixed(self, ax: Any) -> None:
        """Draw both samples in mixed order, so that neither hides the other."""
        parts = [(self.real_projection, REAL)]
        if self.synthetic_projection is not None:
            parts.append((self.synthetic_projection, SYNTHETIC))
        points = np.concatenate([points for points, _ in parts])
        colours = np.repeat([colour for _, colour in parts], [len(points) for points, _ in parts])
        mixed = np.random.default_rng(0).permutation(len(points))
        ax.scatter(
            *points[mixed].T, c=colours[mixed].tolist(), s=_size(points), alpha=0.6, linewidths=0
        )

    def _legend(self) -> list[tuple[str, str]]:
        """Colour and name of each sample that has one colour."""
        entries = []
        if self.values is None:
            entries.append((REAL, f"real ({len(self.real_projection):,} rows)"))
        if self.synthetic_projection is not None:
            entries.append((SYNTHETIC, f"synthetic ({len(self.synthetic_projection):,} rows)"))
        return entries


def _size(points: NDArray[np.float64]) -> float:
    return float(np.clip(9000 / max(len(points), 1), 3, 26))


def _principal(
    real: Any, synthetic: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, tuple[str, str]]:
    """Both samples in the first two principal components of the real one."""
    if synthetic is None:
        ours = theirs = as_columns(real)
    else:
        ours, theirs = same_columns(real, synthetic)
    a, b, ratio = project(ours, theirs, [name for name in ours if is_numeric(ours[name])])
    first, second = 100 * ratio
    labels = (
        f"principal component 1 ({first:.0f} % of the variance)",
        f"principal component 2 ({second:.0f} %)",
    )
    return a, None if synthetic is None else b, labels


def _coordinates(embedding: Any, X: Any) -> NDArray[np.float64]:
    W = np.asarray(embedding.transform(X), dtype=np.float64)
    if W.ndim != 2 or W.shape[1] < 2:
        raise ValueError(
            f"{type(embedding).__name__} must give two coordinates or more, got shape {W.shape}."
        )
    return W[:, :2]


def _values(values: Any, real: Any, n: int) -> NDArray[np.float64]:
    found = np.asarray(values(real) if callable(values) else values, dtype=np.float64)
    if found.shape != (n,):
        raise ValueError(f"values must have one for each of the {n} rows, got {found.shape}.")
    return found
