"""What a fitted sampler tells about the manifold of its rows."""

from numbers import Integral

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skdiffusion._utils.checks import check_count, check_positive
from skdiffusion.diffusion import flipd, local_metric, relax_path, tangent_space
from skdiffusion.geometry import intrinsic_dimension, noise_level
from skdiffusion.geometry.geodesics import farthest_points, geodesic_path, resample_path
from skdiffusion.geometry.planes import local_planes

__all__ = ["ManifoldGeometry"]

# distinct ones, for estimates of dimension and noise
MIN_ROWS = 5
N_NEIGHBORS = 15
N_NEIGHBORS_OF_PATH = 10
# fewer points would cut the corners of a path
MIN_PATH = 50
# draws from which those are chosen that explore
CANDIDATES_PER_POINT = 20
MIN_CANDIDATES = 1000
# of the draws that lie farthest off the manifold, as the model's worst
LEFT_OUT = 0.05
# steps of a traversal between two rows of it
SUBSTEPS = 5

METHODS = ("neighbors", "flipd")


class ManifoldGeometry:
    """Geometry of the manifold near which a model's rows lie, in its codes.

    A mixin for estimators with codes, a denoiser of them, and ``landmarks_``: codes of rows seen in
    `fit`.
    """

    def intrinsic_dimension(self, X=None, *, method="neighbors", sigma=None):
        """Estimate the dimension of the manifold, overall or at rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features) or None, default=None
            Rows; None is overall, at up to 2,000 rows of `fit`.
        method : {"neighbors", "flipd"}, default="neighbors"
            "neighbors" looks at the rows of `fit` themselves, and is the most reliable; a row has
            the dimension of the nearest of them
            (:func:`skdiffusion.geometry.intrinsic_dimension`). "flipd" asks the model:
            :func:`skdiffusion.diffusion.flipd`.
        sigma : float or None, default=None
            Noise level at which the model is asked, in units of the codes; it must exceed the
            noise of the rows. None is half of the typical radius of a neighbourhood of 15 rows.

        Returns
        -------
        float or ndarray of shape (n,)
            The dimension; the mean over the rows where `X` is None.

        Raises
        ------
        ValueError
            If the method is unknown, or `sigma` is not positive.
        """
        if method not in METHODS:
            raise ValueError(f"method must be one of {METHODS}, got {method!r}.")
        if sigma is not None:
            check_positive(sigma, "sigma")
        check_is_fitted(self)
        if method == "neighbors":
            if X is None:
                return float(intrinsic_dimension(self.landmarks_))
            near = NearestNeighbors(n_neighbors=1).fit(self.landmarks_)
            near = near.kneighbors(self._whole_codes(X).cpu().numpy(), return_distance=False)
            found = intrinsic_dimension(self.landmarks_, per_point=True)
            return found[near[:, 0]].astype(np.float64)
        Z = self._whole_codes(X) if X is not None else self._landmarks()
        _, denoiser = self._row_law()
        level = Z.new_tensor(self._reading_level(sigma))
        found = flipd(denoiser, Z, level, probes=self.probes_.to(Z))
        found = found.double().cpu().numpy()
        return float(found.mean()) if X is None else found

    def tangent_space(self, X, dimension=None, *, sigma=None):
        """Return the directions in which the manifold extends at rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.
        dimension : int or None, default=None
            Number of directions; None is the dimension of the manifold.
        sigma : float or None, default=None
            As in `intrinsic_dimension`.

        Returns
        -------
        directions : ndarray of shape (n, n_codes, dimension)
            Orthonormal, in the codes of the rows, leading first.
        """
        Z = self._whole_codes(X)
        dimension = self._manifold_dimension() if dimension is None else dimension
        return self._tangents(Z, dimension, sigma).cpu().numpy()

    def distance_to_manifold(self, X):
        """Return how far rows are from the planes through the nearest rows of `fit`.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        distance : ndarray of shape (n,)
            In units of the codes.
        """
        Z = self._whole_codes(X).cpu().numpy()
        return self._planes(Z).distance(Z)

    def metric(self, X, *, sigma=None, eps=0.01):
        """Return a metric in which the way along the manifold is short, and that off it long.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.
        sigma : float or None, default=None
            As in `intrinsic_dimension`.
        eps : float, default=0.01
            As in :func:`skdiffusion.diffusion.local_metric`.

        Returns
        -------
        metric : ndarray of shape (n, n_codes, n_codes)
            Symmetric positive matrices, in the codes of the rows.
        """
        Z = self._whole_codes(X)
        _, denoiser = self._row_law()
        return local_metric(denoiser, Z, self._reading_level(sigma), eps=eps).cpu().numpy()

    def interpolate(self, a, b, n_points=20, *, sigma=None, hold_ends=False):
        """Return a path between two rows along the manifold.

        Parameters
        ----------
        a, b : array-like or data frame of shape (1, n_features)
            Its ends.
        n_points : int, default=20
            Number of rows of the path, its ends included.
        sigma : float or None, default=None
            Noise level at which the model is asked where the manifold is, in units of the codes.
            None is three times the noise across the manifold, and at least half of the typical
            distance to the tenth neighbour.
        hold_ends : bool, default=False
            Whether the path starts and ends at the rows themselves. By default it does at the
            points of the manifold below them: rows with noise are off it.

        Returns
        -------
        path : ndarray or data frame of shape (n_points, n_features)
            The rows, about equally far from one another.

        Notes
        -----
        The shortest path along the rows of `fit`, denoised, is tightened to a geodesic on the
        manifold that the denoiser knows: :func:`skdiffusion.diffusion.relax_path`.
        """
        check_count(n_points, "n_points")
        ends = torch.cat([self._one_row(row, name) for row, name in ((a, "a"), (b, "b"))])
        _, denoiser = self._row_law()
        level = ends.new_tensor(self._path_level(sigma))
        with torch.no_grad():
            # noise would lengthen every step of the path
            smooth = denoiser(self._landmarks(), level).mean
        path = geodesic_path(
            smooth.cpu().numpy(), *ends.cpu().numpy(), n_points=max(n_points, MIN_PATH)
        )
        dimension = self._manifold_dimension()
        path = relax_path(
            denoiser,
            torch.from_numpy(path).to(ends),
            level,
            dimension=dimension,
            hold_ends=hold_ends,
        )
        return self.encoder_.inverse_transform(resample_path(path.cpu().numpy(), n_points))

    def traverse(self, x, component=0, n_points=9, *, extent=2.0, sigma=None):
        """Return rows along the manifold through a row, in one of its directions.

        Parameters
        ----------
        x : array-like or data frame of shape (1, n_features)
            The row in the middle.
        component : int, default=0
            Which direction of the tangent space, leading first.
        n_points : int, default=9
            Number of rows.
        extent : float, default=2.0
            How far to go to each side, in units of the codes: about standard deviations.
        sigma : float or None, default=None
            As in `intrinsic_dimension`.

        Returns
        -------
        rows : ndarray or data frame of shape (n_points, n_features)
            The rows, from one side to the other.
        """
        check_count(n_points, "n_points")
        middle = self._one_row(x, "x")
        dimension = self._manifold_dimension()
        if not isinstance(component, Integral) or not 0 <= component < dimension:
            raise ValueError(f"component must be from 0 to {dimension - 1}, got {component!r}.")
        check_positive(extent, "extent")
        start = self._tangents(middle, dimension, sigma)[0, :, component]
        n_back = (n_points - 1) // 2
        n_ahead = n_points - 1 - n_back
        step = extent / max(n_ahead, 1) / SUBSTEPS
        back = self._walk(middle, -start, n_back, step, dimension, sigma)
        ahead = self._walk(middle, start, n_ahead, step, dimension, sigma)
        rows = torch.cat([*reversed(back), middle, *ahead])
        return self.encoder_.inverse_transform(rows.cpu().numpy())

    def explore(self, n_samples=10, *, avoid_seen=True, random_state=None):
        """Draw rows that are far from those of `fit`, and from one another.

        Parameters
        ----------
        n_samples : int, default=10
            Number of rows.
        avoid_seen : bool, default=True
            Whether rows shall be far from those of `fit` too, so that they lie where these are few.
            Otherwise they are landmarks, which cover the manifold evenly.
        random_state : int, RandomState instance or None, default=None
            Source of the draws from which they are chosen.

        Returns
        -------
        X : ndarray or data frame of shape (n_samples, n_features)
            The rows, farthest first.

        Notes
        -----
        Twenty draws for each row, at least 1,000, without the twentieth that is farthest off the
        manifold, in units of the distances between the rows there; of them
        :func:`skdiffusion.geometry.farthest_points`.
        """
        check_is_fitted(self)
        check_count(n_samples, "n_samples")
        rng = check_random_state(random_state)
        n = max(CANDIDATES_PER_POINT * n_samples, MIN_CANDIDATES)
        Z = self._codes(self.sample(n, random_state=rng)).cpu().numpy()
        Z = Z[~np.isnan(Z).any(axis=1)]
        # where rows are few their neighbours are far, and planes through them are off
        planes = self._planes(Z)
        distance = planes.distance(Z) / np.maximum(planes.radii, self.sigma_min)
        near = np.flatnonzero(distance <= np.quantile(distance, 1 - LEFT_OUT))
        # what counts as seen has to be a row: the one nearest to the middle is
        middle = ((self.landmarks_ - self.landmarks_.mean(0)) ** 2).sum(1).argmin()
        seen = self.landmarks_ if avoid_seen else self.landmarks_[[middle]]
        chosen = near[farthest_points(Z[near], seen, n_samples)]
        return self.encoder_.inverse_transform(Z[chosen])

    def trajectory(self, n_samples=100, *, random_state=None):
        """Draw rows and return what they were on the way from noise.

        Parameters
        ----------
        n_samples : int, default=100
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Source of randomness.

        Returns
        -------
        states : ndarray of shape (n_steps + 1, n_samples, n_codes)
            Codes at each noise level.
        sigmas : ndarray of shape (n_steps + 1,)
            The noise levels, from the largest to zero.
        """
        check_is_fitted(self)
        check_count(n_samples, "n_samples")
        generator = self._generator(check_random_state(random_state))
        prior, denoiser = self._row_law(self._clean_model())
        integration = self._integration()
        start = prior.sample(n_samples, generator, sigma=self.sigma_max)
        with torch.no_grad():
            states = integration.solver(denoiser, start, integration.sigmas, generator=generator)
            return torch.stack(list(states)).cpu().numpy(), integration.sigmas.cpu().numpy()

    def _planes(self, Z):
        """Return planes through the rows of `fit` that are nearest to others."""
        dimension = self._manifold_dimension()
        n_neighbors = min(max(N_NEIGHBORS, 2 * dimension), len(self.landmarks_))
        dimension = min(dimension, n_neighbors - 1)
        return local_planes(self.landmarks_, dimension, n_neighbors=n_neighbors, queries=Z)

    def _whole_codes(self, X):
        Z = self._codes(X)
        if Z.isnan().any():
            raise ValueError(
                "Rows with missing cells have no place on a manifold: fill them first, for example "
                "with DiffusionImputer."
            )
        return Z

    def _landmarks(self):
        return torch.from_numpy(self.landmarks_).to(self._device)

    def _one_row(self, row, name):
        Z = self._whole_codes(row)
        if len(Z) != 1:
            raise ValueError(f"{name} must be one row, of shape (1, n_features), got {len(Z)}.")
        return Z

    def _manifold_dimension(self):
        # an embedding has more coordinates than the manifold has dimensions
        if self.dimension_ is not None and self.embedding_ is None:
            return self.dimension_
        d = self.landmarks_.shape[1]
        if self._are_few():
            return max(1, min(len(self.landmarks_) - 1, d))
        return int(np.clip(intrinsic_dimension(self.landmarks_), 1, d))

    def _are_few(self):
        """Tell whether there are too few rows for any estimate."""
        return len(np.unique(self.landmarks_, axis=0)) < MIN_ROWS

    def _reading_level(self, sigma=None):
        """Noise level at which a denoiser sees a surface, and not rows, unless one is given."""
        if sigma is not None:
            check_positive(sigma, "sigma")
            return float(sigma)
        n_neighbors = min(N_NEIGHBORS, len(self.landmarks_))
        radii = local_planes(self.landmarks_, 1, n_neighbors=n_neighbors).radii
        return max(float(np.median(radii)) / 2, self.sigma_min)

    def _path_level(self, sigma=None):
        """Noise level at which paths are pulled onto the manifold, unless one is given."""
        if sigma is not None:
            check_positive(sigma, "sigma")
            return float(sigma)
        n_neighbors = min(N_NEIGHBORS_OF_PATH, len(self.landmarks_) - 1)
        neighbors = NearestNeighbors(n_neighbors=n_neighbors).fit(self.landmarks_)
        spacing = float(np.median(neighbors.kneighbors()[0][:, -1]))
        noise = 0.0
        if not self._are_few():
            noise = noise_level(self.landmarks_, dimension=self._manifold_dimension())
        return max(3 * noise, spacing / 2, self.sigma_min)

    def _tangents(self, Z, dimension, sigma):
        _, denoiser = self._row_law()
        level = Z.new_tensor(self._reading_level(sigma))
        return tangent_space(denoiser, Z, level, dimension).vectors

    def _walk(self, row, direction, n_points, step, dimension, sigma):
        """Follow a direction along the manifold."""
        _, denoiser = self._row_law()
        level = row.new_tensor(self._path_level(sigma))
        found = []
        for _ in range(n_points):
            for _ in range(SUBSTEPS):
                ahead = row + step * direction
                with torch.no_grad():
                    pull = denoiser(ahead, level).mean - ahead
                tangents = tangent_space(denoiser, ahead, level, dimension).vectors[0]
                # pulled across the manifold only: along it, denoising moves to where rows are many
                row = ahead + pull - pull @ tangents @ tangents.mT
                direction = tangents @ (tangents.mT @ direction)
                direction = direction / direction.norm().clamp_min(1e-12)
            found.append(row)
        return found
