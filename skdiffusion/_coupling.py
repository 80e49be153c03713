"""How a sampler takes account of the manifold that rows lie on: what is decided around training."""

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.utils import resample

from skdiffusion.closed_forms.noise_floor import n_factors
from skdiffusion.geometry import intrinsic_dimension
from skdiffusion.manifold import AutoencoderEmbedding, InvertibleEmbedding
from skdiffusion.manifold.codes import HierarchicalCodes, LatentCodes, ProjectedCodes
from skdiffusion.manifold.decoders import seeded
from skdiffusion.manifold.tangent import (
    GeometricRows,
    couple_tangent,
    embedded_copies,
    tangent_copies,
)
from skdiffusion.manifold.units import common_unit, has_geometry, is_thin, linear_codes_do

__all__ = ["COUPLINGS", "Coupling"]

COUPLINGS = ("auto", "latent", "project", "regularize", "hierarchical")
CODES = {"latent": LatentCodes, "hierarchical": HierarchicalCodes, "project": ProjectedCodes}
# columns whose standard deviations differ by no more than this may well be of one unit
MAX_RATIO = 3.0
# for estimating a dimension
MAX_ROWS = 2000


class Coupling:
    """What one call of `fit` decides about the manifold."""

    def __init__(self, manifold, coupling):
        if coupling not in COUPLINGS:
            raise ValueError(f"coupling must be one of {COUPLINGS}, got {coupling!r}.")
        is_estimator = hasattr(manifold, "fit")
        if not (manifold is None or is_estimator or manifold == "auto"):
            raise ValueError(f"manifold must be None, 'auto' or an estimator, got {manifold!r}.")
        self.manifold = manifold
        self.is_estimator = is_estimator
        self.forced = manifold is not None and coupling != "auto"
        self.name = "none"
        if manifold is not None:
            self.name = coupling if self.forced else ("latent" if is_estimator else "project")
        self.dimension = self.plane_dimension = None
        self.embedding = None
        self.geometric = False

    def fit_encoder(self, encoder, X, rng):
        """Fit the coding of the rows, in units in which their geometry shows."""
        encoder = encoder.fit(X)
        numbers = _numbers(encoder, X)
        self.geometric = numbers is not None and has_geometry(numbers)
        if self.name == "none" or encoder.numeric_transform != "auto" or not self.geometric:
            return encoder
        linear = clone(encoder).set_params(numeric_transform=_linear_transform(numbers)).fit(X)
        if self.forced or self.is_estimator:
            return linear
        Z = linear.transform(X)
        has_floor = n_factors(Z) < Z.shape[1]
        rows = _some_rows(Z)
        dimension = intrinsic_dimension(rows)
        self.geometric = has_floor or dimension < Z.shape[1]
        if not self.geometric:
            return encoder
        if has_floor or "quantile" not in encoder.transforms_ or is_thin(rows, int(dimension)):
            return linear
        return encoder if self._is_bent(linear, encoder, X, rng) else linear

    def _is_bent(self, linear, encoder, X, rng):
        """Tell whether codes that bend the columns serve better than those that do not."""
        Z = linear.transform(X)
        volumes = [e.log_volume(X, np.finfo(float).eps) for e in (linear, encoder)]
        return not linear_codes_do(Z, encoder.transform(X), *volumes, rng)

    def fit_codes(self, encoder, codes, rng):
        """Decide on dimensions and embed the codes of rows; return the coding and its codes."""
        levels = [c for columns, _ in encoder.level_blocks() for c in columns]
        self.numbers = np.setdiff1d(np.arange(encoder.n_codes_), levels)
        self.n_factors = len(self.numbers)
        wanted = self.forced or self.is_estimator
        if wanted and len(self.numbers) < 2:
            raise ValueError(
                "A manifold needs at least two columns of numbers that vary: use manifold=None."
            )
        if self.name == "none" or not (wanted or self.geometric):
            self.name = "none"
            return encoder, codes
        Z = codes[:, self.numbers]
        if np.isnan(Z).any():
            raise ValueError(
                "Rows with missing numbers have no place on a manifold: fill them first, for "
                "example with DiffusionImputer, or use manifold=None."
            )
        if not self.is_estimator:
            self._measure(Z)
        self.plane_dimension = self.dimension
        if self.is_estimator or self.name in ("latent", "hierarchical"):
            self.embedding = self._embedding(rng).fit(Z)
            self.dimension = self.embedding.embedding_.shape[1]
            self.plane_dimension = self.plane_dimension or self.dimension
            if self.name in CODES:
                encoder = CODES[self.name](encoder, self.embedding, self.numbers)
                codes = encoder.encode(codes)
        if self.name == "latent":
            # its codes are coordinates, which have no geometry of their own
            self.numbers = np.arange(encoder.n_latent)
            self.n_factors = len(self.numbers)
        return encoder, codes

    def training_rows(self, codes, rng):
        """Return the rows to train on."""
        if self.name != "regularize":
            return codes
        if self.is_estimator:
            return embedded_copies(codes, self.numbers, self.embedding, rng)
        return tangent_copies(self._rows(codes), self.dimension, rng)

    def couple(self, denoiser, draw, codes, sigma_min, rng):
        """Return the trained denoiser, kept to planes where they are part of the coupling."""
        if self.name != "hierarchical" and (self.name != "project" or self.is_estimator):
            return denoiser
        k = self.plane_dimension
        dimensions = [d for d in (k, k + 1) if d < self.n_factors]
        denoiser, choice = couple_tangent(
            denoiser,
            draw,
            self._rows(codes),
            dimensions,
            sigma_min,
            rng,
            always=self.forced,
        )
        if self.name == "hierarchical":
            return denoiser
        if choice is None:
            if self.forced:
                warnings.warn(
                    "There are no planes to project onto: the rows fill their space, or are too "
                    "few for as many dimensions.",
                    UserWarning,
                    stacklevel=3,
                )
            self.name = "none"
        else:
            self.dimension = choice.dimension
        return denoiser

    def _rows(self, codes):
        return GeometricRows(codes, self.numbers, self._directions(codes[:, self.numbers]))

    def _directions(self, Z):
        """Return the principal directions above the noise floor, None for all."""
        if self.n_factors == Z.shape[1]:
            return None
        _, _, vectors = np.linalg.svd(Z - Z.mean(0), full_matrices=False)
        return np.ascontiguousarray(vectors[: self.n_factors].T)

    def _measure(self, Z):
        """Count the directions above the noise floor, and estimate the dimension."""
        self.n_factors = n_factors(Z)
        frame, rows = self._directions(Z), _some_rows(Z)
        rows = rows if frame is None else rows @ frame
        self.dimension = int(np.clip(intrinsic_dimension(rows), 1, rows.shape[1]))

    def _embedding(self, rng):
        """Return the unfitted embedding."""
        if isinstance(self.manifold, InvertibleEmbedding):
            return seeded(self.manifold, rng)
        seed = int(rng.randint(2**31 - 1))
        if not self.is_estimator:
            n_components = min(self.dimension + 1, len(self.numbers))
            learner = AutoencoderEmbedding(n_components, random_state=seed)
            return InvertibleEmbedding(learner, decoder="own", random_state=seed)
        return InvertibleEmbedding(clone(self.manifold), random_state=seed)


