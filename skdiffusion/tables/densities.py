"""What makes densities of codes out of discrete cells, and probabilities of cells out of them."""

import numpy as np
from sklearn.utils import check_random_state

__all__ = ["CodeDensities"]


class CodeDensities:
    """How a fitted :class:`TableEncoder` lends its codes a density."""

    def dequantize(self, Z, random_state=None):
        """Spread discrete numbers over the codes that decode to them.

        A column of integers, of decimals, or with tied values makes codes that lie close together
        on points, on which a density model concentrates without end. Spread, these codes have a
        density, and decoding gives the same rows as before.

        Points that are far apart keep their codes: levels, booleans, and a value of a "quantile"
        column that many rows share, if its cell of codes is at least 0.2 wide. A model resolves
        those, and drawing them from a spread costs more accuracy than it saves. Continuous numbers
        keep their codes too, and missing cells their NaN.

        Parameters
        ----------
        Z : array-like of shape (n, `n_codes_`)
            Codes, usually from `transform`.
        random_state : int, RandomState instance or None, default=None
            Source of the uniform draws: over half a step to each side of the value, in a
            "quantile" column over the interval of ranks that a value of many rows occupies.

        Returns
        -------
        Z : ndarray of shape (n, `n_codes_`)
            The codes, spread.

        Examples
        --------
        >>> import numpy as np
        >>> from skdiffusion.tables import TableEncoder
        >>> rng = np.random.RandomState(0)
        >>> X = np.c_[rng.normal(size=200).round(2), rng.randint(3, size=200)]
        >>> encoder = TableEncoder().fit(X)
        >>> Z = encoder.transform(X)
        >>> spread = encoder.dequantize(Z, random_state=0)
        >>> (spread != Z).mean(axis=0)
        array([1., 0.])
        >>> bool(np.all(encoder.inverse_transform(spread) == X))
        True
        """
        Z = self._check_codes(Z)
        rng = check_random_state(random_state)
        *blocks, told = self._split(Z)
        blocks = [c.dequantize(block, rng) for c, block in zip(self.codecs_, blocks, strict=True)]
        return np.concatenate([*blocks, told], axis=1)

    def log_volume(self, X, sigma):
        r"""Compute what turns log-densities of codes into those of rows.

        With :math:`q` the density of spread codes (see `dequantize`) blurred by noise of standard
        deviation `sigma`, ``log q(transform(X)) + log_volume(X, sigma)`` is the log-density of
        the rows in the units of the table, a sum over the columns of

        - continuous numbers: :math:`\log |dz / dx|`, so that the result is a density per unit
          of the column, also where decimals were rounded to the recorded precision;
        - values that are spread, that is integers and those that many rows share: the log of the
          width of the cell of codes, so that the result is a probability. The width of a cell of
          the "quantile" code is measured as its Gaussian probability over the Gaussian density at
          its code, which is finite for cells without end, and gives each value its frequency for
          Gaussian codes;
        - dates and durations: as integers, a probability, of the unit in which they are coded;
        - points, that is levels, booleans, and values of a "quantile" column whose cell, measured
          like this, is at least 0.2 wide: :math:`\frac{m}{2} \log(2 \pi \sigma^2)` with :math:`m`
          the code columns of the column, since the density of points of weight :math:`P` blurred
          by :math:`\sigma` is :math:`P (2 \pi \sigma^2)^{-m / 2}` at one of them. The result is a
          probability as long as `sigma` is small against the distance between points. That is at
          least 2 for levels and booleans. In a "quantile" column the next cell can begin
          some 0.1 away: beyond a `sigma` of about 0.05 neighbours run together, and the
          results are too large;
        - rare levels: as the others, plus the log of the frequency among those that share the
          vertex, so that the probabilities of all levels sum to one. A level that `fit` has not
          seen counts as the rarest;
        - missing indicators: as levels;
        - constant columns, and missing cells: 0.

        A number that `fit` has not seen counts as if its cell were as wide as it is between
        its neighbours.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows with the columns seen in `fit`.
        sigma : float
            Standard deviation of the noise on the codes, positive.

        Returns
        -------
        log_volume : ndarray of shape (n,)
            The term to add to the log-density of the codes.

        Examples
        --------
        >>> import numpy as np
        >>> from scipy.stats import norm
        >>> from skdiffusion.tables import TableEncoder
        >>> X = np.array([[0.3], [1.7], [2.9], [np.pi]])
        >>> encoder = TableEncoder(numeric_transform="standard").fit(X)
        >>> log_density = norm.logpdf(encoder.transform(X)[:, 0]) + encoder.log_volume(X, 0.01)
        >>> expected = norm.logpdf(X[:, 0], loc=X.mean(), scale=X.std())
        >>> bool(np.allclose(log_density, expected))
        True
        """
        if not sigma > 0:
            raise ValueError(f"sigma must be positive, got {sigma!r}.")
        return self.log_volume_of(self._read(X), sigma)

    def log_volume_of(self, columns, sigma):
        """Do as `log_volume` for columns that have been read."""
        volumes = [
            coder.log_volume(column, sigma)
            for coder, column in zip(self.coders_, columns, strict=True)
        ]
        told = [codec.log_volume(volumes[j], sigma) for j, codec in self.indicators_.items()]
        return np.sum(volumes + told, axis=0)
