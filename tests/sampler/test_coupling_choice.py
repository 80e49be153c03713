"""Which coupling there is: none where there is nothing to find, and what was asked for."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.manifold import Isomap

from benchmarks.known_manifolds import Embedded, SwissRoll
from skdiffusion import DiffusionManifoldSampler, TableEncoder
from skdiffusion.closed_forms import gap_filling

ROLL = Embedded(SwissRoll(), 6)
X = ROLL.sample(200, noise=0.05, random_state=0)


def without_manifold():
    """Tables without a geometry that could be seen."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(120, 3))
    gaps = numbers.copy()
    gaps[::6, 1] = np.nan
    return {
        "categories": pd.DataFrame({"a": numbers[:, 0], "b": rng.choice(list("xyz"), 120)}),
        "ties": numbers.round(),
        "one tied": np.column_stack([numbers, rng.integers(0, 9, 120) / 7]),
        "missing": gaps,
        "tiny": X[:90],
        "one column": numbers[:, :1],
        "whole": rng.poisson(9, size=(120, 3)),
    }


@pytest.fixture(scope="module", autouse=True)
def few_rounds():
    """Fill gaps before training in fewer rounds, which take most of the time of a small fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gap_filling, "N_MIXTURE_ROUNDS", 1)
        yield


class TestNothingToFind:
    @pytest.mark.parametrize("kind", without_manifold())
    def test_as_without(self, quick, kind):
        """Bit by bit the model that knows nothing of manifolds."""
        table = without_manifold()[kind]
        found, plain = (quick(manifold=m).fit(table) for m in ("auto", None))
        assert found.coupling_ == plain.coupling_ == "none"
        draws = [np.asarray(s.sample(8, random_state=0), dtype=object) for s in (found, plain)]
        np.testing.assert_array_equal(*draws)
        np.testing.assert_array_equal(*(s.model_.rows for s in (found, plain)))

    def test_rows_that_fill_space(self, quick):
        rows = np.random.default_rng(0).normal(size=(400, 3))
        assert quick(manifold="auto").fit(rows).coupling_ == "none"

    def test_wide_tables(self, quick):
        """More columns than rows to learn a mixture from."""
        rows = np.random.default_rng(0).exponential(size=(100, 90))
        sampler = quick(manifold="auto").fit(rows)
        assert np.isfinite(sampler.sample(2, random_state=0)).all()

    @pytest.mark.parametrize("factor", [1e-100, 1e-6, 1e6])
    def test_units_do_not_matter(self, quick, factor):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            plain, other = (quick(manifold="auto").fit(f * X) for f in (1, factor))
        assert plain.coupling_ == other.coupling_
        drawn = other.sample(20, random_state=0) / factor
        np.testing.assert_allclose(drawn, plain.sample(20, random_state=0), atol=1e-4)

    def test_deformed_columns_do_not_hide_it(self, quick):
        """Columns of very different size still lie on the roll."""
        scales = np.geomspace(1e-4, 1e4, 6)
        assert quick(manifold="auto", coupling="project").fit(X * scales).coupling_ == "project"


class TestParameters:
    @pytest.mark.parametrize("manifold", ["isomap", 3, True, object()])
    def test_bad_manifold(self, quick, manifold):
        with pytest.raises(ValueError, match="manifold must be"):
            quick(manifold=manifold).fit(X[:100])

    def test_a_class_is_no_estimator(self, quick):
        with pytest.raises(TypeError, match="instance"):
            quick(manifold=Isomap).fit(X[:100])

    def test_an_estimator_that_embeds_nothing(self, quick):
        with pytest.raises(TypeError, match="fit_transform"):
            quick(manifold=LinearRegression()).fit(X[:100])

    @pytest.mark.parametrize("coupling", ["planes", None, 3])
    def test_bad_coupling(self, quick, coupling):
        with pytest.raises(ValueError, match="coupling must be"):
            quick(manifold="auto", coupling=coupling).fit(X[:100])

    def test_one_column_has_no_manifold(self, quick):
        """What is asked for in vain is said."""
        for options in ({"manifold": "auto", "coupling": "project"}, {"manifold": Isomap()}):
            with pytest.raises(ValueError, match="two columns"):
                quick(**options).fit(X[:, :1])

    def test_all_or_nothing(self, quick):
        sampler = quick(manifold=Isomap(n_neighbors=1000), coupling="latent")
        with pytest.raises(ValueError, match="n_neighbors"):
            sampler.fit(X[:100])
        assert set(vars(sampler)) == set(sampler.get_params(deep=False))

    def test_clone_and_set_params(self):
        sampler = DiffusionManifoldSampler(manifold=Isomap(), coupling="project", data_noise=[0.1])
        other = clone(sampler).set_params(manifold__n_components=3)
        assert other.manifold.n_components == 3
        assert sampler.manifold.n_components == 2
        assert (other.coupling, other.data_noise) == ("project", [0.1])

    def test_numeric_transform_is_respected(self, quick):
        encoder = TableEncoder(numeric_transform="quantile")
        sampler = quick(manifold="auto", coupling="project", encoder=encoder).fit(X)
        assert set(sampler.model_.encoder.transforms_) == {"quantile"}

    @pytest.mark.parametrize("coupling", ["project", "latent"])
    @pytest.mark.filterwarnings("ignore:There are no planes")
    @pytest.mark.parametrize("n", [2, 4, 8, 12])
    def test_few_rows(self, quick, coupling, n):
        """They have a manifold or none, or what they lack is said."""
        try:
            sampler = quick(coupling=coupling, manifold="auto").fit(X[:n])
        except ValueError as error:
            assert "at least 5" in str(error)
            assert n < 5
        else:
            assert np.isfinite(sampler.sample(3, random_state=0)).all()
