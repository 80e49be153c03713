"""Embeddings of columns of unlike units, and beside a gross cell."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, Isomap

from skdiffusion.geometry import intrinsic_dimension
from skdiffusion.manifold import AutoencoderEmbedding, InvertibleEmbedding

UNITS = [[50_000, 0.02, 40], [1e6, 1.0, 1e-6], [1e18, 1.0, 100], [1e-140, 1.0, 1e140]]


def sheet(n, seed=0):
    rng = np.random.default_rng(seed)
    t = rng.uniform(0, 3, n)
    return np.column_stack([np.cos(t) * t, np.sin(t) * t, rng.uniform(0, 3, n)])


ROWS, FRESH = sheet(300), sheet(100, 1)


def errors(embedding, unit, rows=FRESH):
    """Mean errors of the way there and back by column, in its standard deviations."""
    back = embedding.inverse_transform(embedding.transform(rows * unit)) / unit
    return np.abs(back - rows).mean(0) / rows.std(0)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    "embedding",
    [
        AutoencoderEmbedding(2, max_epochs=10, random_state=0),
        InvertibleEmbedding(AutoencoderEmbedding(3, max_epochs=10), random_state=0),
        InvertibleEmbedding(PCA(3), random_state=0),
        InvertibleEmbedding(Isomap(n_components=2, n_neighbors=8), random_state=0),
    ],
)
def test_no_column_is_lost(embedding, unit):
    unit = np.array(unit, dtype=float)
    assert errors(embedding.fit(ROWS * unit), unit).max() < 0.1


@pytest.mark.parametrize("unit", UNITS)
def test_units_make_no_difference_to_a_dimension(unit):
    rows = sheet(500)
    assert intrinsic_dimension(rows * unit) == 2
    np.testing.assert_array_equal(intrinsic_dimension(rows * unit, per_point=True).round(), 2)


def test_small_floor_is_no_noise():
    """Three columns of a small unit beside a large one are columns, not noise."""
    rng = np.random.default_rng(0)
    rows, unit = rng.normal(size=(300, 4)), np.array([50_000, 0.02, 0.02, 0.02])
    embedding = AutoencoderEmbedding(4, max_epochs=10, random_state=0).fit(rows * unit)
    assert errors(embedding, unit, rows).max() < 0.1


@pytest.mark.parametrize("code", [999.0, 1e9, -1e6])
@pytest.mark.parametrize(
    "embedding",
    [
        AutoencoderEmbedding(2, max_epochs=10, random_state=0),
        InvertibleEmbedding(AutoencoderEmbedding(2, max_epochs=10), random_state=0),
        InvertibleEmbedding(PCA(3), random_state=0),
        InvertibleEmbedding(TSNE(perplexity=10, max_iter=250, init="pca"), random_state=0),
    ],
)
def test_a_gross_cell_is_no_unit_for_the_others(embedding, code):
    clean = errors(embedding.fit(ROWS), 1.0).max()
    rows = ROWS.copy()
    rows[7, 2] = code
    embedding.fit(rows)
    assert errors(embedding, 1.0).max() < 1.5 * clean + 0.02
    assert embedding.embedding_.shape[0] == 300
    if hasattr(embedding, "residuals_"):
        assert np.isfinite(embedding.residuals_).all()
        others = np.delete(np.abs(embedding.residuals_).max(1), 7)
        assert others.max() < 10


def test_a_gross_row_is_far_off():
    rows = ROWS.copy()
    rows[7, 2] = 1e6
    places = AutoencoderEmbedding(2, max_epochs=5, random_state=0).fit(rows).embedding_
    lengths = np.linalg.norm(places, axis=1)
    assert lengths[7] > 100 * np.delete(lengths, 7).max()


@pytest.mark.parametrize("code", [999.0, 1e9])
def test_dimension_beside_a_gross_cell(code):
    rows = sheet(500)
    rows[7, 2] = code
    assert intrinsic_dimension(rows) == 2
    assert intrinsic_dimension(rows, per_point=True).shape == (500,)


@pytest.mark.parametrize("unit", [1e-323, 1e-200, 1e151, 1e300, 1.7e308])
def test_numbers_without_squares_are_refused(unit):
    rows = np.clip(ROWS, -1, 1) * [1.0, unit, 1.0]
    for embedding in (AutoencoderEmbedding(1, max_epochs=1), InvertibleEmbedding(PCA(1))):
        with pytest.raises(ValueError, match="Column 1"):
            embedding.fit(rows)
        with pytest.raises(ValueError, match="1e\\+150"):
            embedding.fit(ROWS).transform([[1e300, 0.0, 0.0]])
