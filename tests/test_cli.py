import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline

import skdiffusion
from skdiffusion import TableEncoder, sample_from
from skdiffusion._cli import main

pd = pytest.importorskip("pandas")
pytest.importorskip("matplotlib")


class FastSampler(BaseEstimator):
    """What the command line asks of the sampler, from a kernel density."""

    def __init__(self, *, denoiser=None, verbose=0, random_state=None):
        self.denoiser = denoiser
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X, y=None):
        joint = X if y is None else X.assign(target=y)
        self.conditional_ = y is not None
        self.joint_ = make_pipeline(TableEncoder(), KernelDensity(bandwidth=0.2)).fit(joint)
        self.marginal_ = make_pipeline(TableEncoder(), KernelDensity(bandwidth=0.2)).fit(X)
        return self

    def sample(self, n_samples=1, *, return_y=False, random_state=None):
        assert return_y == self.conditional_
        rows = sample_from(self.joint_, n_samples, random_state=random_state)
        return (rows.drop(columns="target"), rows["target"].array) if return_y else rows

    def score_samples(self, X):
        return self.marginal_.score_samples(X)


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setitem(vars(skdiffusion), "DiffusionManifoldSampler", FastSampler)


@pytest.fixture
def people():
    rng = np.random.default_rng(0)
    age = rng.integers(18, 80, 120)
    return pd.DataFrame(
        {
            "age": age,
            "city": rng.choice(["Bonn", "Oslo", "Graz"], 120),
            "risk": np.where(age + rng.normal(0, 20, 120) > 50, "high", "low"),
            "height": rng.normal(1.7, 0.1, 120).round(2),
            "smoker": rng.random(120) < 0.3,
        }
    )


@pytest.fixture
def run(people, tmp_path, capsys):
    """Write a table as CSV, run the demo on it, and return what was written and printed."""

    def run_demo(*options, frame=people):
        path = tmp_path / "people.csv"
        frame.to_csv(path, index=False)
        status = main(["demo", "--csv", str(path), "--output", str(tmp_path / "out"), *options])
        assert status == 0
        return pd.read_csv(tmp_path / "out" / "synthetic.csv"), capsys.readouterr().out

    return run_demo


@pytest.fixture
def refuse(run, capsys):
    """Run the demo where it must end in one line, and return that line."""

    def refused(*options, **kwargs):
        with pytest.raises(SystemExit) as exit_:
            run(*options, **kwargs)
        line = capsys.readouterr().err
        assert exit_.value.code == 2
        assert line.count("\n") == 1
        return line

    return refused


@pytest.mark.usefixtures("fast")
class TestDemo:
    def test_bundled_data(self, tmp_path, capsys):
        assert main(["demo", "--quick", "--output", str(tmp_path)]) == 0
        synthetic = pd.read_csv(tmp_path / "synthetic.csv")
        data = load_breast_cancer()
        assert list(synthetic) == ["diagnosis", *data.feature_names]
        assert len(synthetic) == len(data.data)
        assert set(synthetic["diagnosis"]) == {"benign", "malignant"}
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
        printed = capsys.readouterr().out
        for row in ("fresh real rows", "skdiffusion", "Gaussian mixture", "Gaussian KDE"):
            assert sum(line.startswith(row) for line in printed.splitlines()) == 1
        assert len(printed.splitlines()) <= 24

    @pytest.mark.parametrize("target", [[], ["--target", "risk"], ["--target", "age"]])
    def test_same_columns_and_dtypes_as_the_input(self, run, people, target):
        synthetic, _ = run("--quick", *target)
        pd.testing.assert_series_equal(synthetic.dtypes, people.dtypes)
        assert len(synthetic) == len(people)
        assert set(synthetic["city"]) <= set(people["city"])

    def test_counts_of_the_headline(self, run):
        _, printed = run("--quick", "--target", "risk")
        assert printed.startswith(
            "people: 120 rows, 5 columns (2 numeric, 3 categorical), target 'risk'\n"
            "72 rows to train on, 24 held out"
        )


@pytest.mark.usefixtures("fast")
class TestUnusableInput:
    def test_no_such_file(self, tmp_path, capsys):
        with pytest.raises(SystemExit, match="2"):
            main(["demo", "--csv", str(tmp_path / "none.csv")])
        assert "cannot read" in capsys.readouterr().err

    def test_unknown_target(self, refuse):
        assert "has no column 'income'" in refuse("--target", "income")

    def test_target_without_csv(self, capsys):
        with pytest.raises(SystemExit, match="2"):
            main(["demo", "--target", "x"])
        assert "give --csv as well" in capsys.readouterr().err

    def test_too_few_rows(self, refuse, people):
        assert "has 39 rows; at least 40" in refuse(frame=people.head(39))

    def test_missing_cells(self, refuse, people):
        people.loc[3, "height"] = np.nan
        assert "missing values" in refuse(frame=people)

    def test_dates(self, refuse, people):
        people["born"] = pd.date_range("1990-01-01", periods=120)
        assert "'born'" in refuse(frame=people)

    def test_without_the_extra(self, monkeypatch, capsys):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(SystemExit, match="2"):
            main(["demo"])
        assert "pip install 'skdiffusion[demo]'" in capsys.readouterr().err


class TestProcess:
    def test_python_m_skdiffusion(self, people, tmp_path):
        people.to_csv(tmp_path / "people.csv", index=False)
        options = ["--csv", "people.csv", "--target", "risk", "--quick"]
        done = subprocess.run(
            [sys.executable, "-m", "skdiffusion", "demo", *options],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(skdiffusion.__file__).parent.parent)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "skdiffusion-demo" / "picture.png").exists()
        synthetic = pd.read_csv(tmp_path / "skdiffusion-demo" / "synthetic.csv")
        pd.testing.assert_series_equal(synthetic.dtypes, people.dtypes)

    def test_version(self, capsys):
        with pytest.raises(SystemExit, match="0"):
            main(["--version"])
        assert capsys.readouterr().out.strip() == skdiffusion.__version__
