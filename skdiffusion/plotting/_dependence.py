"""Matrices of what columns have to do with one another."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from . import _style


@dataclass(kw_only=True, repr=False, eq=False)
class DependenceDisplay(_style.Display):
    """How much columns depend on one another, as a heat map.

    Parameters
    ----------
    matrix : array of shape (n, n)
        Any square matrix, such as dependences or correlations.
    names : list of str
        What its rows and columns are.
    label : str, default="dependence given all others"
        What its entries are.

    Attributes
    ----------
    image_ : matplotlib.image.AxesImage
        The heat map.

    Raises
    ------
    ValueError
        If the matrix is not square, or has not one name for each row.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import RiemannianKernelSmoother
    >>> from skdiffusion.plotting import DependenceDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 3)).cumsum(axis=1)[:, [0, 2, 1]]
    >>> display = DependenceDisplay.from_estimator(RiemannianKernelSmoother().fit(X), X)
    >>> display.names[display.matrix[0].argmax()]
    'x2'
    """

    matrix: np.ndarray
    names: list[str]
    label: str = "dependence given all others"

    def __post_init__(self):
        if np.shape(self.matrix) != (len(self.names),) * 2:
            found = f"{np.shape(self.matrix)} for {len(self.names)} names."
            raise ValueError(f"matrix must be square, with a name for each row, got shape {found}")

    @classmethod
    def from_estimator(cls, sampler: Any, X: Any, *, sigma: float = 0.5) -> Self:
        """Show :func:`~skdiffusion.inspection.conditional_dependence`.

        Parameters
        ----------
        sampler, X, sigma : estimator, array-like or data frame, and float
            As for that function.

        Returns
        -------
        display : DependenceDisplay
            The display, not drawn yet.
        """
        from skdiffusion.inspection import conditional_dependence  # loads PyTorch

        matrix = conditional_dependence(sampler, X, sigma=sigma)
        names = getattr(sampler, "feature_names_in_", [f"x{j}" for j in range(len(matrix))])
        return cls(matrix=matrix, names=list(names))

    def plot(self, ax: Any = None) -> Self:
        side, at = 2.0 + 0.35 * len(self.names), range(len(self.names))
        ax = _style.take_axes(self, ax, side + 0.8, side)
        self.image_ = ax.imshow(self.matrix, **_style.colour_scale(self.matrix))
        ax.set_xticks(at, self.names, rotation=90)
        ax.set_yticks(at, self.names)
        self.figure_.colorbar(self.image_, ax=ax, label=self.label)
        _style.tidy(ax)
        return self
