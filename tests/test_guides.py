"""The code blocks of the README and of the guide pages run, top to bottom, as they stand there."""

import re
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from sklearn.datasets import load_breast_cancer

from skdiffusion import (
    DenoiserNet,
    DiffusionImputer,
    DiffusionManifoldSampler,
    RiemannianKernelSmoother,
)

pd = pytest.importorskip("pandas")
pytest.importorskip("matplotlib")
pytest.importorskip("imblearn")
pytest.importorskip("ot")
pytest.importorskip("safetensors")

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
# numbers of rows, to learn and to draw, and what they become; a manifold needs more than others
MANY = re.compile(r"\b(?:200|500|1000|50_000)\b")
FEW = {"manifolds.md": "300"}


def code_of(path):
    """The blocks of a page as one program, each on the lines that it has in the page."""
    text = path.read_text(encoding="utf-8")
    program = ""
    for block in BLOCK.finditer(text):
        first_line = text.count("\n", 0, block.start(1))
        program += "\n" * (first_line - program.count("\n")) + block[1]
    return program


PROGRAMS = {
    path.name: program
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if path.exists() and (program := code_of(path))
}


def readme_tables():
    """Patients and tumours, as the README speaks of them without showing them."""
    rng = np.random.default_rng(0)
    n = 80
    numbers = pd.DataFrame(
        rng.normal([170.0, 70.0, 50.0, 120.0], [9, 12, 15, 10], size=(n, 4)),
        columns=["height", "weight", "age", "pressure"],
    )
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 90, size=n),
            "ward": rng.choice(["north", "south"], size=n),
            "stage": pd.Categorical(rng.choice(["I", "II", "III"], size=n)),
            "dose": rng.gamma(2, 10, size=n),
        }
    )
    return {
        "X": numbers,
        "y": rng.choice(["benign", "malignant"], size=n, p=[0.8, 0.2]),
        "X_test": numbers[:20] + 1,
        "X_with_gaps": numbers.mask(rng.random(numbers.shape) < 0.1),
        "X_normal": numbers,
        "frame": frame.mask(rng.random(frame.shape) < 0.05),
    }


def rows_to_judge():
    """Normal rows, and new ones of which some are not."""
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(100, 4)), columns=list("abcd"))
    y = np.repeat([1, -1], [90, 10])
    X[y == -1] += 5
    return {"X_normal": X[:90], "X_new": X[80:], "X": X, "y": y}


GIVEN = {"README.md": readme_tables, "anomaly.md": rows_to_judge}


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    """Load some of the tumours, as exact log-densities of 30 columns are dear."""

    def load_some(**options):
        X, y = load_breast_cancer(**options)
        return X[:60], y[:60]

    monkeypatch.setattr(sklearn.datasets, "load_breast_cancer", load_some)


# what costs time where nothing is said of it, and what is enough to run
BRIEF = {
    DiffusionManifoldSampler: {"n_steps": 4, "n_likelihood_steps": 2},
    RiemannianKernelSmoother: {"n_steps": 4},
    DiffusionImputer: {"n_models": 1, "n_draws": 4},
}


@pytest.fixture(autouse=True)
def brief_training(monkeypatch):
    """Train small networks for a moment only, and take few steps."""
    for estimator, options in BRIEF.items():
        defaults = estimator.__init__.__kwdefaults__
        assert options.keys() <= defaults.keys()
        monkeypatch.setattr(estimator.__init__, "__kwdefaults__", defaults | options)
    fit = DenoiserNet.fit

    def fit_briefly(self, *args, **kwargs):
        self.set_params(max_epochs=1, steps_per_epoch=3, module__width=16)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(DenoiserNet, "fit", fit_briefly)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("page", PROGRAMS)
def test_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = GIVEN.get(page, dict)()
    program = MANY.sub(FEW.get(page, "60"), PROGRAMS[page])
    exec(compile(program, page, "exec"), namespace)


@pytest.mark.skipif(not PROGRAMS, reason="runs without the source tree")
def test_lines_are_those_of_the_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Words.\n\n```python\na = 1\n```\n```bash\nls\n```\n```python\n1 / 0\n```\n")
    assert code_of(page) == "\n\n\na = 1\n\n\n\n\n\n1 / 0\n"
