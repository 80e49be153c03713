"""What ``import skdiffusion`` costs, and what it offers."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import pytest

import skdiffusion

# scikit-learn itself loads pandas where that is installed, so only the package alone can promise
# not to.
HEAVY = ("torch", "skorch", "sklearn", "scipy", "numpy", "pandas", "polars", "matplotlib", "ot")


# from cheap to dear: each is imported after those before it
STATEMENTS = (
    "import skdiffusion",
    "from skdiffusion import sample_from",
    "import skdiffusion.metrics, skdiffusion.plotting",
    "from skdiffusion import RiemannianKernelSmoother",
    "from skdiffusion import DiffusionManifoldSampler, DiffusionOversampler, TableEncoder",
)
CODE = "import sys\n" + "\n".join(f"{line}\nprint(*sys.modules)" for line in STATEMENTS)
NO_DEVICE = "import torch\nassert not torch.cuda.is_initialized()"


@pytest.fixture(scope="module")
def loaded():
    """Names of the modules that a fresh interpreter has loaded after each of the statements."""
    command = [sys.executable, "-c", f"{CODE}\n{NO_DEVICE}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    names = (set(line.split()) for line in done.stdout.splitlines())
    return dict(zip(STATEMENTS, names, strict=True))


class TestLaziness:
    def test_the_package_alone_is_cheap(self, loaded):
        assert loaded[STATEMENTS[0]].isdisjoint(HEAVY)

    def test_sampling_from_a_pipeline_loads_no_network(self, loaded):
        assert "sklearn" in loaded[STATEMENTS[1]]
        assert loaded[STATEMENTS[1]].isdisjoint({"torch", "skorch", "matplotlib"})

    def test_helpers_load_neither_torch_nor_what_they_draw_with(self, loaded):
        assert loaded[STATEMENTS[2]].isdisjoint({"torch", "skorch", "matplotlib", "ot"})

    def test_the_kernel_smoother_loads_no_network(self, loaded):
        assert "torch" in loaded[STATEMENTS[3]]
        networks = {"skorch", "skdiffusion.nets", "skdiffusion.training"}
        assert loaded[STATEMENTS[3]].isdisjoint(networks)

    def test_optional_libraries_stay_unloaded(self, loaded):
        assert "skorch" in loaded[STATEMENTS[4]]
        assert loaded[STATEMENTS[4]].isdisjoint({"polars", "matplotlib", "ot", "imblearn"})


class TestNames:
    @pytest.mark.parametrize("name", skdiffusion.__all__)
    def test_public_names_resolve_and_are_listed(self, name):
        assert getattr(skdiffusion, name).__name__ == name
        assert name in dir(skdiffusion)

    def test_unknown_name(self):
        with pytest.raises(AttributeError, match="no attribute 'Diffusion'"):
            skdiffusion.Diffusion  # noqa: B018

    def test_version_is_the_installed_one(self):
        try:
            installed = version("skdiffusion")
        except PackageNotFoundError:
            pytest.skip("runs from a source tree that is not installed")
        assert installed == skdiffusion.__version__
