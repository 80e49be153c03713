"""Noise and outliers in training rows: taken off, and left out."""

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone

from benchmarks.known_manifolds import Embedded, SwissRoll
from skdiffusion import DenoiserNet, DiffusionManifoldSampler, TableEncoder
from skdiffusion.tables.frames import read_table

NOISE = 0.1
ROLL = Embedded(SwissRoll(), 8)
X = ROLL.sample(400, noise=NOISE, random_state=0)
FRESH = ROLL.sample(200, noise=NOISE, random_state=1)
FAR = ROLL.distance(FRESH).mean()


@pytest.fixture(scope="module")
def noisy():
    """Samplers of noisy rows that know of their noise, and one that does not."""
    net = DenoiserNet(max_epochs=3, module__width=32, module__depth=2)
    samplers = {
        noise: DiffusionManifoldSampler(
            denoiser=net, baseline="gaussian", data_noise=noise, random_state=0
        ).fit(X)
        for noise in (NOISE, "auto")
    }
    plain = samplers[0.0] = copy.copy(samplers[NOISE])
    # a fit without noise differs by nothing else: see the test of scores
    plain._model = replace(plain._model, noise=None)
    return samplers


class TestDataNoise:
    @pytest.mark.parametrize("noise", [NOISE, "auto"])
    def test_draws_are_nearer_than_rows(self, noisy, noise):
        drawn = ROLL.distance(noisy[noise].sample(300, random_state=0)).mean()
        assert drawn < 0.8 * FAR
        assert drawn < 0.8 * ROLL.distance(noisy[0.0].sample(300, random_state=0)).mean()

    @pytest.mark.parametrize("noise", [NOISE, "auto"])
    def test_denoise(self, noisy, noise):
        clean = noisy[noise].denoise(FRESH)
        assert ROLL.distance(clean).mean() < 0.6 * FAR
        # nearer to where they come from, too
        error = np.linalg.norm(clean - ROLL.project(FRESH), axis=1).mean()
        assert error < 0.8 * FAR

    def test_auto_finds_the_noise(self, noisy):
        unit = [codec.scale for codec in noisy["auto"].model_.encoder.codecs_]
        np.testing.assert_allclose(noisy["auto"].model_.noise * unit, NOISE, rtol=0.2)

    def test_known_noise_is_in_units_of_encoded_rows(self, noisy):
        unit = [codec.scale for codec in noisy[NOISE].model_.encoder.codecs_]
        np.testing.assert_allclose(noisy[NOISE].model_.noise * unit, NOISE)

    def test_none_is_taken_off_without(self, noisy):
        with pytest.raises(ValueError, match="how much noise"):
            noisy[0.0].denoise(FRESH)

    @pytest.mark.parametrize("noise", ["guess", -1.0, np.nan, [0.1, 0.1]])
    def test_refused_before_training(self, noise):
        class Untrained(DenoiserNet):
            def fit(self, *args, **kwargs):
                raise AssertionError

        with pytest.raises(ValueError, match=r"[Nn]oise"):
            DiffusionManifoldSampler(denoiser=Untrained(), data_noise=noise).fit(X)

    def test_noise_of_whole_numbers_and_beside_constants(self, quick):
        """Cells are moved by less than one, and texts not at all."""
        numbers = np.round(20 * X[:, :2]).astype(int)
        table = pd.DataFrame(numbers, columns=["a", "b"]).assign(c="text")
        encoder = quick().fit(table).model_.encoder
        columns = read_table(table[:5])
        one, small = (encoder.encoded_noise(columns, np.array(noise)) for noise in (1.0, 0.25))
        assert (one > 0).all()
        np.testing.assert_allclose(4 * small, one, rtol=0.2)
        np.testing.assert_array_equal(encoder.encoded_noise(columns, np.array([0.0, 0.0, 1.0])), 0)

    def test_no_noise_is_none_in_any_form(self, quick):
        table = pd.DataFrame({"a": X[:, 0], "b": np.repeat(["u", "v"], 200)})
        for noise in (0, [0.0, 0.0]):
            assert quick(data_noise=noise).fit(table).model_.noise is None

    def test_a_constant_column_has_none(self, quick):
        rows = np.c_[X, np.ones(400)]
        noise = np.r_[np.full(8, NOISE), 0.0]
        assert (quick(data_noise=noise).fit(rows).model_.noise > 0).all()

    def test_scores_are_those_of_noisy_rows(self, quick):
        samplers = [quick(data_noise=noise).fit(X[:150]) for noise in (0.0, NOISE)]
        scores = [sampler.score_samples(FRESH[:3]) for sampler in samplers]
        np.testing.assert_array_equal(*scores)

    def test_known_cells_stay_as_they_are(self, noisy):
        drawn = noisy[NOISE].sample(5, conditions={0: FRESH[0, 0]}, random_state=0)
        np.testing.assert_allclose(drawn[:, 0], FRESH[0, 0])

    def test_by_column(self, quick):
        noise = np.linspace(0, 0.2, 8)
        sampler = quick(data_noise=noise).fit(X[:150])
        unit = [codec.scale for codec in sampler.model_.encoder.codecs_]
        np.testing.assert_allclose(sampler.model_.noise * unit, noise, atol=1e-9)
        assert np.isfinite(sampler.sample(3, random_state=0)).all()

    @pytest.mark.parametrize("noise", [0.3])
    def test_noise_of_a_gaussian(self, noise):
        """Draws have less variance than noisy rows: that of what is expected of clean ones.

        The last step expects a clean row of one that has 1.12 times the noise left.
        """
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(2000, 2)) + noise * rng.normal(size=(2000, 2))
        net = DenoiserNet(max_epochs=2, module__width=16, module__depth=1)
        sampler = DiffusionManifoldSampler(
            denoiser=net, manifold=None, baseline="gaussian", data_noise=noise, random_state=0
        ).fit(rows)
        drawn = sampler.sample(3000, random_state=0).std(0)
        assert drawn == pytest.approx(np.full(2, (1 + 1.25 * noise**2) ** -0.5), rel=0.04)

    def test_missing_cells_do_not_count(self, quick):
        gaps = X[:100].copy()
        gaps[::5, 2] = np.nan
        sampler = quick(data_noise=NOISE, manifold=None).fit(gaps)
        assert np.isfinite(sampler.model_.noise).all()
        assert np.isfinite(sampler.sample(3, random_state=0)).all()


