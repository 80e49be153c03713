import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA, KernelPCA
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_selection import (
    SelectFromModel,
    SelectKBest,
    SelectPercentile,
    VarianceThreshold,
)
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.manifold import TSNE, Isomap, LocallyLinearEmbedding
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OrdinalEncoder,
    PowerTransformer,
    StandardScaler,
)

from skdiffusion import (
    DenoiserNet,
    DiffusionImputer,
    DiffusionManifoldSampler,
    RiemannianKernelSmoother,
    sample_from,
)
from skdiffusion.manifold import AutoencoderEmbedding, InvertibleEmbedding

X = load_iris().data


class ConditionalSampler(BaseEstimator):
    """A sampler with the signature of DiffusionManifoldSampler, that returns rows it saw."""

    def fit(self, X, y):
        self.X_, self.y_ = np.asarray(X), np.asarray(y)
        return self

    def sample(self, n_samples=1, *, y=None, return_y=False, random_state=None):
        kept = np.flatnonzero(np.isin(self.y_, self.y_ if y is None else y))
        rows = np.random.default_rng(random_state).choice(kept, n_samples)
        return (self.X_[rows], self.y_[rows]) if return_y else self.X_[rows]


def assert_among_rows(sample, rows):
    distance = np.abs(sample[:, None] - rows[None]).max(axis=-1).min(axis=1)
    assert_allclose(distance, 0, atol=1e-9)


class TestSpace:
    def test_rows_come_back_in_the_units_of_the_input(self):
        pipeline = make_pipeline(
            PowerTransformer(), StandardScaler(), PCA(whiten=True), ConditionalSampler()
        )
        pipeline.fit(X, load_iris().target)
        assert_among_rows(sample_from(pipeline, 40, random_state=0), X)

    def test_is_the_inverse_of_the_last_steps_own_sample(self):
        pipeline = make_pipeline(StandardScaler(), PCA(2), KernelDensity(bandwidth=0.1)).fit(X)
        embedded = pipeline[-1].sample(20, random_state=3)
        sample = sample_from(pipeline, 20, random_state=3)
        assert_allclose(sample, pipeline[:-1].inverse_transform(embedded))

    def test_moments_of_a_gaussian_survive_the_way_back(self, global_random_seed):
        rng = np.random.default_rng(global_random_seed)
        data = rng.normal([100.0, -5.0], [20.0, 0.1], size=(500, 2))
        mixture = GaussianMixture(random_state=global_random_seed)
        pipeline = make_pipeline(StandardScaler(), mixture).fit(data)
        sample = sample_from(pipeline, 20_000)
        standard_error = data.std(axis=0) / np.sqrt(len(sample))
        assert np.all(np.abs(sample.mean(axis=0) - data.mean(axis=0)) < 4 * standard_error)
        assert_allclose(sample.std(axis=0), data.std(axis=0), rtol=0.03)

    @pytest.mark.parametrize("skipped", ["passthrough", None])
    def test_skips_steps_that_do_nothing(self, skipped):
        steps = [("none", skipped), ("scale", StandardScaler()), ("kde", KernelDensity())]
        pipeline = Pipeline(steps).fit(X)
        without = Pipeline(steps[1:]).fit(X)
        assert_array_equal(
            sample_from(pipeline, 5, random_state=0), sample_from(without, 5, random_state=0)
        )

    def test_a_pipeline_may_end_in_a_pipeline(self):
        nested = make_pipeline(StandardScaler(), make_pipeline(PCA(3), KernelDensity())).fit(X)
        flat = make_pipeline(StandardScaler(), PCA(3), KernelDensity()).fit(X)
        assert_allclose(
            sample_from(nested, 5, random_state=0), sample_from(flat, 5, random_state=0)
        )

    def test_a_frame_stays_a_frame_where_the_transformers_keep_it(self):
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame(X, columns=list("abcd"))
        scale = FunctionTransformer(lambda rows: rows * 2, inverse_func=lambda rows: rows / 2)

        class FrameSampler(BaseEstimator):
            def fit(self, X, y=None):
                self.X_ = X
                return self

            def sample(self, n_samples=1):
                return self.X_.head(n_samples)

        sample = sample_from(make_pipeline(scale, FrameSampler()).fit(frame), 7)
        pd.testing.assert_frame_equal(sample, frame.head(7))


