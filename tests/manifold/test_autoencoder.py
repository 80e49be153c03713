"""The autoencoder: what it reconstructs, and that its latent rows are white."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from skdiffusion.manifold import AutoencoderEmbedding
from skdiffusion.nets.autoencoder import Autoencoder

NOISE = 0.02


def sheet(n, seed):
    """A curved surface in 20 columns, with noise."""
    fixed, rng = np.random.RandomState(7), np.random.RandomState(seed)
    slopes, phases = 1.5 * fixed.normal(size=(2, 20)), fixed.uniform(0, 6, 20)
    flat = rng.uniform(-1, 1, size=(n, 2))
    return np.sin(flat @ slopes + phases) + NOISE * rng.normal(size=(n, 20))


def rms(X):
    return np.sqrt((X**2).sum(1).mean())


def round_trip(embedding, X):
    return embedding.inverse_transform(embedding.transform(X))


@pytest.fixture(scope="module")
def fitted():
    return AutoencoderEmbedding(3, max_epochs=15, random_state=0).fit(sheet(1500, seed=0))


class TestReconstruction:
    def test_reaches_the_noise(self, fitted):
        X = sheet(500, seed=1)
        left = rms(round_trip(fitted, X) - X)
        assert left < 1.3 * NOISE * np.sqrt(18)
        flat = PCA(3).fit(X)
        assert left < 0.1 * rms(flat.inverse_transform(flat.transform(X)) - X)

    def test_does_not_reconstruct_the_noise(self, fitted):
        """Rows lie nearer to the surface after the round trip than before."""
        noisy = sheet(500, seed=1)
        clean = noisy - NOISE * _noise_of(500, seed=1)
        assert rms(round_trip(fitted, noisy) - clean) < 0.7 * rms(noisy - clean)

    def test_starts_at_the_principal_components(self):
        X = torch.from_numpy(sheet(200, seed=0)).float()
        X -= X.mean(0)
        net = Autoencoder(X, 3)
        for bent in (net.encode, net.decode):
            torch.nn.init.zeros_(bent.last.weight)
        pca = PCA(3).fit(X.numpy())
        best = pca.inverse_transform(pca.transform(X.numpy()))
        assert_allclose(net(X).detach().numpy(), best, atol=1e-5)
        assert_allclose(net.encode(X).detach().square().mean(0), 1, rtol=1e-5)


def _noise_of(n, seed):
    rng = np.random.RandomState(seed)
    rng.uniform(-1, 1, size=(n, 2))
    return rng.normal(size=(n, 20))


class TestLatentRows:
    def test_are_white(self, fitted):
        W = fitted.embedding_
        assert_allclose(W.mean(0), 0, atol=1e-10)
        assert_allclose(W.T @ W / len(W), np.eye(3), atol=1e-10)

    def test_transform_of_the_training_rows(self, fitted):
        assert_allclose(fitted.transform(sheet(1500, seed=0)), fitted.embedding_, atol=1e-10)

    def test_rows_do_not_depend_on_their_batch(self, fitted):
        X = sheet(30, seed=2)
        alone = np.concatenate([fitted.transform(row[None]) for row in X])
        assert_allclose(alone, fitted.transform(X), atol=1e-12)

    def test_scale_and_origin_of_the_rows_do_not_matter(self):
        options = {"max_epochs": 2, "random_state": 0}
        X = sheet(300, seed=3)
        plain = AutoencoderEmbedding(3, **options).fit(X)
        moved = AutoencoderEmbedding(3, **options).fit(1000 * X + 5000)
        left = rms(round_trip(moved, 1000 * X + 5000) - 1000 * X - 5000) / 1000
        assert_allclose(left, rms(round_trip(plain, X) - X), rtol=0.2)

    @pytest.mark.parametrize("n_components", [1, 5])
    def test_any_number_of_components(self, n_components):
        X = np.random.RandomState(0).normal(size=(40, 3))
        embedding = AutoencoderEmbedding(n_components, max_epochs=1, random_state=0).fit(X)
        assert embedding.transform(X).shape == (40, n_components)
        assert np.isfinite(round_trip(embedding, X)).all()

    @pytest.mark.parametrize("X", [np.ones((6, 2)), np.eye(2)])
    def test_constant_rows_and_two_rows(self, X):
        embedding = AutoencoderEmbedding(3, max_epochs=1, random_state=0).fit(X)
        assert_allclose(round_trip(embedding, X), X, atol=0.3)


class TestTraining:
    def test_seeds_and_global_generators(self):
        X = sheet(60, seed=0)
        numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
        torch_state = torch.get_rng_state()
        embeddings = [
            AutoencoderEmbedding(2, max_epochs=1, random_state=seed).fit_transform(X)
            for seed in (0, 0, 1)
        ]
        assert_array_equal(embeddings[0], embeddings[1])
        assert np.abs(embeddings[0] - embeddings[2]).max() > 1e-3
        assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
        assert torch.equal(torch.get_rng_state(), torch_state)

    def test_interruption_leaves_it_unfitted(self, monkeypatch):
        def interrupt(*args, **kwargs):
            raise KeyboardInterrupt

        monkeypatch.setattr(Autoencoder, "forward", interrupt)
        embedding = AutoencoderEmbedding(max_epochs=2)
        with pytest.raises(KeyboardInterrupt):
            embedding.fit(sheet(40, seed=0))
        with pytest.raises(NotFittedError):
            embedding.transform(sheet(40, seed=0))

    def test_pickle(self, fitted):
        X = sheet(10, seed=4)
        again = pickle.loads(pickle.dumps(fitted))
        assert_array_equal(again.transform(X), fitted.transform(X))
        assert_array_equal(round_trip(again, X), round_trip(fitted, X))


class TestFitted:
    """What is fitted stays as it is until the next fit, whatever the parameters say."""

    def test_a_parameter_set_since_changes_nothing(self):
        X = sheet(60, seed=0)
        embedding = AutoencoderEmbedding(2, max_epochs=1, random_state=0).fit(X)
        W, back = embedding.transform(X), round_trip(embedding, X)
        embedding.set_params(n_components=3)
        assert_array_equal(embedding.transform(X), W)
        assert_array_equal(embedding.inverse_transform(W), back)
        assert len(embedding.get_feature_names_out()) == 2
        pytest.importorskip("pandas")
        assert embedding.set_output(transform="pandas").transform(X).shape == (60, 2)
        with pytest.raises(ValueError, match="X has 3 columns, but the embedding has 2"):
            embedding.inverse_transform(np.zeros((1, 3)))

    def test_names_need_a_fit(self):
        with pytest.raises(NotFittedError):
            AutoencoderEmbedding(2).get_feature_names_out()


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_components": 0}, "n_components must be at least 1, a whole number"),
            ({"n_components": "auto"}, "n_components must be at least 1, a whole number"),
            ({"max_epochs": 0}, "max_epochs must be"),
            ({"max_epochs": 1.5}, "max_epochs must be"),
        ],
    )
    def test_bad_parameters(self, options, message):
        with pytest.raises(ValueError, match=message):
            AutoencoderEmbedding(**options).fit(sheet(20, seed=0))

    def test_missing_cells(self):
        X = sheet(20, seed=0)
        X[3, 4] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            AutoencoderEmbedding().fit(X)

    def test_columns_of_the_embedding(self, fitted):
        with pytest.raises(ValueError, match="X has 2 columns, but the embedding has 3"):
            fitted.inverse_transform(np.zeros((1, 2)))
