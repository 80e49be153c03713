"""The recipes of the guide on scale: the same rows and scores from one worker and from two."""

import os
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from skdiffusion import DiffusionAnomalyDetector, DrawnBatches, RiemannianKernelSmoother

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")

RECIPES = Path(__file__).parents[2] / "examples" / "scale"
N, BATCH = 50, 20

pytestmark = pytest.mark.skipif(not RECIPES.exists(), reason="runs without the source tree")


@pytest.fixture(scope="module")
def frame():
    """Numbers, gaps and categories."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(N, 2)).cumsum(1), columns=["a", "b"])
    frame.loc[::9, "b"] = np.nan
    return frame.assign(kind=rng.choice(["x", "y"], N))


@pytest.fixture(scope="module")
def batches(frame):
    model = RiemannianKernelSmoother(random_state=0).fit(frame[["a", "b"]].dropna())
    return DrawnBatches(model, N, batch_size=BATCH, random_state=0)


@pytest.fixture(scope="module")
def rows(batches):
    """What one process draws."""
    return pd.concat([*batches], ignore_index=True)


@pytest.fixture(scope="module")
def detector(frame):
    return DiffusionAnomalyDetector(random_state=0).fit(frame)


def recipe(name):
    """The functions of a recipe, which a cluster takes by value as it does those of a script."""
    return runpy.run_path(str(RECIPES / f"{name}.py"), run_name="__main__")


def assert_same(frame, expected):
    """Bit for bit, in this order."""
    pd.testing.assert_frame_equal(
        frame.reset_index(drop=True), expected, check_exact=True, check_dtype=False
    )


def in_order(frame):
    """Rows in the order of their values, which engines leave open."""
    return frame.sort_values([*frame.columns], ignore_index=True)


class TestJoblib:
    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_draw(self, batches, rows, n_jobs, tmp_path):
        recipe("joblib_parquet")["draw"](batches, tmp_path / "drawn.parquet", n_jobs=n_jobs)
        assert_same(pd.read_parquet(tmp_path / "drawn.parquet"), rows)

    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_score(self, detector, frame, n_jobs, tmp_path):
        source, target = tmp_path / "rows.parquet", tmp_path / "scores.parquet"
        frame.to_parquet(source)
        recipe("joblib_parquet")["score"](detector, source, target, n_jobs, batch_size=BATCH)
        expected = pd.DataFrame({"score": detector.score_samples(frame)})
        assert_same(pd.read_parquet(target), expected)


@pytest.fixture(scope="module")
def ray():
    """Ray on the loopback address, where this switch, read at import, keeps it."""
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 2**20,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield ray
    ray.shutdown()


class TestRay:
    @pytest.mark.parametrize("n_workers", [1, 2])
    def test_draw(self, ray, batches, rows, n_workers):
        drawn = recipe("ray_data")["draw"](batches, n_workers).to_pandas()
        assert_same(in_order(drawn), in_order(rows))

    @pytest.mark.parametrize("n_workers", [1, 2])
    def test_score(self, ray, detector, frame, n_workers):
        parts = ray.data.from_pandas([frame[:30], frame[30:]])
        scored = recipe("ray_data")["score"](detector, parts, n_workers, BATCH).to_pandas()
        assert_same(in_order(scored), in_order(frame.assign(score=detector.score_samples(frame))))


@pytest.fixture(params=["sync", "processes"])
def workers(request):
    """This process alone, and two others."""
    dask = pytest.importorskip("dask")
    pytest.importorskip("dask.dataframe")
    with dask.config.set(scheduler=request.param, num_workers=2):
        yield


class TestDask:
    def test_draw(self, workers, batches, rows):
        assert_same(recipe("dask_frames")["draw"](batches).compute(), rows)

    def test_score(self, workers, detector, frame):
        import dask.dataframe as dd

        parts = dd.from_pandas(frame, npartitions=3)
        scored = recipe("dask_frames")["score"](detector, parts).compute()
        assert_same(scored, frame.assign(score=detector.score_samples(frame)))


def test_spark(batches, rows, detector, frame, monkeypatch):
    """Two workers; one would start another machine, for as long again."""
    sql = pytest.importorskip("pyspark.sql")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    session = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    for name in ("bindAddress", "host"):
        session = session.config(f"spark.driver.{name}", "127.0.0.1")
    spark = session.getOrCreate()
    try:
        functions = recipe("spark_pandas")
        drawn = functions["draw"](batches, spark).toPandas()
        assert_same(in_order(drawn), in_order(rows))
        complete = frame.dropna(ignore_index=True)
        scored = functions["score"](detector, spark.createDataFrame(complete)).toPandas()
        expected = complete.assign(score=detector.score_samples(complete))
        assert_same(in_order(scored), in_order(expected))
    finally:
        spark.stop()
