"""Metrics of features, of diversity and of images."""

import sys

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import entropy, ortho_group
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics import pairwise_distances
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.validation import check_is_fitted

from skdiffusion.metrics import (
    GowerScaler,
    frechet_distance,
    structural_similarity,
    vendi_score,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def identity(X):
    return X


def white(rng, n, d):
    """Rows whose mean is exactly zero and whose covariance is exactly the identity."""
    Z = rng.normal(size=(n, d))
    Q, _ = np.linalg.qr(Z - Z.mean(axis=0))
    return Q * np.sqrt(n - 1)


def mixed_table(rng, n=60):
    pd = pytest.importorskip("pandas")
    city = rng.choice(["Graz", "Linz", None], n)
    return pd.DataFrame({"amount": rng.exponential(size=n), "city": city.astype(object)})


class TestFrechetDistance:
    @pytest.mark.parametrize("encoder", [None, identity])
    def test_of_diagonal_gaussians(self, rng, encoder):
        s, t, shift = np.array([1.0, 2, 3]), np.array([2.0, 2, 0.5]), np.array([0.5, -1, 2])
        real, fake = white(rng, 50, 3) * s, white(rng, 70, 3) * t + shift
        expected = (shift**2).sum() + ((s - t) ** 2).sum()
        assert frechet_distance(real, fake, encoder=encoder) == pytest.approx(expected)

    def test_against_the_root_of_a_matrix(self, rng):
        real = rng.normal(size=(80, 4)) @ rng.normal(size=(4, 4))
        fake = rng.exponential(size=(90, 4)) @ rng.normal(size=(4, 4))
        S, T = np.cov(real.T), np.cov(fake.T)
        expected = ((real.mean(0) - fake.mean(0)) ** 2).sum()
        expected += np.trace(S + T - 2 * sqrtm(S @ T).real)
        assert frechet_distance(real, fake, encoder=identity) == pytest.approx(expected)

    @pytest.mark.parametrize("encoder", [None, identity])
    def test_rotations_and_the_order_of_rows_do_not_matter(self, rng, encoder):
        real, fake = rng.normal(size=(40, 5)), rng.exponential(size=(30, 5))
        turn = ortho_group.rvs(5, random_state=0)
        turned = frechet_distance(real[::-1] @ turn, fake @ turn, encoder=encoder)
        assert turned == pytest.approx(frechet_distance(real, fake, encoder=encoder))

    @pytest.mark.parametrize("shape", [(40, 5), (5, 40), (2, 1)])
    @pytest.mark.parametrize("encoder", [None, identity])
    def test_of_a_table_and_itself_is_zero(self, rng, shape, encoder):
        for _ in range(20):
            real = 1e3 * rng.normal(size=shape)
            found = frechet_distance(real, real[::-1], encoder=encoder)
            assert 0 <= found < 1e-13 * real.var(axis=0).sum()

    def test_of_singular_covariances_is_that_within_their_range(self, rng):
        line = white(rng, 20, 1)
        real, fake = line @ [[3.0, 4, 0]], line @ [[6.0, 8, 0]] + [0, 0, 2]
        assert frechet_distance(real, fake, encoder=identity) == pytest.approx(5**2 + 2**2)

    def test_of_fewer_rows_than_columns_loses_no_digits(self, rng):
        """Roots of eigenvalues that are zero but for rounding would be off by 1e-8."""
        real = rng.normal(size=(5, 40))
        expected = (real.mean(axis=0) ** 2).sum() + real.var(axis=0, ddof=1).sum()
        found = frechet_distance(real, 2 * real, encoder=identity)
        assert found == pytest.approx(expected, rel=1e-12)

    def test_of_orthogonal_lines(self, rng):
        line = white(rng, 20, 1)
        real, fake = line @ [[3.0, 0]], line @ [[0, 4.0]]
        assert frechet_distance(real, fake, encoder=identity) == pytest.approx(3**2 + 4**2)

    @pytest.mark.filterwarnings("error")
    def test_of_a_constant_table(self, rng):
        real, fake = np.ones((20, 3)), np.tile([1.0, 4.0, 5.0], (20, 1))
        assert frechet_distance(real, real) == 0
        assert frechet_distance(real, fake) == pytest.approx(25)

    def test_sees_noise_off_the_components(self):
        rng = np.random.default_rng(0)
        X = rng.permutation(load_digits().data)[:1200]
        real, other = X[:600], X[600:]
        noisy = other + rng.normal(size=other.shape)
        pca = PCA(0.95).fit(real)
        in_components = frechet_distance(real, noisy, encoder=pca)
        assert in_components < 1.05 * frechet_distance(real, other, encoder=pca)
        assert frechet_distance(real, noisy) > 1.2 * frechet_distance(real, other)

    def test_of_what_components_leave_out_the_length_alone_counts(self, rng):
        real = white(rng, 60, 3) * [10, 10, 0.5]
        fake = np.column_stack([real[:, :2], abs(real[:, 2])])
        assert frechet_distance(real, fake) == pytest.approx(0, abs=1e-9)
        assert frechet_distance(real, fake, encoder=identity) > 0.1

    def test_encoders(self, rng):
        real, fake = rng.normal(5, 3, size=(30, 2)), rng.normal(size=(40, 2))
        scaler = StandardScaler().fit(real)
        expected = frechet_distance(real, fake, encoder=scaler.transform)
        unfitted = StandardScaler()
        assert frechet_distance(real, fake, encoder=scaler) == expected
        assert frechet_distance(real, fake, encoder=unfitted) == expected
        with pytest.raises(NotFittedError):
            check_is_fitted(unfitted)
        other = StandardScaler().fit(fake)
        theirs = frechet_distance(real, fake, encoder=other)
        assert theirs == frechet_distance(real, fake, encoder=other.transform) != expected
        stateless = FunctionTransformer(lambda X: 2 * X)
        doubled = frechet_distance(real, fake, encoder=stateless)
        assert doubled == pytest.approx(4 * frechet_distance(real, fake, encoder=identity))

    def test_tables_count_in_gower_coordinates(self, rng):
        real, fake = mixed_table(rng), mixed_table(rng)
        points = map(GowerScaler().fit(real).transform, (real, fake))
        assert frechet_distance(real, fake) == pytest.approx(frechet_distance(*points))
        assert frechet_distance(real, fake[["city", "amount"]]) == frechet_distance(real, fake)
        assert frechet_distance(real, real) == pytest.approx(0, abs=1e-12)

    def test_encoder_sees_the_table_itself(self, rng):
        real, fake = mixed_table(rng), mixed_table(rng)
        found = frechet_distance(real, fake, encoder=lambda X: X[["amount"]])
        expected = frechet_distance(*(X[["amount"]].to_numpy() for X in (real, fake)))
        assert found == pytest.approx(expected)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("encoder", [None, identity])
    @pytest.mark.parametrize("sizes", [(1, 9), (9, 1)])
    def test_needs_two_rows(self, rng, encoder, sizes):
        with pytest.raises(ValueError, match="minimum of 2 is required"):
            frechet_distance(*(rng.normal(size=(n, 2)) for n in sizes), encoder=encoder)

    def test_rejects_features_that_disagree(self, rng):
        with pytest.raises(ValueError, match="encoder gives 2 features, and 3 of fake rows"):
            frechet_distance(np.eye(2), np.eye(3), encoder=identity)
        with pytest.raises(ValueError, match="same columns"):
            frechet_distance(np.eye(2), np.eye(3))


class TestVendiScore:
    # the width is 1, far less than between the groups
    NEAR = ((0.0,), (1.0,), (2.0,))

    @pytest.mark.parametrize("k", [1, 2, 7])
    def test_of_equal_groups_is_their_number(self, k):
        X = np.repeat(1000.0 * np.arange(k), 6)[:, None]
        assert vendi_score(X, reference=self.NEAR) == pytest.approx(k)

    def test_of_unequal_groups_is_by_their_entropy(self):
        sizes = np.array([1, 2, 5, 12])
        X = np.repeat(1000.0 * np.arange(4), sizes)[:, None]
        assert vendi_score(X, reference=self.NEAR) == pytest.approx(np.exp(entropy(sizes)))

    def test_of_two_rows(self):
        """The eigenvalues of a matrix of two rows are 1 plus and minus their similarity."""
        shares = (1 + np.exp(-1.5) * np.array([1, -1])) / 2
        found = vendi_score([[0.0, 0.0], [1.0, 0.5]], reference=self.NEAR @ np.array([[1.0, 0]]))
        assert found == pytest.approx(np.exp(entropy(shares)))

    def test_of_a_table_by_itself_is_in_units_of_its_median(self, rng):
        X = rng.normal(size=(30, 3))
        distances = pairwise_distances(X, metric="manhattan")
        K = np.exp(-distances / np.median(distances[np.triu_indices(30, 1)]))
        shares = np.linalg.eigvalsh(K / 30)
        assert vendi_score(X) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
        assert vendi_score(1000 * X) == pytest.approx(vendi_score(X))

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("n", [1, 2, 9])
    def test_of_identical_rows_is_one(self, n):
        assert vendi_score(np.ones((n, 3))) == pytest.approx(1)
        assert vendi_score(np.ones((n, 1)), reference=self.NEAR) == pytest.approx(1)

    def test_where_most_reference_rows_are_equal(self):
        """The width is the mean: of fifteen pairs, five are 3 apart."""
        reference = [[0.0]] * 5 + [[3.0]]
        shares = (1 + np.exp(-1.0) * np.array([1, -1])) / 2
        found = vendi_score([[0.0], [1.0]], reference=reference)
        assert found == pytest.approx(np.exp(entropy(shares)))

    def test_order_does_not_matter_and_the_number_of_rows_is_the_most(self, rng):
        X = rng.normal(size=(40, 3))
        assert vendi_score(X[::-1], reference=X) == pytest.approx(vendi_score(X))
        assert 1 < vendi_score(X) < 40
        assert vendi_score(1e6 * X, reference=X) == pytest.approx(40)

    def test_real_rows_are_more_different_than_rows_that_repeat_or_shrink(self, rng):
        real, other = rng.normal(size=(2, 200, 4))
        fresh = vendi_score(other, reference=real)
        assert fresh == pytest.approx(vendi_score(real), rel=0.1)
        for poor in (other[rng.integers(0, 20, 200)], 0.5 * other):
            assert vendi_score(poor, reference=real) < 0.6 * fresh

    def test_tables_count_in_coordinates_of_the_reference(self, rng):
        real, fake = mixed_table(rng), mixed_table(rng)
        points = map(GowerScaler().fit(real).transform, (fake, real))
        expected = vendi_score(next(points), reference=next(points))
        assert vendi_score(fake, reference=real) == pytest.approx(expected)
        with pytest.raises(ValueError, match="differ in their columns"):
            vendi_score(fake[["city"]], reference=real)


class TestStructuralSimilarity:
    @pytest.fixture(autouse=True)
    def skimage(self):
        return pytest.importorskip("skimage.metrics")

    @pytest.mark.parametrize(
        ("shape", "window", "axis"),
        [((8, 8), 7, None), ((6, 11), 5, None), ((9, 3), 3, None), ((7, 10, 3), 7, 2)],
    )
    def test_of_one_image_is_that_of_scikit_image(self, rng, skimage, shape, window, axis):
        real, fake = rng.random((2, *shape))
        options = {"win_size": window, "channel_axis": axis, "data_range": np.ptp(real)}
        expected = skimage.structural_similarity(real, fake, **options)
        found = structural_similarity(real.reshape(1, -1), fake.reshape(1, -1), shape)
        assert found == pytest.approx(expected)

    def test_is_the_mean_over_rows(self, rng):
        real, fake = rng.random((2, 6, 64))
        options = {"image_shape": (8, 8), "data_range": 1.5}
        each = [
            structural_similarity(a[None], b[None], **options)
            for a, b in zip(real, fake, strict=True)
        ]
        assert structural_similarity(real, fake, **options) == pytest.approx(np.mean(each))

    def test_of_equal_rows_is_one_and_noise_lowers_it(self, rng):
        real = load_digits().data[:20]
        noise = rng.normal(size=real.shape)
        found = [structural_similarity(real, real + s * noise, (8, 8)) for s in (0, 1, 4, 16)]
        assert found[0] == 1
        assert np.all(np.diff(found) < 0)

    def test_whole_numbers_are_not_rounded(self, rng):
        real, fake = rng.integers(0, 256, size=(2, 3, 64), dtype=np.uint8)
        expected = structural_similarity(real / 255, fake / 255, (8, 8))
        assert structural_similarity(real, fake, (8, 8)) == pytest.approx(expected)

    def test_range_is_that_of_the_real_rows(self, rng):
        real, fake = rng.random((2, 4, 64))
        expected = structural_similarity(real, 9 * fake, (8, 8), data_range=np.ptp(real))
        assert structural_similarity(real, 9 * fake, (8, 8)) == expected

    def test_frames_are_read_by_name(self, rng):
        pd = pytest.importorskip("pandas")
        real, fake = rng.random((2, 4, 9))
        frames = [pd.DataFrame(X, columns=[*"abcdefghi"]) for X in (real, fake)]
        frames[1] = frames[1][frames[1].columns[::-1]]
        found = structural_similarity(*frames, (3, 3))
        assert found == structural_similarity(real, fake, (3, 3))

    @pytest.mark.parametrize("shape", [(8, 9), (64,), (4, 4, 2, 2), (8, 8, 3)])
    def test_rejects_another_shape(self, rng, shape):
        with pytest.raises(ValueError, match="64 columns are no images of image_shape"):
            structural_similarity(*rng.random((2, 5, 64)), shape)

    @pytest.mark.parametrize("shape", [(2, 32), (32, 2), (32, 1, 2), (-8, -8)])
    def test_rejects_small_images(self, rng, shape):
        with pytest.raises(ValueError, match="Images need 3 pixels a side at least"):
            structural_similarity(*rng.random((2, 5, 64)), shape)

    def test_rejects_rows_that_are_no_pairs_of_images(self, rng):
        real = rng.random((5, 9))
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            structural_similarity(real, real[:4], (3, 3))
        with pytest.raises(ValueError, match="NaN"):
            structural_similarity(real, np.where(real > 0.9, np.nan, real), (3, 3))
        with pytest.raises(ValueError, match="Pixels must be numbers"):
            structural_similarity(real > 0.5, real > 0.5, (3, 3))
        with pytest.raises(ValueError, match="data_range must be positive"):
            structural_similarity(np.ones((5, 9)), real, (3, 3))

    def test_without_scikit_image_the_error_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "skimage.metrics", None)
        with pytest.raises(ImportError, match=r"skdiffusion\[images\]"):
            structural_similarity(np.eye(9), np.eye(9), (3, 3))