class TestSampler:
    def test_a_plain_sampler_is_sampled_as_it_is(self):
        kde = KernelDensity().fit(X)
        assert_array_equal(sample_from(kde, 4, random_state=0), kde.sample(4, random_state=0))

    def test_one_row_by_default(self):
        assert sample_from(KernelDensity().fit(X)).shape == (1, 4)

    def test_mixture_components_only_when_asked_for(self):
        pipeline = make_pipeline(StandardScaler(), GaussianMixture(2, random_state=0)).fit(X)
        assert sample_from(pipeline, 30).shape == (30, 4)
        rows, component = sample_from(pipeline, 30, return_y=True)
        assert rows.shape == (30, 4)
        assert_array_equal(np.unique(component), [0, 1])

    def test_condition_and_target_reach_the_sampler(self):
        target = load_iris().target
        pipeline = make_pipeline(StandardScaler(), ConditionalSampler()).fit(X, target)
        rows, y = sample_from(pipeline, 25, y=[2], return_y=True, random_state=0)
        assert_array_equal(y, np.full(25, 2))
        assert_among_rows(rows, X[target == 2])


def noisy_arc(n=300, noise=0.02, seed=0):
    """Half a circle of radius 100, in columns of other units."""
    rng = np.random.RandomState(seed)
    angle = rng.uniform(0, np.pi, n)
    arc = np.column_stack([np.cos(angle), np.sin(angle)]) + noise * rng.normal(size=(n, 2))
    return arc * [100.0, 1.0] + [0.0, 50.0]


def off_the_arc(rows):
    """Root mean square distance to the circle, in the units of its noise."""
    radius = np.linalg.norm((rows - [0.0, 50.0]) / [100.0, 1.0], axis=1)
    return np.sqrt(np.mean((radius - 1) ** 2)) / 0.02


LEARNERS = {
    "isomap": Isomap(n_neighbors=10, n_components=1),
    "lle": LocallyLinearEmbedding(n_neighbors=8, n_components=1, random_state=0),
    "kernel_pca": KernelPCA(2, kernel="rbf", gamma=0.05),
    "tsne": InvertibleEmbedding(TSNE(1, perplexity=20, max_iter=300), random_state=0),
    "autoencoder": InvertibleEmbedding(AutoencoderEmbedding(2, max_epochs=6), random_state=0),
}


class TestManifold:
    @pytest.mark.parametrize("name", LEARNERS)
    def test_learners_without_an_inverse_are_given_one(self, name):
        X = noisy_arc()
        kde = KernelDensity(bandwidth=0.02)
        pipeline = Pipeline([("scale", StandardScaler()), ("embed", LEARNERS[name]), ("kde", kde)])
        pipeline.fit(X)
        # the density in the units of the embedding
        pipeline[-1].set_params(bandwidth=0.02 * pipeline[:-1].transform(X).std())
        pipeline[-1].fit(pipeline[:-1].transform(X))
        sample = sample_from(pipeline, 1000, random_state=0)
        assert sample.shape == (1000, 2)
        assert_allclose(sample.mean(axis=0), X.mean(axis=0), atol=0.2 * X.std(axis=0).max())
        assert 0.8 < off_the_arc(sample) < 1.3

    def test_residuals_are_what_means_leave_out(self):
        pipeline = make_pipeline(StandardScaler(), LEARNERS["isomap"], KernelDensity(bandwidth=0.1))
        pipeline.fit(noisy_arc())
        noisy = sample_from(pipeline, 1000, random_state=0)
        mean = sample_from(pipeline, 1000, random_state=0, add_residuals=False)
        assert off_the_arc(mean) < 0.6 < 0.85 < off_the_arc(noisy)

    def test_random_state_seeds_every_step(self):
        pipeline = make_pipeline(StandardScaler(), LEARNERS["isomap"], KernelDensity())
        pipeline.fit(noisy_arc())
        first = sample_from(pipeline, 20, random_state=1)
        assert_array_equal(first, sample_from(pipeline, 20, random_state=1))
        assert np.all(first != sample_from(pipeline, 20, random_state=2))
        rng = np.random.RandomState(1)
        assert np.all(
            sample_from(pipeline, 5, random_state=rng) != sample_from(pipeline, 5, random_state=rng)
        )

    def test_a_pipeline_among_the_steps_is_inverted_step_by_step(self):
        steps = [StandardScaler(), LEARNERS["isomap"], KernelDensity()]
        flat = make_pipeline(*steps).fit(noisy_arc())
        nested = make_pipeline(make_pipeline(*steps[:2]), steps[2]).fit(noisy_arc())
        assert_array_equal(
            sample_from(flat, 9, random_state=0), sample_from(nested, 9, random_state=0)
        )

    def test_grid_search_over_the_embedding(self):
        embed = InvertibleEmbedding(Isomap(n_neighbors=10), random_state=0)
        pipeline = Pipeline(
            [("scale", StandardScaler()), ("embed", embed), ("sample", KernelDensity())]
        )
        grid = {"embed__estimator__n_components": [1, 2]}
        search = GridSearchCV(pipeline, grid, cv=2, error_score="raise")
        search.fit(noisy_arc(120))
        assert sample_from(search.best_estimator_, 4, random_state=0).shape == (4, 2)

    @pytest.mark.parametrize("embed", ["isomap", "umap"])
    def test_the_sampler_after_a_learner(self, embed):
        """Is scored, and comes back to the columns of the table."""
        if embed == "umap":
            umap = pytest.importorskip("umap")
            learner = umap.UMAP(n_neighbors=10, n_components=1, random_state=0)
        else:
            learner = LEARNERS[embed]
        net = DenoiserNet(max_epochs=2, steps_per_epoch=20, module__width=16, module__depth=1)
        sampler = DiffusionManifoldSampler(denoiser=net, random_state=0)
        pipeline = Pipeline([("scale", StandardScaler()), ("embed", learner), ("sample", sampler)])
        rows = noisy_arc(200)
        assert np.isfinite(pipeline.fit(rows).score(rows))
        drawn = sample_from(pipeline, 300, random_state=0)
        assert_allclose(drawn.mean(axis=0), rows.mean(axis=0), atol=0.2 * rows.std(axis=0).max())
        assert off_the_arc(drawn) < 5


