"""The geometry of a fitted sampler's manifold, on a roll and a sphere that are known."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from benchmarks.known_manifolds import Embedded, RareModes, Sphere, SwissRoll
from skdiffusion import DenoiserNet, DiffusionManifoldSampler
from skdiffusion.diffusion import N_STEPS
from skdiffusion.manifold import (
    distance_to_manifold,
    explore,
    interpolate,
    intrinsic_dimension,
    local_metric,
    tangent_space,
    trajectory,
    traverse,
)

NOISE = 0.03
ROLL = Embedded(SwissRoll(), 6)
SPHERE = Sphere(2)
SETS = {"roll": ROLL, "sphere": SPHERE}
ROWS = {k: s.sample(500, noise=NOISE, random_state=0) for k, s in SETS.items()}
FRESH = {k: s.sample(200, noise=NOISE, random_state=1) for k, s in SETS.items()}


def path_length(path):
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def quick(**options):
    """Make a sampler that fits within a tenth of a second, where quality is no subject."""
    net = DenoiserNet(max_epochs=1, steps_per_epoch=5, module__width=16, module__depth=1)
    return DiffusionManifoldSampler(
        **{"denoiser": net, "baseline": "gaussian", "random_state": 0} | options
    )


@pytest.fixture(scope="module")
def fitted():
    net = DenoiserNet(max_epochs=8, module__width=64, module__depth=2)
    options = {"denoiser": net, "baseline": "mixture", "coupling": "project"}
    return {k: quick(**options).fit(X) for k, X in ROWS.items()}


@pytest.fixture(scope="module", params=["project", "latent"])
def coupled(request):
    """A sampler of the roll for each coupling, of little training."""
    manifold = PCA(3) if request.param == "latent" else "auto"
    return quick(coupling=request.param, manifold=manifold).fit(ROWS["roll"][:200])


@pytest.fixture(scope="module")
def spread():
    """Gaussian rows in 20 columns, which fill them."""
    return quick(manifold=None).fit(np.random.default_rng(0).normal(size=(300, 20)))


def noise_of(name):
    return SETS[name].distance(FRESH[name]).mean()


@pytest.mark.parametrize("name", SETS)
class TestDimension:
    def test_two(self, fitted, name):
        found = intrinsic_dimension(fitted[name])
        assert isinstance(found, float)
        assert found == 2

    def test_a_row_does_not_depend_on_those_beside_it(self, fitted, name):
        rows = np.random.default_rng(0).normal(size=(40, SETS[name].n_features))
        found = intrinsic_dimension(fitted[name], rows)
        alone = [intrinsic_dimension(fitted[name], rows[i : i + 1]) for i in (3, 25)]
        np.testing.assert_allclose(np.concatenate(alone), found[[3, 25]], rtol=1e-6)

    def test_at_rows(self, fitted, name):
        found = intrinsic_dimension(fitted[name], FRESH[name][:30])
        assert found.shape == (30,)
        assert np.median(found) == pytest.approx(2, abs=0.8)


class TestTangents:
    def test_angle_to_the_true_planes(self, fitted):
        rows = ROLL.project(FRESH["roll"][:60])
        found = tangent_space(fitted["roll"], rows)
        truth = ROLL.tangent_basis(rows)
        cosines = np.linalg.svd(np.swapaxes(found, 1, 2) @ truth, compute_uv=False)
        assert np.degrees(np.arccos(np.median(cosines[:, -1]).clip(0, 1))) < 20

    def test_orthonormal(self, fitted):
        basis = tangent_space(fitted["sphere"], FRESH["sphere"][:5])
        np.testing.assert_allclose(
            np.swapaxes(basis, 1, 2) @ basis, np.tile(np.eye(2), (5, 1, 1)), atol=1e-9
        )

    def test_metric(self, fitted):
        """A step off the sphere is long, one along it is not."""
        rows = SPHERE.project(FRESH["sphere"][:40])
        metric = local_metric(fitted["sphere"], rows)
        np.testing.assert_allclose(metric, np.swapaxes(metric, 1, 2), atol=1e-9)
        assert (np.linalg.eigvalsh(metric) > 0).all()
        basis = SPHERE.tangent_basis(rows)
        across = np.einsum("ni,nij,nj->n", rows, metric, rows)
        along = np.einsum("nik,nij,njk->nk", basis, metric, basis)
        assert np.median(across) > 2 * np.median(along)


class TestDistance:
    @pytest.mark.parametrize("name", SETS)
    def test_grows_off_the_manifold(self, fitted, name):
        on, off = SETS[name].project(FRESH[name]), FRESH[name] + 0.3
        distances = [distance_to_manifold(fitted[name], rows).mean() for rows in (on, off)]
        assert distances[1] > 3 * distances[0]

    def test_as_far_as_the_truth(self, fitted):
        rows = SPHERE.project(FRESH["sphere"][:60]) * np.linspace(1.1, 1.4, 60)[:, None]
        sampler = fitted["sphere"]
        unit = sampler.model_.encoder.codecs_[0].scale
        found = unit * distance_to_manifold(sampler, rows)
        np.testing.assert_allclose(found, SPHERE.distance(rows), rtol=0.35, atol=0.05)

    def test_rows_that_fill_many_columns(self, spread):
        """Planes of as many dimensions take more neighbours."""
        rows = np.random.default_rng(1).normal(size=(5, 20))
        found = distance_to_manifold(spread, rows)
        assert np.isfinite(found).all()
        assert explore(spread, 3, random_state=0).shape == (3, 20)


@pytest.mark.parametrize("name", SETS)
class TestInterpolate:
    def test_along_the_manifold(self, fitted, name):
        manifold = SETS[name]
        distances, ratios = [], []
        for i in range(2):
            a, b = manifold.project(FRESH[name][[i]]), manifold.project(FRESH[name][[i + 50]])
            path = interpolate(fitted[name], a, b, 30)
            distances.append(manifold.distance(path).mean())
            ratios.append(path_length(path) / manifold.geodesic_distance(a, b)[0])
        assert np.mean(distances) < 1.2 * noise_of(name)
        assert np.median(ratios) == pytest.approx(1, abs=0.15)

    def test_equal_steps(self, fitted, name):
        path = interpolate(fitted[name], FRESH[name][:1], FRESH[name][1:2], 12)
        steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
        assert steps.max() < 1.5 * steps.min()

    def test_ends_on_the_manifold(self, fitted, name):
        ends = [SETS[name].project(FRESH[name][[i]]) for i in (0, 1)]
        off = [end + 0.1 * np.sign(end) for end in ends]
        path = interpolate(fitted[name], *off, 10)
        assert (
            SETS[name].distance(path[[0, -1]]).mean()
            < SETS[name].distance(np.concatenate(off)).mean()
        )


class TestTraverse:
    @pytest.mark.parametrize("component", [0, 1])
    def test_stays_on_the_sphere(self, fitted, component):
        row = SPHERE.project(FRESH["sphere"][:1])
        rows = traverse(fitted["sphere"], row, component, 9)
        np.testing.assert_allclose(rows[4], row[0], atol=1e-6)
        assert SPHERE.distance(rows).mean() < 3 * NOISE
        # it goes from one side to the other
        assert np.linalg.norm(rows[0] - rows[-1]) > np.linalg.norm(rows[0] - row[0])

    def test_comes_back_to_the_sphere(self, fitted):
        """From a row off it, both sides lead onto it."""
        row = 1.2 * SPHERE.project(FRESH["sphere"][:1])
        rows = traverse(fitted["sphere"], row, 0, 5)
        assert SPHERE.distance(rows[[0, -1]]).max() < 0.5 * SPHERE.distance(row)[0]

    @pytest.mark.parametrize("n", [1, 2, 5])
    def test_number_of_rows(self, fitted, n):
        assert traverse(fitted["sphere"], FRESH["sphere"][:1], n_points=n).shape == (n, 3)

    @pytest.mark.parametrize("component", [-1, 2, 0.5])
    def test_bad_component(self, fitted, component):
        with pytest.raises(ValueError, match="component must be"):
            traverse(fitted["sphere"], FRESH["sphere"][:1], component)


class TestExplore:
    def test_covers_better_than_chance(self, fitted):
        """The largest gap to the nearest row is filled sooner than by random draws."""
        sampler, probe = fitted["roll"], ROLL.sample(500, random_state=5)

        def largest_gap(rows):
            seen = np.concatenate([ROWS["roll"], rows])
            return np.sqrt(((probe[:, None] - seen) ** 2).sum(2)).min(1)

        before = np.sort(largest_gap(np.zeros((0, 6))))[-10:].mean()
        explored = np.sort(largest_gap(explore(sampler, 40, random_state=0)))[-10:].mean()
        drawn = np.sort(largest_gap(sampler.sample(40, random_state=0)))[-10:].mean()
        assert explored < before
        assert explored < drawn

    def test_far_from_the_rows(self, fitted):
        """New rows are where there were few."""
        sampler = fitted["sphere"]
        gaps = [
            np.linalg.norm(rows[:, None] - ROWS["sphere"], axis=2).min(1).mean()
            for rows in (explore(sampler, 20, random_state=0), sampler.sample(20, random_state=0))
        ]
        assert gaps[0] > 1.5 * gaps[1]
        assert SPHERE.distance(explore(sampler, 20, random_state=0)).mean() < 0.3

    def test_a_rare_mode_is_found(self):
        """A mode of so few rows that planes are laid through those of other modes too."""
        modes = RareModes(random_state=7)
        X = modes.sample(1000, noise=0.03, random_state=0)
        assert 0 < np.sum(modes.mode(X, noise=0.03) == 9) < 15
        landmarks = explore(quick().fit(X), 40, avoid_seen=False, random_state=0)
        assert set(modes.mode(landmarks, noise=0.03)) >= set(range(10))

    def test_rows_that_are_the_same(self):
        """Neighbours at no distance, as tables of categories have them."""
        rng = np.random.default_rng(0)
        table = pd.DataFrame({"a": rng.choice(list("xyz"), 200), "b": rng.choice(list("uv"), 200)})
        assert len(explore(quick().fit(table), 3, random_state=0)) == 3

    def test_the_same_for_the_same_seed(self, fitted):
        first, second, other = (explore(fitted["sphere"], 4, random_state=s) for s in (0, 0, 1))
        np.testing.assert_array_equal(first, second)
        assert not np.array_equal(first, other)

    def test_mixed_columns(self):
        """Categories have features, and cells that are drawn missing have none."""
        rng = np.random.default_rng(0)
        frame = pd.DataFrame({"a": rng.normal(size=200), "b": rng.choice(list("xyz"), 200)})
        drawn = explore(quick().fit(frame), 3, random_state=0)
        assert list(drawn.columns) == ["a", "b"]


class TestTrajectory:
    def test_shapes(self, fitted):
        states, sigmas = trajectory(fitted["roll"], 50, random_state=0)
        assert states.shape == (N_STEPS["dpmpp_2m"] + 1, 50, 6)
        assert len(sigmas) == len(states)
        assert (np.diff(sigmas) < 0).all()
        assert sigmas[0] == pytest.approx(20)
        assert sigmas[-1] == 0

    def test_from_noise_to_rows(self, fitted):
        sampler = fitted["roll"]
        states, _ = trajectory(sampler, 200, random_state=0)
        assert states[0].std() == pytest.approx(20, rel=0.1)
        rows = sampler.model_.encoder.inverse_transform(states[-1])
        assert ROLL.distance(rows).mean() < 2 * noise_of("roll")

    def test_the_last_step_is_a_denoising(self, fitted):
        """From the smallest level to none: what is expected of the row before."""
        sampler = fitted["roll"]
        states, sigmas = trajectory(sampler, 20, random_state=0)
        with torch.no_grad():
            mean = sampler.model_.denoiser(
                torch.from_numpy(states[-2]), torch.tensor(sigmas[-2], dtype=torch.float64)
            ).mean
        # the second-order step leans on the one before, by no more than the level
        assert np.abs(mean.numpy() - states[-1]).max() < 2 * sigmas[-2]

    def test_with_data_noise_it_ends_as_clean_as_samples(self):
        sampler = quick(data_noise=0.1, coupling="project", dcr_ratio=None).fit(
            ROLL.sample(300, noise=0.1, random_state=0)
        )
        states, _ = trajectory(sampler, 600, random_state=0)
        ends = ROLL.distance(sampler.model_.encoder.inverse_transform(states[-1])).mean()
        drawn = ROLL.distance(sampler.sample(600, random_state=0)).mean()
        assert ends == pytest.approx(drawn, rel=0.15)


class TestEveryCoupling:
    def test_all_methods(self, coupled):
        """In each coupling directions are those of encoded rows, and rows come back as rows."""
        rows = FRESH["roll"][:3]
        n_encoded = coupled.model_.encoder.n_encoded_
        assert intrinsic_dimension(coupled, rows).shape == (3,)
        tangents = tangent_space(coupled, rows)
        assert tangents.shape[:2] == (3, n_encoded)
        # an embedding may have more coordinates than the manifold has dimensions
        assert 1 <= tangents.shape[2] <= coupled.dimension_
        assert local_metric(coupled, rows).shape == (3, n_encoded, n_encoded)
        assert (distance_to_manifold(coupled, rows) >= 0).all()
        assert interpolate(coupled, rows[:1], rows[1:2], 5).shape == (5, 6)
        assert traverse(coupled, rows[:1], n_points=3).shape == (3, 6)
        assert explore(coupled, 4, random_state=0).shape == (4, 6)
        assert trajectory(coupled, 4, random_state=0)[0].shape[1:] == (4, n_encoded)

    def test_with_a_target(self):
        sampler = quick(coupling="project").fit(ROWS["roll"][:200], np.repeat(["a", "b"], 100))
        rows = FRESH["roll"][:2]
        assert tangent_space(sampler, rows).shape == (2, 6, sampler.dimension_)
        assert interpolate(sampler, rows[:1], rows[1:], 4).shape == (4, 6)
        assert trajectory(sampler, 3, random_state=0)[0].shape[1:] == (3, 6)


class TestArguments:
    def test_unfitted(self):
        row = ROWS["roll"][:1]
        for call in (
            lambda s: intrinsic_dimension(s),
            lambda s: tangent_space(s, row),
            lambda s: distance_to_manifold(s, row),
            lambda s: interpolate(s, row, row),
            lambda s: traverse(s, row),
            lambda s: explore(s, 2),
            lambda s: trajectory(s, 2),
        ):
            with pytest.raises(NotFittedError):
                call(quick())

    def test_ends_are_single_rows(self, fitted):
        rows = FRESH["roll"]
        with pytest.raises(ValueError, match="a must be one row"):
            interpolate(fitted["roll"], rows[:2], rows[:1])
        with pytest.raises(ValueError, match="b must be one row"):
            interpolate(fitted["roll"], rows[:1], rows[:2])
        with pytest.raises(ValueError, match="x must be one row"):
            traverse(fitted["roll"], rows[:2])

    def test_too_few_points(self, fitted):
        with pytest.raises(ValueError, match="n_points"):
            interpolate(fitted["roll"], FRESH["roll"][:1], FRESH["roll"][1:2], 1)

    def test_few_rows(self):
        """Fewer than any dimension is estimated from."""
        few = ROWS["roll"][:4]
        sampler = quick().fit(few)
        for call in (
            lambda: explore(sampler, 2),
            lambda: distance_to_manifold(sampler, few),
            lambda: interpolate(sampler, few[:1], few[1:2], 3),
            lambda: traverse(sampler, few[:1], n_points=3),
        ):
            with pytest.raises(ValueError, match="at least 5 distinct rows"):
                call()

    def test_missing_cells(self, fitted):
        gap = FRESH["roll"][:1].copy()
        gap[0, 1] = np.nan
        with pytest.raises(ValueError, match="missing numbers"):
            distance_to_manifold(fitted["roll"], gap)

    @pytest.mark.parametrize("n", [0, -1])
    def test_number_of_explored_rows(self, fitted, n):
        with pytest.raises(ValueError, match="at least 1"):
            explore(fitted["roll"], n)