class TestDenoise:
    def test_given_noise(self, noisy):
        """More noise than that of `fit` is said, and taken off."""
        rows = ROLL.sample(200, noise=0.25, random_state=2)
        clean = noisy[NOISE].denoise(rows, noise=0.25)
        assert ROLL.distance(clean).mean() < 0.5 * ROLL.distance(rows).mean()
        without = noisy[0.0].denoise(rows, noise=0.25)
        assert ROLL.distance(without).mean() < 0.7 * ROLL.distance(rows).mean()

    def test_each_row_by_itself(self, noisy):
        together = noisy[NOISE].denoise(FRESH[:3])
        alone = np.concatenate([noisy[NOISE].denoise(row[None]) for row in FRESH[:3]])
        np.testing.assert_allclose(together, alone, atol=1e-9)

    @pytest.mark.parametrize("library", [pd, pl])
    def test_frames(self, quick, library):
        frame = library.DataFrame({f"x{j}": column for j, column in enumerate(X[:150].T)})
        clean = quick(data_noise=NOISE).fit(frame).denoise(frame[:4])
        assert isinstance(clean, library.DataFrame)
        assert list(clean.columns) == list(frame.columns)

    @pytest.mark.parametrize("noise", [-1.0, np.nan, [0.1, 0.2]])
    def test_bad_noise(self, noisy, noise):
        with pytest.raises(ValueError, match="Noise"):
            noisy[NOISE].denoise(FRESH, noise=noise)

    def test_rows_without_place(self, noisy, quick):
        gap = FRESH[:1].copy()
        gap[0, 0] = np.nan
        with pytest.raises(ValueError, match="complete rows"):
            noisy[NOISE].denoise(gap)
        frame = pd.DataFrame(X[:150, :2], columns=["a", "b"]).assign(c=list("xyz") * 50)
        with pytest.raises(ValueError, match="complete rows"):
            quick().fit(frame).denoise(frame, noise=0.1)

    @pytest.mark.parametrize("noise", [0.1, None])
    @pytest.mark.parametrize("kind", ["datetime", "duration", "ordinal"])
    def test_columns_without_noise(self, quick, kind, noise):
        days = pd.to_datetime("2024-01-01") + pd.to_timedelta(np.arange(150) % 11, unit="D")
        sizes = pd.Categorical(["s", "m", "l"] * 50, categories=["s", "m", "l"], ordered=True)
        column = {"datetime": days, "duration": days - days[0], "ordinal": sizes}[kind]
        frame = pd.DataFrame({"a": X[:150, 0], "b": column})
        with pytest.raises(ValueError, match=f"complete rows of numbers.*{kind}"):
            quick().fit(frame).denoise(frame[:2], noise=noise)

    def test_whole_numbers_have_noise(self, quick):
        counts = np.random.default_rng(0).poisson(90, size=(150, 2))
        clean = quick(manifold=None).fit(counts).denoise(counts[:3], noise=20.0)
        assert clean.shape == (3, 2)
        assert clean.dtype == counts.dtype

    @pytest.mark.parametrize("coupling", ["latent"])
    def test_couplings_that_know_no_noise(self, quick, coupling):
        from sklearn.decomposition import PCA

        sampler = quick(coupling=coupling, manifold=PCA(2)).fit(X[:150])
        with pytest.raises(ValueError, match="coordinates"):
            sampler.denoise(FRESH, noise=0.1)
        with pytest.raises(ValueError, match="data_noise needs"):
            clone(sampler).set_params(data_noise=0.1).fit(X[:150])


