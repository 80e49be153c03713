"""Where columns lie among the codes, and which codes stand for given cells."""

from dataclasses import replace
from numbers import Integral

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted

from skdiffusion.tables.reading import NUMERIC

__all__ = ["CodeQueries"]


class CodeQueries:
    """Questions that a fitted :class:`TableEncoder` answers about its codes."""

    def column_codes(self, j):
        """Tell which codes belong to a column.

        Parameters
        ----------
        j : int or str
            Position or name of the column.

        Returns
        -------
        codes : ndarray of int of shape (m,)
            Their positions, without that of the column's missing indicator.
        """
        j = self._column(j)
        return np.flatnonzero((self.groups_ == j) & ~self.is_indicator_)

    def noise_codes(self, columns, noise):
        """Tell what noise of the cells is in their codes.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.
        noise : ndarray of shape () or (n_features,)
            Standard deviations of the noise of numbers, in the units of the columns. Cells of other
            kinds have none.

        Returns
        -------
        ndarray of shape (n, `n_codes_`)
            Standard deviations of the codes, NaN where a cell is missing.
        """
        ends = []
        for side in (-0.5, 0.5):
            moved = [
                replace(column, values=column.values + side * step) if kind in NUMERIC else column
                for column, kind, step in zip(
                    columns, self.kinds_, np.broadcast_to(noise, len(columns)), strict=True
                )
            ]
            ends.append(self.encode_columns(moved))
        return np.abs(ends[1] - ends[0])

    def level_blocks(self):
        """Tell which codes belong to levels.

        Returns
        -------
        blocks : list of (ndarray of shape (m,), ndarray of shape (m + 1, m))
            For each boolean or categorical column with several levels the positions of its
            codes, and the code of each level; the same for the first code of each column with a
            spike, and then for each missing indicator.
        """
        check_is_fitted(self)
        codecs = [*self.codecs_, *self.indicators_.values()]
        edges = np.cumsum([0, *(codec.n_codes for codec in codecs)])
        return [
            (np.arange(start, start + codec.vertices.shape[1]), codec.vertices)
            for start, codec in zip(edges, codecs, strict=False)
            if codec.name in ("simplex", "spike")
        ]

    def void_codes(self, Z):
        """Tell which codes say nothing about their cell.

        Parameters
        ----------
        Z : ndarray of shape (n, `n_codes_`)
            Codes.

        Returns
        -------
        void : ndarray of bool of shape (n, `n_codes_`)
            True for the second code of a column whose first says that the cell is its spike.
        """
        *blocks, told = self._split(Z)
        void = [void_of(codec, z) for codec, z in zip(self.codecs_, blocks, strict=True)]
        return np.concatenate([*void, np.zeros(told.shape, dtype=bool)], axis=1)

    def get_feature_names_out(self, input_features=None):
        """Name the code columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns; by default those seen in `fit`, or "x0", "x1", ...

        Returns
        -------
        names : ndarray of str of shape (`n_codes_`,)
            The name of a column with one code, that name with the suffixes "_0", "_1", ... for
            one with several, and with the prefix "missing_" for its indicator.
        """
        check_is_fitted(self)
        inputs = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        names = []
        for name, codec in zip(inputs, self.codecs_, strict=True):
            several = [f"{name}_{k}" for k in range(codec.n_codes)]
            names.extend([name] if codec.n_codes == 1 else several)
        names.extend(f"missing_{inputs[j]}" for j in self.indicators_)
        return np.asarray(names, dtype=object)

    def _column(self, j):
        """Position of a column."""
        check_is_fitted(self)
        names = self.format_.names
        if isinstance(j, str) and j in names:
            return names.index(j)
        if isinstance(j, Integral) and 0 <= j < len(names):
            return int(j)
        raise ValueError(f"There is no column {j!r}: give a name, or a position.")


def void_of(codec, z):
    """Tell which codes of a column say nothing about its cells."""
    return codec.void(z) if codec.name == "spike" else np.zeros(z.shape, dtype=bool)