def _some_rows(Z):
    return resample(Z, replace=False, n_samples=min(len(Z), MAX_ROWS), random_state=0)


def _numbers(encoder, X):
    """Return the columns of a table that vary, if all are continuous; None for other tables."""
    varies = np.array(encoder.transforms_) != "constant"
    kinds, transforms = np.array(encoder.kinds_), np.array(encoder.transforms_)
    if encoder.indicators_ or not {"standard", "quantile"}.issuperset(transforms[varies]):
        return None
    if set(kinds[varies]) != {"continuous"} or not {"continuous", "integer"}.issuperset(kinds):
        return None
    # sums depend on the order in memory by rounding, which a frame should not show in its draws
    return np.ascontiguousarray(np.asarray(X, dtype=np.float64)[:, varies])


def _linear_transform(X):
    """Return one unit for columns that have one, and "standard" for others."""
    # in units of the largest number, whose squares do not leave the doubles
    unit = (X - X.mean(0)) / np.abs(X - X.mean(0)).max()
    spreads = unit.std(0)
    if not (spreads > 0).all():
        return "standard"
    standard = unit / spreads
    d = X.shape[1]
    if n_factors(unit) < d:
        return common_unit(X)
    if n_factors(standard) < d or spreads.max() > MAX_RATIO * spreads.min():
        return "standard"
    return common_unit(X)