class TestBadNoise:
    @pytest.mark.parametrize("noise", [-0.1, np.nan, np.inf, [0.1, 0.2], "some", None])
    def test_value(self, quick, noise):
        sampler = quick(data_noise=noise)
        with pytest.raises(ValueError, match=r"[Nn]oise"):
            sampler.fit(X[:150])
        assert not [name for name in vars(sampler) if name.endswith("_")]

    @pytest.mark.parametrize("noise", [0.1, "auto"])
    def test_categories(self, quick, noise):
        frame = pd.DataFrame({"a": X[:150, 0], "b": list("xyz") * 50})
        with pytest.raises(ValueError, match="categories"):
            quick(data_noise=noise).fit(frame)

    def test_whole_numbers(self, quick):
        counts = np.random.default_rng(0).poisson(9, size=(150, 2))
        with pytest.raises(ValueError, match="continuous"):
            quick(data_noise=0.5).fit(counts)


def rows_of(n):
    return np.random.default_rng(0).normal(size=n)


class TestContamination:
    def planted(self):
        rng = np.random.default_rng(0)
        out = rng.normal(size=(15, 8)) * 5
        return np.concatenate([X[:285], out])

    def test_outliers_are_left_out(self, quick):
        rows = self.planted()
        sampler = quick(contamination=0.05).fit(rows)
        kept = sampler.model_.encoder.inverse_transform(sampler.model_.rows)
        assert len(kept) == 285
        assert (np.linalg.norm(kept[:, None] - rows[285:], axis=2).min(0) > 1e-3).all()
        plain = quick().fit(rows)
        assert len(plain.model_.rows) == 300
        far = [np.abs(s.sample(200, random_state=0)).max() for s in (sampler, plain)]
        assert far[0] < far[1]

    def test_zero_changes_nothing(self, quick):
        draws = [quick(contamination=c).fit(X[:150]).sample(3, random_state=0) for c in (0.0, 1e-9)]
        np.testing.assert_array_equal(*draws)

    @pytest.mark.parametrize("library", [pd, pl])
    def test_frames_and_targets(self, quick, library):
        rows = self.planted()
        frame = library.DataFrame({f"x{j}": column for j, column in enumerate(rows.T)})
        y = library.Series(["a", "b", "c"] * 100)
        drawn = []
        for share in (0.0, 0.05):
            sampler = quick(contamination=share).fit(frame, y)
            drawn.append(sampler.sample(4, return_y=True, random_state=0))
        assert isinstance(drawn[1][0], library.DataFrame)
        # the target is of the same kind with and without
        assert type(drawn[0][1]) is type(drawn[1][1])

    def test_targets_stay_with_their_rows(self, quick):
        rows = self.planted()
        sampler = quick(contamination=0.05).fit(rows[::-1], rows[::-1, 0])
        drawn, y = sampler.sample(100, return_y=True, random_state=0)
        assert np.corrcoef(drawn[:, 0], y)[0, 1] > 0.7

    def test_mixed_tables(self, quick):
        frame = pd.DataFrame({"a": [*X[:149, 0], 1e3], "b": list("xyz") * 50})
        frame.loc[3, "a"] = np.nan
        sampler = quick(contamination=0.01).fit(frame)
        assert sampler.sample(200, random_state=0)["a"].abs().max() < 100

    @pytest.mark.parametrize(
        "options",
        [
            {"ordinal_features": {"b": ["x", "y", "z"]}, "categorical_features": ["c"]},
            {"min_frequency": 5},
            {"min_frequency": 5, "handle_unknown": "rare"},
        ],
    )
    def test_columns_are_read_as_without(self, quick, options):
        many = [f"level {i}" for i in range(1200)]
        frame = pd.DataFrame({"a": rows_of(1200), "b": list("xyz") * 400, "c": many})
        if "min_frequency" not in options:
            frame["c"] = list("uv") * 600
        frame.loc[7, "a"] = 1e3
        sampler = quick(contamination=0.001, encoder=TableEncoder(**options)).fit(frame)
        assert len(sampler.model_.rows) == 1199
        assert sampler.sample(100, random_state=0)["a"].abs().max() < 100

    @pytest.mark.parametrize("constant", [np.ones((20, 2)), pd.DataFrame({"a": ["x"] * 20})])
    def test_constant_tables_are_refused_as_without(self, quick, constant):
        for share in (0.0, 0.1):
            with pytest.raises(ValueError, match="Every column of X is constant"):
                quick(contamination=share).fit(constant)

    @pytest.mark.parametrize("share", [-0.1, 1.0, 2, np.nan])
    def test_bad_share(self, quick, share):
        with pytest.raises(ValueError, match="'contamination' parameter"):
            quick(contamination=share).fit(X[:150])
