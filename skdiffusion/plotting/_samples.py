"""Real rows against synthetic ones, on a plane and by column."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.decomposition import PCA

from skdiffusion.metrics.alignment import align, histograms, robust_limits
from skdiffusion.metrics.fidelity import column_errors

from . import _style


@dataclass
class Marginal:
    """One column in two samples: densities over ``bins``, or shares of ``categories``."""

    name: str
    real: np.ndarray
    synthetic: np.ndarray
    distance: float
    bins: np.ndarray | None = None
    categories: list[str] | None = None


@dataclass(kw_only=True, repr=False, eq=False)
class SyntheticComparisonDisplay(_style.Display):
    """Real rows against synthetic ones: principal components and columns.

    On the left, both samples in the first two principal components of the real rows: where they
    are alike, the colours mix evenly. On the right, the columns that are least alike, worst first.

    Parameters
    ----------
    real_projection, synthetic_projection : array of shape (n, 2)
        Rows in the first two principal components.
    axis_labels : tuple of two str
        What the components are.
    marginals : list of Marginal
        The columns to draw, in order.

    Attributes
    ----------
    marginal_axes_ : ndarray of matplotlib.axes.Axes
        Axes of the columns.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.plotting import SyntheticComparisonDisplay
    >>> rng = np.random.default_rng(0)
    >>> real, synthetic = rng.normal(size=(2, 200, 3))
    >>> display = SyntheticComparisonDisplay.from_samples(real, synthetic)
    >>> len(display.marginals)
    3
    """

    real_projection: np.ndarray
    synthetic_projection: np.ndarray
    axis_labels: tuple[str, str]
    marginals: list[Marginal]

    @classmethod
    def from_samples(
        cls, real: Any, synthetic: Any, *, categorical_features: Any = (), max_columns: int = 6
    ) -> Self:
        """Compare two tables with the same columns.

        Parameters
        ----------
        real, synthetic : array or frame of shape (n, n_features)
            Any tables that the samplers take or draw.
        categorical_features : sequence of str or int, default=()
            Names or indices of numeric columns that hold categories, as others do anyway.
        max_columns : int, default=6
            How many columns to draw: the least alike by distribution functions, or shares.

        Returns
        -------
        display : SyntheticComparisonDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If the columns of the tables differ, or a categorical feature is none of theirs.
        """
        aligned = align(real, synthetic, categorical=categorical_features)
        found = sorted(compare(aligned), key=lambda column: -column.distance)
        return cls(marginals=found[: max(max_columns, 1)], **project(aligned))

    def plot(self, ax: Any = None) -> Self:
        place = _style.give_up_place(_style.take_axes(self, ax, 10.5, 4.6))
        n_rows = min(2, len(self.marginals))
        n_cols = -(-len(self.marginals) // n_rows)
        left, right = place.subgridspec(1, 2, width_ratios=[1.0, 0.45 * n_cols])
        self.ax_ = self.figure_.add_subplot(left)
        _style.scatter_mixed(self.ax_, self.real_projection, self.synthetic_projection)
        _style.legend_above(self.ax_)
        _style.tidy(self.ax_, *self.axis_labels)
        grid = right.subgridspec(n_rows, n_cols)
        self.marginal_axes_ = np.empty(len(self.marginals), dtype=object)
        for i, column in enumerate(self.marginals):
            self.marginal_axes_[i] = self.figure_.add_subplot(grid[i // n_cols, i % n_cols])
            _plot_marginal(self.marginal_axes_[i], column)
        return self


def _plot_marginal(ax, column):
    if column.categories is None:
        ax.locator_params(axis="x", nbins=3)
        ax.stairs(column.real, column.bins, fill=True, color=_style.REAL, alpha=0.30)
        ax.stairs(column.synthetic, column.bins, color=_style.SYNTHETIC, linewidth=1.6)
    else:
        at = np.arange(len(column.categories))
        ax.bar(at - 0.2, column.real, width=0.4, color=_style.REAL, alpha=0.45)
        ax.bar(at + 0.2, column.synthetic, width=0.4, color=_style.SYNTHETIC)
        shown = [name if len(name) <= 12 else f"{name[:11]}…" for name in column.categories]
        ax.set_xticks(at, shown, rotation=0 if len(shown) <= 3 else 45)
    ax.set_ylim(bottom=0)
    ax.set_title(column.name, fontsize="medium", loc="left")
    _style.tidy(ax, left=False)


@dataclass(kw_only=True, repr=False, eq=False)
class ManifoldDisplay(_style.Display):
    """Rows in two coordinates: those of an embedding, or the first two principal components.

    With a value for each real row, such as its log-density, these are drawn alone, coloured by it.

    Parameters
    ----------
    real_projection, synthetic_projection : array of shape (n, 2)
        Rows in the two coordinates; None where there are no synthetic ones.
    values : array of shape (n,) or None, default=None
        What the real rows are coloured by.
    value_label : str, default="value"
        What the values are.
    axis_labels : tuple of two str, default=("coordinate 1", "coordinate 2")
        What the coordinates are.

    Attributes
    ----------
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
        cls, real: Any, synthetic=None, *, embedding=None, values=None, value_label: str = "value"
    ) -> Self:
        """Show rows that have been drawn already.

        Parameters
        ----------
        real, synthetic : array or frame of shape (n, n_features)
            The rows; None where there are no synthetic ones.
        embedding : transformer or None, default=None
            Whose first two columns of ``transform`` are drawn. With ``None``, the first two
            principal components are, of columns scaled to unit variance.
        values, value_label : array of shape (n,) or None, and str
            As for the display; values only where there are no synthetic rows.

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
                raise ValueError(f"values need one for each of {len(real)} real rows, shown alone.")
        tables = [real, real if synthetic is None else synthetic]
        found = project(align(*tables)) if embedding is None else embed(embedding, tables)
        if synthetic is None:
            found["synthetic_projection"] = None
        return cls(values=values, value_label=value_label, **found)

    def plot(self, ax: Any = None) -> Self:
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


def embed(embedding, tables):
    """Return both samples in the first two coordinates of an embedding, and what these are."""
    name, found = type(embedding).__name__, []
    for table in tables:
        points = np.asarray(embedding.transform(table), dtype=np.float64)
        if points.ndim != 2 or points.shape[1] < 2:
            raise ValueError(f"{name} must give two coordinates or more, got shape {points.shape}.")
        found.append(points[:, :2])
    return _projections(*found, (f"{name} 1", f"{name} 2"))


def _projections(real, synthetic, labels):
    return {"real_projection": real, "synthetic_projection": synthetic, "axis_labels": labels}


def compare(aligned):
    """Compare the columns of two tables: numbers by Kolmogorov-Smirnov, categories by shares."""
    distances = column_errors(*aligned.codes, aligned.is_category).values()
    columns = zip(aligned.coders, distances, *(codes.T for codes in aligned.codes), strict=True)
    found = []
    for coder, distance, *cells in columns:
        real, synthetic, bins, labels = histograms(coder, *cells)
        if bins is not None:
            real, synthetic = real / np.diff(bins), synthetic / np.diff(bins)
            bins = coder.decode(bins)
        found.append(Marginal(str(coder.name), real, synthetic, distance, bins, labels))
    return found


def project(aligned):
    """Return both samples in the first two principal components of the real one, and these."""
    real, _ = aligned.codes
    a, b = (_points(codes, real, aligned.is_category) for codes in aligned.codes)
    if min(a.shape) < 2:
        raise ValueError("A projection needs at least two rows and two columns.")
    pca = PCA(n_components=2, svd_solver="full").fit(a)
    first, second = 100 * np.nan_to_num(pca.explained_variance_ratio_)
    labels = (
        f"principal component 1 ({first:.0f} % of the variance)",
        f"principal component 2 ({second:.0f} %)",
    )
    return _projections(pca.transform(a), pca.transform(b), labels)


def _points(table, real, is_category):
    """Numeric columns in units of their spread among real rows, and categories as indicators."""
    blocks = []
    for column, ours, told in zip(table.T, real.T, is_category, strict=True):
        if told:
            levels = np.unique(np.nan_to_num(ours, nan=-1.0))
            blocks.append(np.nan_to_num(column, nan=-1.0)[:, None] == levels)
            continue
        # one gross cell would be all there is to see
        low, high = robust_limits(ours)
        ours, column = (np.clip(c, 2 * low - high, 2 * high - low) for c in (ours, column))
        filled = np.nan_to_num(column, nan=np.nanmean(ours))
        blocks.append(filled[:, None] / (np.nanstd(ours) or 1.0))
    return np.concatenate(blocks, axis=1, dtype=np.float64)
