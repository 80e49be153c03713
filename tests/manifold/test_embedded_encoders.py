"""Encoders whose rows pass through an embedding: where entries lie, and their density."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA

from skdiffusion.manifold import InvertibleEmbedding
from skdiffusion.manifold.embedded_encoders import (
    LatentEncoder,
    ProjectedEncoder,
)
from skdiffusion.tables.encoder import TableEncoder
from skdiffusion.tables.frames import read_table

ALL = [LatentEncoder, ProjectedEncoder]
RNG = np.random.default_rng(0)
ROOT = np.linalg.qr(RNG.normal(size=(5, 5)))[0] * [3.0, 2.0, 0.2, 0.2, 0.2]
X = RNG.normal(size=(400, 5)) @ ROOT.T
FRAME = pd.DataFrame(X, columns=list("abcde"))
FRAME.insert(2, "kind", RNG.choice(["x", "y", "z"], 400))


def build(cls, table=FRAME, decoder="own"):
    encoder = TableEncoder(numeric_transform=1.0, clip=False).fit(table)
    levels = [c for columns, _ in encoder.category_blocks() for c in columns]
    numbers = np.setdiff1d(np.arange(encoder.n_encoded_), levels)
    Z = encoder.transform(table)
    embedding = InvertibleEmbedding(PCA(2), decoder=decoder, random_state=0).fit(Z[:, numbers])
    return encoder, cls(encoder, embedding, numbers), Z


@pytest.mark.parametrize("cls", ALL)
class TestAll:
    def test_shapes_agree(self, cls):
        _, codes, Z = build(cls)
        W = codes.reencode(Z)
        assert W.shape == (400, codes.n_encoded_)
        np.testing.assert_array_equal(codes.transform(FRAME), W)
        assert len(codes.groups_) == len(codes.is_indicator_) == codes.n_encoded_
        assert codes.void_features(W).shape == W.shape

    def test_categories_are_found_at_their_places(self, cls):
        encoder, codes, Z = build(cls)
        ((columns, vertices),), ((own, same),) = codes.category_blocks(), encoder.category_blocks()
        np.testing.assert_array_equal(codes.reencode(Z)[:, columns], Z[:, own])
        np.testing.assert_array_equal(vertices, same)

    def test_features_of_columns(self, cls):
        encoder, embedded, Z = build(cls)
        for column in ["kind"] if cls is LatentEncoder else ["kind", "a"]:
            found = embedded.reencode(Z)[:, embedded.features_of_column(column)]
            np.testing.assert_array_equal(found, Z[:, encoder.features_of_column(column)])

    def test_groups(self, cls):
        """Codes of a column share a group, a coordinate has one of its own."""
        _, codes, _ = build(cls)
        ((columns, _),) = codes.category_blocks()
        assert len(np.unique(codes.groups_[columns])) == 1
        rest = np.setdiff1d(np.arange(codes.n_encoded_), columns)
        assert len(np.unique(codes.groups_[rest])) == len(rest)

    def test_rows_come_back(self, cls):
        """What was coded is decoded, up to what the embedding leaves out."""
        _, codes, Z = build(cls)
        back = codes.decode_table(codes.reencode(Z), None)
        assert list(back.columns) == list(FRAME.columns)
        assert (back["kind"] == FRAME["kind"]).all()
        lost = np.abs(back[list("abcde")] - X).to_numpy()
        assert lost.max() < 1.5

    def test_copies(self, cls):
        _, codes, Z = build(cls)
        for other in (copy.deepcopy(codes), pickle.loads(pickle.dumps(codes))):
            np.testing.assert_array_equal(other.reencode(Z), codes.reencode(Z))

    def test_asks_the_encoder(self, cls):
        encoder, codes, _ = build(cls)
        assert codes.n_features_in_ == encoder.n_features_in_
        with pytest.raises(AttributeError, match="no_such"):
            codes.no_such  # noqa: B018


@pytest.mark.parametrize("cls", [LatentEncoder])
def test_missing_numbers_have_no_place(cls):
    _, codes, _ = build(cls)
    gaps = FRAME.copy()
    gaps.loc[3, "a"] = np.nan
    with pytest.raises(ValueError, match="missing numbers"):
        codes.transform(gaps)


@pytest.mark.parametrize("cls", [LatentEncoder])
def test_missing_categories_are_kept(cls):
    _, codes, _ = build(cls)
    gaps = FRAME.copy()
    gaps.loc[3, "kind"] = None
    W = codes.transform(gaps)
    ((columns, _),) = codes.category_blocks()
    assert np.isnan(W[3, columns]).all()
    assert np.isnan(W).sum() == len(columns)


class TestLatent:
    def test_coordinates_have_unit_size(self):
        """One unit for all: their ratio says which direction is longer."""
        _, codes, Z = build(LatentEncoder)
        W = codes.reencode(Z)[:, :2]
        np.testing.assert_allclose(W.mean(0), 0, atol=1e-12)
        assert np.mean(W.var(0)) == pytest.approx(1)
        assert W[:, 0].std() / W[:, 1].std() == pytest.approx(1.5, rel=0.1)

    def test_residual_noise_is_added_where_there_is_a_source(self):
        _, codes, Z = build(LatentEncoder)
        W = codes.reencode(Z)
        plain, noisy = codes.restore(W), codes.restore(W, np.random.RandomState(0))
        lost = np.square(Z - plain).sum(1).mean()
        assert np.square(noisy - plain).sum(1).mean() == pytest.approx(lost, rel=0.1)
        np.testing.assert_array_equal(plain, codes.restore(W))

    def test_log_density_of_a_gaussian(self):
        """A plane of known density, the stretch of the decoder and the residuals."""
        table = FRAME[list("abcde")]
        _, codes, Z = build(LatentEncoder, table)
        W = codes.reencode(Z)
        along = multivariate_normal(W.mean(0), np.cov(W.T)).logpdf(W)
        truth = multivariate_normal(np.zeros(5), ROOT @ ROOT.T).logpdf(X)
        found = along + codes.log_volume_of(read_table(table), 1e-3)
        assert np.mean(found - truth) == pytest.approx(0, abs=0.05)
        assert np.std(found - truth) < 0.3

    def test_units_of_the_table_count(self):
        """Ten times the numbers, a fifth of a millionth of the density in five columns."""
        table = FRAME[list("abcde")]
        plain, wide = (build(LatentEncoder, factor * table)[1] for factor in (1, 10))
        shift = plain.log_volume_of(read_table(table), 1e-3) - wide.log_volume_of(
            read_table(10 * table), 1e-3
        )
        np.testing.assert_allclose(shift, 5 * np.log(10), rtol=1e-5)

    def test_a_curved_decoder(self):
        """Local maps are as steep as PCA on flat data."""
        table = FRAME[list("abcde")]
        _, flat, Z = build(LatentEncoder, table)
        _, local, _ = build(LatentEncoder, table, decoder="local")
        steep = [codes._log_stretch(codes.reencode(Z)[:50]) for codes in (flat, local)]
        assert np.median(steep[1] - steep[0]) == pytest.approx(0, abs=0.1)


class TestProjected:
    def test_rows_are_projected_on_the_way_back(self):
        encoder, codes, Z = build(ProjectedEncoder)
        back = encoder.transform(codes.decode_table(Z, None))[:, codes.numbers]
        plane = PCA(2).fit(Z[:, codes.numbers])
        expected = plane.inverse_transform(plane.transform(Z[:, codes.numbers]))
        np.testing.assert_allclose(back, expected, atol=1e-9)

    def test_the_noise_of_the_rows_is_given_back(self):
        encoder, codes, Z = build(ProjectedEncoder)
        drawn = codes.decode_table(Z, np.random.RandomState(0))
        again = encoder.transform(drawn)[:, codes.numbers]
        lost = Z[:, codes.numbers] - codes.unembed(codes.embed(Z))
        added = again - codes.unembed(codes.embed(Z))
        assert np.square(added).sum(1).mean() == pytest.approx(
            np.square(lost).sum(1).mean(), rel=0.1
        )

    def test_what_it_is_given_stays_as_it_is(self):
        _, codes, Z = build(ProjectedEncoder)
        before = Z.copy()
        codes.decode_table(Z, np.random.RandomState(0))
        np.testing.assert_array_equal(Z, before)
