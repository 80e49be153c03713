"""How a sampler takes account of the manifold that rows lie on, as pure functions.

In the order of a fit: `read_plan`, `fit_encoder`, `decide_geometry`, `couple`.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.utils import resample

from skdiffusion._utils.gross import regular_rows
from skdiffusion.closed_forms.noise_floor import n_factors
from skdiffusion.geometry import intrinsic_dimension
from skdiffusion.manifold.autoencoder_embedding import AutoencoderEmbedding
from skdiffusion.manifold.decoders import seeded
from skdiffusion.manifold.embedded_encoders import LatentEncoder, ProjectedEncoder
from skdiffusion.manifold.embedding import refuse_gaps
from skdiffusion.manifold.invertible_embedding import InvertibleEmbedding
from skdiffusion.manifold.projection import GeometricRows, couple_tangent
from skdiffusion.manifold.units import has_geometry, is_thin, linear_does, linear_units

COUPLINGS = ("auto", "latent", "project")
ENCODERS = {"latent": LatentEncoder, "project": ProjectedEncoder}
# for estimating a dimension
MAX_ROWS = 2000


class Plan(NamedTuple):
    """What is asked for."""

    manifold: Any
    coupling: str  # "none" for none
    is_estimator: bool
    forced: bool  # whether the coupling was named

    @property
    def wanted(self):
        """Whether a manifold is used whatever the rows say."""
        return self.forced or self.is_estimator


class Survey(NamedTuple):
    """What the units were chosen by."""

    is_geometric: bool  # whether rows are points that may lie on a manifold
    n_factors: int | None = None  # in the chosen units, where they were counted
    dimension: int | None = None
    noise: Any = None  # of encoded rows: "auto", an array, or None


class Geometry(NamedTuple):
    """What is decided about the manifold of encoded rows."""

    coupling: str  # "none" for none
    numbers: np.ndarray  # features that have a geometry
    n_factors: int  # of their principal directions above a noise floor
    dimension: int | None = None  # of the manifold, or of the embedding
    embedding: InvertibleEmbedding | None = None
    plan: Plan | None = None


def read_plan(manifold, coupling):
    """Return what the parameters `manifold` and `coupling` ask for."""
    if coupling not in COUPLINGS:
        raise ValueError(f"coupling must be one of {COUPLINGS}, got {coupling!r}.")
    is_estimator = hasattr(manifold, "fit")
    if not (manifold is None or is_estimator or manifold == "auto"):
        raise ValueError(f"manifold must be None, 'auto' or an estimator, got {manifold!r}.")
    if manifold is None:
        return Plan(None, "none", False, False)
    forced = coupling != "auto"
    name = coupling if forced else ("latent" if is_estimator else "project")
    return Plan(manifold, name, is_estimator, forced)


def fit_encoder(encoder, X, columns, sample_weight, plan, rng):
    """Fit the encoder in units in which a geometry shows; return it and what was measured."""
    encoder = encoder.fit_columns(X, columns, sample_weight)
    numbers = _numbers(encoder, columns)
    is_geometric = numbers is not None and has_geometry(numbers)
    if plan.coupling == "none" or encoder.numeric_transform != "auto" or not is_geometric:
        return encoder, Survey(is_geometric)
    kept = regular_rows(numbers)
    numbers, regular = numbers[kept], [column.take(kept) for column in columns]
    transform, scale, factors = linear_units(numbers)
    linear = clone(encoder).set_params(numeric_transform=transform)
    linear.fit_columns(X, columns, sample_weight, encoder.constraints_)
    if plan.wanted:
        return linear, Survey(True)
    Z = (numbers - numbers.mean(0)) / scale
    dimension = _measure_dimension(Z, factors)
    has_floor = factors < Z.shape[1]
    if not (has_floor or dimension < Z.shape[1]):
        return encoder, Survey(False)
    measured = Survey(True, factors, dimension)
    if has_floor or "quantile" not in encoder.transforms_ or is_thin(_some_rows(Z), dimension):
        return linear, measured
    if linear_does(linear, encoder, regular, rng):
        return linear, measured
    # measured in other units
    return encoder, Survey(True)


def decide_geometry(rows, plan, measured, rng):
    """Decide on dimensions, and embed rows; return the geometry and the rows to model."""
    numbers = np.flatnonzero(~(rows.is_category | rows.is_target))
    if plan.wanted and len(numbers) < 2:
        raise ValueError(
            "A manifold needs at least two columns of numbers that vary: use manifold=None."
        )
    if plan.coupling == "none" or not (plan.wanted or measured.is_geometric):
        return Geometry("none", numbers, len(numbers), plan=plan), rows
    Z = rows.Z[:, numbers]
    refuse_gaps(Z)
    factors, dimension = len(numbers), None
    if not plan.is_estimator:
        factors = n_factors(Z) if measured.n_factors is None else measured.n_factors
        dimension = measured.dimension or _measure_dimension(Z, factors)
    geometry = Geometry(plan.coupling, numbers, factors, dimension, plan=plan)
    if plan.is_estimator or plan.coupling == "latent":
        return _embed(rows, geometry, rng)
    return geometry, rows


def couple(denoiser, draw, Z, geometry, sigma_min, rng):
    """Return the denoiser, kept to planes where `draw` of its rows needs them, and the geometry."""
    name, plan = geometry.coupling, geometry.plan
    if name != "project" or plan.is_estimator:
        return denoiser, geometry
    k = geometry.dimension
    dimensions = [d for d in (k, k + 1) if d < geometry.n_factors]
    numbers = geometry.numbers
    rows = GeometricRows(Z, numbers, _directions(Z[:, numbers], geometry.n_factors))
    denoiser, dimension = couple_tangent(
        denoiser, draw, rows, dimensions, sigma_min, rng, always=plan.forced
    )
    if dimension is not None:
        return denoiser, geometry._replace(dimension=dimension)
    if plan.forced:
        warnings.warn(
            "There are no planes to project onto: the rows fill their space, or are too few for "
            "as many dimensions.",
            UserWarning,
            stacklevel=4,
        )
    return denoiser, geometry._replace(coupling="none")


def _embed(rows, geometry, rng):
    """Embed the numbers of rows; return the geometry with its embedding, and the new rows."""
    plan, numbers = geometry.plan, geometry.numbers
    embedding = _embedding(plan, geometry, rng).fit(rows.Z[:, numbers])
    geometry = geometry._replace(embedding=embedding, dimension=embedding.embedding_.shape[1])
    encoder = ENCODERS[plan.coupling](rows.encoder, embedding, numbers)
    rows = rows.encoded_by(encoder)
    if plan.coupling == "latent":
        # its features are coordinates, which have no geometry of their own
        n = encoder.n_latent
        geometry = geometry._replace(numbers=np.arange(n), n_factors=n)
    return geometry, rows


def _embedding(plan, geometry, rng):
    """Return the unfitted embedding."""
    if isinstance(plan.manifold, InvertibleEmbedding):
        return seeded(plan.manifold, rng)
    seed = int(rng.randint(2**31 - 1))
    if plan.is_estimator:
        return InvertibleEmbedding(clone(plan.manifold), random_state=seed)
    n_components = min(geometry.dimension + 1, len(geometry.numbers))
    learner = AutoencoderEmbedding(n_components, random_state=seed)
    return InvertibleEmbedding(learner, random_state=seed)


def _directions(Z, factors):
    """Return the principal directions above the noise floor, None for all."""
    if factors == Z.shape[1]:
        return None
    _, _, vectors = np.linalg.svd(Z - Z.mean(0), full_matrices=False)
    return np.ascontiguousarray(vectors[:factors].T)


def _measure_dimension(Z, factors):
    frame, rows = _directions(Z, factors), _some_rows(Z)
    rows = rows if frame is None else rows @ frame
    return int(np.clip(intrinsic_dimension(rows), 1, rows.shape[1]))


def _some_rows(Z):
    """Return at most so many rows as estimates of dimension need, the same at every call."""
    n = min(len(Z), MAX_ROWS)
    return resample(Z, replace=False, n_samples=n, random_state=0)


def _numbers(encoder, columns):
    """Return the columns of a table that vary, if all are continuous; None for other tables."""
    varies = np.array(encoder.transforms_) != "constant"
    kinds, transforms = np.array(encoder.kinds_), np.array(encoder.transforms_)
    if encoder._indicators or not {"standard", "quantile"}.issuperset(transforms[varies]):
        return None
    if set(kinds[varies]) != {"continuous"} or not {"continuous", "integer"}.issuperset(kinds):
        return None
    columns = encoder.coded(columns)
    return np.stack([columns[j].values for j in np.flatnonzero(varies)], axis=1)
