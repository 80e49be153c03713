"""Embeddings and the report on tables of any kind."""

import numpy as np
import pytest
from hypothesis import given
from sklearn.decomposition import PCA

from skdiffusion.manifold import AutoencoderEmbedding, InvertibleEmbedding
from skdiffusion.metrics import fidelity_report
from tests.fuzz.fuzzed_tables import SEEDS, build, cases, tables
from tests.fuzz.oracles import attempt, cells_of, take

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")


def check_embedding(embedding, X):
    if attempt(lambda: embedding.fit(X)) is None:
        return
    U = embedding.transform(X)
    assert np.isfinite(U).all()
    back = embedding.inverse_transform(U)
    assert np.isfinite(np.array(cells_of(back), dtype=float)).all()


@cases(8)
@given(table=tables(gaps=False, only_numbers=True, least=2))
def test_embedding_of_any_numbers(table):
    check_embedding(InvertibleEmbedding(PCA(n_components=1)), build(table))


@cases(5)
@given(table=tables(gaps=False, only_numbers=True, least=2))
def test_autoencoder_of_any_numbers(table):
    embedding = AutoencoderEmbedding(1, max_epochs=1, random_state=0)
    check_embedding(embedding, build(table))


@cases(6)
@given(table=tables(least=18), seed=SEEDS)
def test_report_on_any_table(table, seed):
    X = build(table)
    parts = [take(X, range(k, table.n, 3)) for k in range(3)]
    report = attempt(lambda: fidelity_report(*parts, random_state=0))
    if report is None:
        return
    values = np.array([*report.values()], dtype=float)
    assert np.isfinite(values).all(), dict(report)
    again = fidelity_report(*parts, random_state=0)
    np.testing.assert_array_equal([*again.values()], values)