def with_gaps(rows=X):
    rows = rows.copy()
    rows[::7, 1], rows[3::9, 2] = np.nan, np.nan
    return rows


class TestGapsAndSearches:
    @pytest.mark.parametrize(
        "imputer",
        [
            SimpleImputer(),
            SimpleImputer(add_indicator=True),
            SimpleImputer(strategy="constant", fill_value=5.0),
            KNNImputer(),
            KNNImputer(add_indicator=True),
            IterativeImputer(add_indicator=True, max_iter=2),
        ],
    )
    def test_imputers_are_the_identity(self, imputer):
        pipeline = make_pipeline(imputer, StandardScaler(), KernelDensity(bandwidth=1e-12))
        drawn = sample_from(pipeline.fit(with_gaps()), 50, random_state=0)
        filled = imputer.fit_transform(with_gaps())[:, :4]
        assert_among_rows(drawn, filled)

    def test_own_imputer(self):
        model = DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=1, steps_per_epoch=3))
        imputer = DiffusionImputer(sampler=model, n_models=1, n_draws=2, random_state=0)
        pipeline = make_pipeline(imputer, KernelDensity(bandwidth=1e-12)).fit(with_gaps())
        drawn = sample_from(pipeline, 20, random_state=0)
        assert_among_rows(drawn, pipeline[0].transform(with_gaps()))

    @pytest.mark.parametrize("imputer", [SimpleImputer(), KNNImputer(add_indicator=True)])
    def test_what_was_empty_comes_back_empty(self, imputer):
        rows = np.insert(with_gaps(), 1, np.nan, axis=1)
        pipeline = make_pipeline(imputer, KernelDensity(bandwidth=1e-12)).fit(rows)
        drawn = sample_from(pipeline, 20, random_state=0)
        assert drawn.shape == (20, 5)
        assert np.isnan(drawn[:, 1]).all()
        assert_among_rows(np.delete(drawn, 1, 1), imputer.fit_transform(rows)[:, :4])

    def test_nested_and_in_frames(self):
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame(with_gaps(), columns=list("abcd"))
        inner = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
        pipeline = make_pipeline(inner.set_output(transform="pandas"), ConditionalSampler())
        drawn = sample_from(pipeline.fit(frame, np.zeros(150)), 20, random_state=0)
        filled = frame.fillna(frame.mean()).to_numpy()
        assert_among_rows(np.asarray(drawn, dtype=float), filled)

    def test_a_frame_keeps_its_columns(self):
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame(with_gaps(), columns=list("abcd"))
        step = SimpleImputer(add_indicator=True).set_output(transform="pandas")
        model = RiemannianKernelSmoother(random_state=0, known_noise=0.0, bandwidth=(1.0, 0.1))
        drawn = sample_from(make_pipeline(step, model).fit(frame), 5, random_state=0)
        assert list(drawn.columns) == list("abcd")

    @pytest.mark.parametrize("search", [GridSearchCV, RandomizedSearchCV])
    def test_a_search_is_its_best_estimator(self, search):
        pipeline = make_pipeline(StandardScaler(), KernelDensity())
        found = search(pipeline, {"kerneldensity__bandwidth": [1e-12]}).set_params(cv=2)
        if search is RandomizedSearchCV:
            found.set_params(n_iter=1)
        with pytest.raises(NotFittedError):
            sample_from(found)
        assert_among_rows(sample_from(found.fit(X), 20, random_state=0), X)
        last = make_pipeline(StandardScaler(), search(KernelDensity(), {"bandwidth": [1e-12]}))
        if search is RandomizedSearchCV:
            last[-1].set_params(n_iter=1)
        assert_among_rows(sample_from(last.fit(X), 20, random_state=0), X)

    def test_a_search_without_refit_has_no_sample(self):
        search = GridSearchCV(KernelDensity(), {"bandwidth": [1.0]}, refit=False).fit(X)
        with pytest.raises(TypeError, match=r"no method 'sample'.*refit=True"):
            sample_from(search)

    def test_a_mixture_draws_with_its_own_seed(self):
        pipeline = make_pipeline(StandardScaler(), GaussianMixture(random_state=3)).fit(X)
        drawn = sample_from(pipeline, 5, random_state=0)
        assert_array_equal(drawn, sample_from(pipeline, 5))


