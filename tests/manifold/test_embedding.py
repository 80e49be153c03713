"""The way there and the way back, for every learner and every decoder."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA, KernelPCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import MDS, TSNE, Isomap, LocallyLinearEmbedding, SpectralEmbedding
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsRegressor, NearestNeighbors
from sklearn.preprocessing import StandardScaler

from skdiffusion.manifold import AutoencoderEmbedding, InvertibleEmbedding
from skdiffusion.manifold.local_maps import LocalLinearRegressor

RNG = np.random.RandomState(0)


def in_columns(X, n_columns, noise, rng):
    turned = np.linalg.qr(np.random.RandomState(9).normal(size=(n_columns, X.shape[1])))[0]
    return X @ turned.T + noise * rng.normal(size=(len(X), n_columns))


def sphere(n, seed, noise=0.02):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, 3))
    return in_columns(X / np.linalg.norm(X, axis=1, keepdims=True), 20, noise, rng)


def swiss_roll(n, seed, noise=0.02):
    rng = np.random.RandomState(seed)
    t, height = 1.5 * np.pi * (1 + 2 * rng.uniform(size=n)), 21 * rng.uniform(size=n)
    X = np.column_stack([t * np.cos(t), height, t * np.sin(t)]) / 7
    return in_columns(X, 20, noise, rng)


class Columns(BaseEstimator):
    """A learner that keeps the first columns, so that the distribution given them is known."""

    def __init__(self, n_columns=1):
        self.n_columns = n_columns

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.asarray(X)[:, : self.n_columns]

    def fit_transform(self, X, y=None):
        return self.fit(X).transform(X)


X = swiss_roll(150, seed=0)
DECODERS = ["auto", "local", "own"]


class TestMean:
    def test_planar_rows_come_back_exactly(self):
        flat = RNG.normal(size=(200, 2)) @ RNG.normal(size=(2, 6)) + 3
        new = RNG.uniform(-0.5, 0.5, size=(50, 2))
        pca = PCA(2).fit(flat)
        local = InvertibleEmbedding(PCA(2), decoder="local").fit(flat)
        assert_allclose(local.inverse_transform(new), pca.inverse_transform(new), atol=1e-5)
        assert_allclose(local.residuals_, 0, atol=1e-4)

    @pytest.mark.parametrize(
        ("make", "learner", "least"),
        [
            (swiss_roll, Isomap(n_neighbors=8), 0.94),
            (sphere, PCA(3), 0.97),
            (swiss_roll, LocallyLinearEmbedding(n_neighbors=12), 0.7),
        ],
    )
    def test_round_trip_of_rows_held_out(self, make, learner, least):
        embedding = InvertibleEmbedding(learner, random_state=0).fit(make(600, seed=0))
        rows = make(200, seed=1)
        back = embedding.inverse_transform(embedding.transform(rows))
        assert r2_score(rows, back, multioutput="variance_weighted") > least

    def test_own_inverse(self):
        own = InvertibleEmbedding(PCA(3), decoder="own").fit(X)
        W = own.transform(X)
        assert_allclose(own.inverse_transform(W), PCA(3).fit(X).inverse_transform(W))

    def test_auto_takes_the_trained_decoder_of_an_autoencoder(self):
        net = AutoencoderEmbedding(2, max_epochs=1, random_state=0)
        W = RNG.normal(size=(5, 2))
        auto = InvertibleEmbedding(net).fit(X)
        assert_allclose(auto.inverse_transform(W), net.fit(X).inverse_transform(W))
        local = InvertibleEmbedding(PCA(2), decoder="local").fit(X)
        auto = InvertibleEmbedding(PCA(2)).fit(X)
        assert_array_equal(auto.inverse_transform(W), local.inverse_transform(W))

    def test_default_learner_is_an_autoencoder(self, monkeypatch):
        embedding = InvertibleEmbedding(random_state=0)
        module = "skdiffusion.manifold.autoencoder_embedding"
        monkeypatch.setattr(f"{module}.train_autoencoder", lambda *args: None)
        embedding.fit(X[:30])
        assert isinstance(embedding.estimator_, AutoencoderEmbedding)
        assert embedding.embedding_.shape == (30, 3)

    @pytest.mark.parametrize("decoder", DECODERS)
    def test_every_decoder(self, decoder):
        embedding = InvertibleEmbedding(PCA(2), decoder=decoder, random_state=0)
        W = embedding.fit(X).transform(X[:9])
        mean = embedding.inverse_transform(W)
        assert mean.shape == (9, X.shape[1])
        assert np.isfinite(mean).all()
        assert_array_equal(mean, embedding.inverse_transform(W))
        again = clone(embedding).fit(X)
        assert_array_equal(mean, again.inverse_transform(W))
        drawn = embedding.sample_inverse(W, random_state=0)
        assert_array_equal(drawn, again.sample_inverse(W, random_state=0))
        assert np.all(drawn != embedding.sample_inverse(W, random_state=1))
        assert embedding.residuals_.shape == X.shape
        copy = pickle.loads(pickle.dumps(embedding))
        assert_array_equal(drawn, copy.sample_inverse(W, random_state=0))


class TestResiduals:
    def test_local_ones_are_of_left_out_rows(self):
        embedding = InvertibleEmbedding(PCA(2), decoder="local").fit(X)
        W, maps = embedding.embedding_, embedding._decoder.maps
        others = np.arange(len(X)) != 7
        again = LocalLinearRegressor(ridge=maps.ridge_).fit(W[others], X[others])
        assert_allclose(embedding.residuals_[7], X[7] - again.predict(W[[7]])[0], atol=1e-8)


class TestDraws:
    """Against known distributions of rows given the embedded row."""

    @pytest.mark.parametrize("decoder", ["local", "own"])
    def test_rows_are_as_far_from_a_plane_as_the_data(self, decoder, global_random_seed):
        """The mean is noisy itself; with what is drawn it is as noisy as the rows."""
        rng = np.random.RandomState(global_random_seed)
        flat = rng.normal(size=(2400, 2)) * [10, 8]
        rows = np.hstack([flat, np.zeros((2400, 8))]) + 0.5 * rng.normal(size=(2400, 10))
        embedding = InvertibleEmbedding(
            PCA(2), decoder=decoder, n_neighbors=10, random_state=0
        ).fit(rows[:1200])
        W = embedding.transform(rows[1200:])
        drawn = embedding.sample_inverse(W, random_state=0)
        # 9,600 numbers drawn from 9,600 residuals: a standard error of one in a hundred
        assert_allclose(np.sqrt((drawn[:, 2:] ** 2).mean()), 0.5, rtol=0.04)

    def test_drawn_rows_are_no_copies(self, global_random_seed):
        """They are as far from the training rows as rows held out are, within a tenth or so."""
        seeds = 3 * global_random_seed + np.arange(3)
        rows, new, others = map(swiss_roll, (1500, 500, 500), seeds)
        embedding = InvertibleEmbedding(PCA(3), decoder="local").fit(rows)
        drawn = embedding.sample_inverse(embedding.transform(new), random_state=0)
        nearest = NearestNeighbors(n_neighbors=1).fit(rows).kneighbors
        fresh = np.median(nearest(others)[0])
        assert 0.85 * fresh < np.median(nearest(drawn)[0]) < 1.1 * fresh

    def test_noise_keeps_its_size_and_direction(self, global_random_seed):
        rng = np.random.RandomState(global_random_seed)
        t = rng.uniform(-1, 1, 1200)
        thick = np.where(t > 0, 1.0, 0.1) * rng.normal(size=len(t))
        rows = np.column_stack([10 * t, thick, 0.0 * t])
        embedding = InvertibleEmbedding(Columns(), decoder="local", random_state=0).fit(rows)
        drawn = embedding.sample_inverse(rows[:, :1], random_state=0)
        assert_allclose(drawn[t > 0.2, 1].std(), 1.0, rtol=0.15)
        assert drawn[t < -0.2, 1].std() < 0.25
        assert drawn[:, 2].std() < 0.05

    def test_gaussian_rows_given_their_first_column(self, global_random_seed):
        rng = np.random.RandomState(global_random_seed)
        cov = np.array([[1.0, 0.8, -0.5], [0.8, 1.0, 0.0], [-0.5, 0.0, 1.0]])
        rows = rng.normal(size=(1000, 3)) @ np.linalg.cholesky(cov).T + [0, 0, 5]
        embedding = InvertibleEmbedding(Columns(), random_state=0).fit(rows)
        W = rng.normal(size=(3000, 1))
        drawn = embedding.sample_inverse(W, random_state=0)
        left = drawn - [0, 0, 5] - W * cov[0]
        expected = cov - np.outer(cov[0], cov[0])
        assert_allclose(left.mean(0), 0, atol=0.12)
        assert_allclose(np.cov(left.T), expected, atol=0.12)

    def test_two_branches_are_both_drawn(self, global_random_seed):
        rng = np.random.RandomState(global_random_seed)
        t, side = rng.uniform(-1, 1, 800), np.where(rng.uniform(size=800) < 0.3, -1.0, 1.0)
        rows = np.column_stack([t, side + 0.05 * rng.normal(size=800)])
        embedding = InvertibleEmbedding(Columns(), random_state=0).fit(rows)
        W = rng.uniform(-0.8, 0.8, (600, 1))
        drawn = embedding.sample_inverse(W, random_state=0)[:, 1]
        assert np.mean(np.abs(np.abs(drawn) - 1) < 0.5) > 0.7
        # 600 draws of residuals of 800 rows: standard errors of .019 and .016
        assert 0.2 < np.mean(drawn < 0) < 0.4
        assert np.abs(embedding.inverse_transform(W)[:, 1]).mean() < 0.65


class TestWayThere:
    @pytest.mark.parametrize(
        "learner",
        [
            TSNE(max_iter=250, random_state=0),
            MDS(n_init=1, max_iter=20, random_state=0),
            SpectralEmbedding(n_neighbors=10, random_state=0),
        ],
    )
    def test_learners_without_transform(self, learner):
        embedding = InvertibleEmbedding(learner)
        W = embedding.fit_transform(X)
        assert_allclose(embedding.transform(X), W, atol=1e-6 * np.abs(W).max())
        assert_allclose(W, clone(learner).fit_transform(X))

    def test_new_rows_land_among_their_neighbours(self):
        rows = swiss_roll(400, seed=0)
        embedding = InvertibleEmbedding(TSNE(max_iter=300, random_state=0)).fit(rows[:350])
        W = embedding.embedding_
        near = KNeighborsRegressor(5).fit(rows[:350], W).kneighbors(rows[350:])[1]
        centre = W[near].mean(1)
        off = np.linalg.norm(embedding.transform(rows[350:]) - centre, axis=1)
        assert np.median(off) < 0.1 * np.linalg.norm(W.std(0))

    def test_fit_transform_is_the_learners_embedding(self):
        isomap = Isomap(n_neighbors=10)
        W = InvertibleEmbedding(isomap).fit_transform(X)
        assert_array_equal(W, clone(isomap).fit_transform(X))
        with pytest.raises(NotFittedError):
            isomap.transform(X)

    def test_umap(self):
        umap = pytest.importorskip("umap")
        embedding = InvertibleEmbedding(umap.UMAP(n_neighbors=10), random_state=0).fit(X)
        back = embedding.inverse_transform(embedding.embedding_)
        assert r2_score(X, back, multioutput="variance_weighted") > 0.8
        again = InvertibleEmbedding.from_fitted(embedding.estimator_)
        assert_allclose(again.inverse_transform(embedding.embedding_), back, atol=1e-3)


class TestFromFitted:
    @pytest.mark.parametrize(
        "learner",
        [
            Isomap(n_neighbors=10),
            LocallyLinearEmbedding(n_neighbors=10),
            KernelPCA(2, kernel="rbf"),
        ],
    )
    def test_learners_that_keep_their_rows(self, learner):
        learner.fit(X)
        given = InvertibleEmbedding.from_fitted(learner)
        assert given.estimator_ is learner
        W = learner.transform(X[:20])
        fitted = InvertibleEmbedding(clone(learner)).fit(X)
        back = given.inverse_transform(W)
        if hasattr(learner, "embedding_"):
            assert_allclose(given.embedding_, learner.embedding_)
        signs = np.sign((fitted.transform(X) * given.transform(X)).sum(0))
        assert_allclose(back, fitted.inverse_transform(W * signs), atol=0.05)

    def test_errors(self):
        with pytest.raises(TypeError, match="PCA does not keep the rows"):
            InvertibleEmbedding.from_fitted(PCA(2).fit(X))
        with pytest.raises(NotFittedError):
            InvertibleEmbedding.from_fitted(PCA(2))


class TestFrames:
    def test_names_of_columns(self):
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
        embedding = InvertibleEmbedding(PCA(2)).set_output(transform="pandas").fit(frame)
        names = ["invertibleembedding0", "invertibleembedding1"]
        assert list(embedding.get_feature_names_out()) == names
        W = embedding.transform(frame)
        assert list(W.columns) == names
        assert list(embedding.feature_names_in_) == list(frame.columns)
        plain = InvertibleEmbedding(PCA(2)).fit(X)
        assert_allclose(embedding.inverse_transform(W), plain.inverse_transform(W.to_numpy()))


class TestErrors:
    @pytest.mark.parametrize("estimator", [StandardScaler, LogisticRegression(), "isomap", 3])
    def test_no_manifold_learner(self, estimator):
        with pytest.raises(TypeError, match="manifold learner with fit_transform"):
            InvertibleEmbedding(estimator).fit(X)

    @pytest.mark.parametrize("decoder", ["nearest", LogisticRegression(), None])
    def test_unknown_decoders(self, decoder):
        with pytest.raises(ValueError, match="decoder must be one of"):
            InvertibleEmbedding(PCA(2), decoder=decoder).fit(X)

    def test_no_way_of_its_own(self):
        with pytest.raises(TypeError, match="Isomap has no inverse_transform"):
            InvertibleEmbedding(Isomap(), decoder="own").fit(X)

    def test_out_of_range(self):
        with pytest.raises(ValueError, match="n_neighbors must be at least 1, a whole number"):
            InvertibleEmbedding(PCA(2), n_neighbors=0).fit(X)

    def test_missing_cells(self):
        gap = X.copy()
        gap[0, 0] = np.nan
        with pytest.raises(ValueError, match="X contains NaN"):
            InvertibleEmbedding(PCA(2)).fit(gap)
        embedding = InvertibleEmbedding(PCA(2)).fit(X)
        with pytest.raises(ValueError, match="X contains NaN"):
            embedding.inverse_transform([[0.0, np.nan]])

    def test_columns_of_the_embedding(self):
        embedding = InvertibleEmbedding(PCA(2)).fit(X)
        for method in (embedding.inverse_transform, embedding.sample_inverse):
            with pytest.raises(ValueError, match="X has 3 columns, but the embedding has 2"):
                method(np.zeros((1, 3)))

    def test_a_fit_that_fails_leaves_it_unfitted(self):
        embedding = InvertibleEmbedding(PCA(2)).fit(X)
        with pytest.raises(ValueError, match="NaN"):
            embedding.fit(X * np.nan)
        for method in (embedding.transform, embedding.inverse_transform, embedding.sample_inverse):
            with pytest.raises(NotFittedError):
                method(X)

    @pytest.mark.parametrize("decoder", ["local", "own"])
    def test_few_rows(self, decoder):
        embedding = InvertibleEmbedding(PCA(1), decoder=decoder, random_state=0).fit(X[:4])
        assert np.isfinite(embedding.sample_inverse([[0.0], [100.0]], random_state=0)).all()

    def test_global_generators_are_left_alone(self):
        state = np.random.get_state()[1].copy()  # noqa: NPY002
        embedding = InvertibleEmbedding(TSNE(max_iter=250), random_state=0).fit(X)
        embedding.sample_inverse(embedding.embedding_, random_state=0)
        assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
