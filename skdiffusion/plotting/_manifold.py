"""Real and synthetic rows in two coordinates."""

from dataclasses import dataclass

import numpy as np

from skdiffusion.metrics.alignment import align

from . import _columns, _style


@dataclass(kw_only=True, repr=False, eq=False)
class ManifoldDisplay(_style.Display):
    """Rows in two coordinates: those of an embedding, or the first two principal components.

    Synthetic rows that leave the manifold, or leave a part of it out, show as orange without slate
    beneath it, or slate without orange. With a value for each real row, such as its local dimension
    or log-density, the real rows are drawn alone and coloured by it.

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
    ax_, figure_ : matplotlib.axes.Axes, matplotlib.figure.Figure
        The axes drawn into, and the figure that holds them.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        The scale of the values.

    Examples
    --------
    >>> from sklearn.datasets import make_swiss_roll
    >>> from sklearn.manifold import Isomap
    >>> from skdiffusion.plotting import ManifoldDisplay
    >>> X, angle = make_swiss_roll(300, random_state=0)
    >>> display = ManifoldDisplay.from_samples(X, embedding=Isomap().fit(X), values=angle)
    >>> display.real_projection.shape, display.axis_labels
    ((300, 2), ('Isomap 1', 'Isomap 2'))
    """

    real_projection: np.ndarray
    synthetic_projection: np.ndarray | None = None
    values: np.ndarray | None = None
    value_label: str = "value"
    axis_labels: tuple[str, str] = ("coordinate 1", "coordinate 2")

    @classmethod
    def from_samples(
        cls, real, synthetic=None, *, embedding=None, values=None, value_label="value"
    ):
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
        values : array of shape (n,) or None, default=None
            What the real rows are coloured by, where there are no synthetic ones.
        value_label : str, default="value"
            What the values are.

        Returns
        -------
        display : ManifoldDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If the columns of the tables differ, there are less than two coordinates, not one value
            for each real row, or values and synthetic rows.
        """
        if values is not None:
            values = np.asarray(values, dtype=np.float64)
            if values.shape != (len(real),) or synthetic is not None:
                raise ValueError(
                    f"values must have one for each of {len(real)} real rows, shown alone, got "
                    f"shape {values.shape}."
                )
        tables = [real, real if synthetic is None else synthetic]
        if embedding is None:
            *both, labels = _columns.project(align(*tables))
        else:
            both = [_coordinates(embedding, table) for table in tables]
            labels = tuple(f"{type(embedding).__name__} {i}" for i in (1, 2))
        return cls(
            real_projection=both[0],
            synthetic_projection=None if synthetic is None else both[1],
            values=values,
            value_label=value_label,
            axis_labels=labels,
        )

    def plot(self, ax=None):
        _style.take_axes(self, ax, 5.6, 4.6)
        self.colorbar_ = None
        if self.values is None:
            _style.scatter_mixed(self.ax_, self.real_projection, self.synthetic_projection)
        else:
            points = self.real_projection
            size = _style.marker_size(len(points))
            shown = self.ax_.scatter(*points.T, c=self.values, s=size, linewidths=0)
            self.colorbar_ = self.figure_.colorbar(shown, ax=self.ax_, label=self.value_label)
        _style.legend_above(self.ax_)
        _style.tidy(self.ax_, *self.axis_labels)
        return self


def _coordinates(embedding, X):
    coordinates = np.asarray(embedding.transform(X), dtype=np.float64)
    if coordinates.ndim != 2 or coordinates.shape[1] < 2:
        raise ValueError(
            f"{type(embedding).__name__} must give two coordinates or more, got shape "
            f"{coordinates.shape}."
        )
    return coordinates[:, :2]