class TestErrors:
    @pytest.mark.parametrize(
        "selector, lost",
        [
            (VarianceThreshold(), r"\(x4\)"),
            (SelectKBest(k=2), r"\(x0, x1, x4\)"),
            (SelectPercentile(percentile=40), r"\(x0, x1, x4\)"),
            (SelectFromModel(LogisticRegression(), max_features=1), r"\(x0, x1, "),
        ],
    )
    @pytest.mark.filterwarnings("ignore:Features", "ignore:invalid value", "ignore:lbfgs")
    @pytest.mark.parametrize("nested", [False, True])
    def test_dropped_columns_are_no_zeros(self, selector, lost, nested):
        rows = np.c_[X, np.full(150, 3.0)]
        first = make_pipeline(StandardScaler(), selector) if nested else selector
        pipeline = make_pipeline(first, KernelDensity()).fit(rows, load_iris().target)
        name = type(selector).__name__
        with pytest.raises(TypeError, match=f"Step '{name.lower()}'.*dropped columns {lost}"):
            sample_from(pipeline)

    def test_dropped_columns_by_name(self):
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame(np.c_[X[:, :1], np.ones(150)], columns=["size", "unit"])
        pipeline = make_pipeline(VarianceThreshold(), KernelDensity()).fit(frame)
        with pytest.raises(TypeError, match=r"\('unit'\)"):
            sample_from(pipeline)

    def test_a_selector_that_drops_nothing(self):
        pipeline = make_pipeline(VarianceThreshold(), KernelDensity(bandwidth=1e-12)).fit(X)
        assert_among_rows(sample_from(pipeline, 9, random_state=0), X)

    def test_columns_transformed_apart_are_refused(self):
        step = ColumnTransformer([("scale", StandardScaler(), [0])], remainder="passthrough")
        with pytest.raises(TypeError, match="'columntransformer' has no inverse_transform"):
            sample_from(make_pipeline(step, KernelDensity()).fit(X))

    def test_codes_that_a_transformer_does_not_have(self):
        X = np.array([["a"], ["b"], ["c"], ["c"]] * 9, dtype=object)
        pipeline = make_pipeline(OrdinalEncoder(), GaussianMixture(random_state=0)).fit(X)
        # the codes 0, 1, 2 are drawn as numbers on either side of them
        with pytest.raises(ValueError, match=r"'ordinalencoder' .* has no rows for samples"):
            sample_from(pipeline, 200)

    def test_names_the_step_without_inverse(self):
        class OneWay(BaseEstimator):
            def fit(self, X, y=None):
                return self

            def transform(self, X):
                return X

        pipeline = Pipeline([("one_way", OneWay()), ("kde", KernelDensity())]).fit(X)
        with pytest.raises(TypeError, match=r"'one_way'.*no inverse_transform"):
            sample_from(pipeline)

    def test_a_function_without_inverse_is_not_taken_for_the_identity(self):
        pipeline = make_pipeline(FunctionTransformer(np.log1p), KernelDensity()).fit(X)
        with pytest.raises(TypeError, match=r"'functiontransformer'.*no inverse_func"):
            sample_from(pipeline)

    @pytest.mark.parametrize("last", [LinearRegression(), "passthrough"])
    def test_names_the_last_step_without_sample(self, last):
        pipeline = Pipeline([("scale", StandardScaler()), ("last", last)]).fit(X, X[:, 0])
        with pytest.raises(TypeError, match=r"last step 'last'.*no method 'sample'"):
            sample_from(pipeline)

    def test_no_target_to_return(self):
        with pytest.raises(TypeError, match=r"KernelDensity\.sample returns rows alone"):
            sample_from(KernelDensity().fit(X), return_y=True)

    @pytest.mark.parametrize("step", [StandardScaler(), Isomap(), KernelPCA(), TSNE()])
    def test_not_fitted(self, step):
        with pytest.raises(NotFittedError):
            sample_from(make_pipeline(step, KernelDensity()))

    def test_unknown_parameter(self):
        with pytest.raises(TypeError, match="temperature"):
            sample_from(KernelDensity().fit(X), temperature=2)
