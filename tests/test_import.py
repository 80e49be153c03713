"""What ``import skdiffusion`` costs, and what it offers."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import pytest

import skdiffusion

# scikit-learn itself loads pandas where that is installed, so only the package alone can promise
# not to.
HEAVY = ("torch", "skorch", "sklearn", "scipy", "numpy", "pandas", "polars", "matplotlib", "ot")


def loaded_after(statement: str) -> set[str]:
    """Names of the modules that a fresh interpreter has loaded after ``statement``."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


class TestLaziness:
    def test_the_package_alone_is_cheap(self):
        assert loaded_after("import skdiffusion").isdisjoint(HEAVY)

    def test_sampling_from_a_pipeline_loads_no_network(self):
        loaded = loaded_after("from skdiffusion import sample_from")
        assert "sklearn" in loaded
        assert loaded.isdisjoint({"torch", "skorch", "matplotlib"})

    def test_the_kernel_smoother_loads_no_network(self):
        loaded = loaded_after("from skdiffusion import RiemannianKernelSmoother")
        assert "torch" in loaded
        assert loaded.isdisjoint({"skorch", "skdiffusion.nets", "skdiffusion.training"})

    @pytest.mark.parametrize("name", ["DiffusionManifoldSampler", "DenoiserNet", "TableEncoder"])
    def test_optional_libraries_stay_unloaded(self, name):
        loaded = loaded_after(f"from skdiffusion import {name}")
        assert loaded.isdisjoint({"polars", "matplotlib", "ot", "imblearn"})

    @pytest.mark.parametrize("room", ["plotting", "metrics"])
    def test_helpers_load_neither_torch_nor_what_they_draw_with(self, room):
        loaded = loaded_after(f"import skdiffusion.{room}")
        assert loaded.isdisjoint({"torch", "skorch", "matplotlib", "ot"})

    def test_importing_a_network_starts_no_device(self):
        code = "from skdiffusion import DenoiserNet\nimport torch\n"
        code += "assert not torch.cuda.is_initialized()"
        assert loaded_after(code)


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
