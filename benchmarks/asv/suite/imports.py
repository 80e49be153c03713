"""What imports cost, each in a process of its own."""

import subprocess
import sys


def timeraw_package():
    """Import the package alone."""
    return "import skdiffusion"


def timeraw_smoother():
    """Import what needs no network."""
    return "from skdiffusion import RiemannianKernelSmoother"


def timeraw_sampler():
    """Import networks and all."""
    return "from skdiffusion import DiffusionManifoldSampler"


def track_modules():
    """Count the modules that the sampler loads."""
    code = "import sys; from skdiffusion import DiffusionManifoldSampler; print(len(sys.modules))"
    command = [sys.executable, "-c", code]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


track_modules.unit = "modules"
