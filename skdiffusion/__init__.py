"""Diffusion models for tables, with the interface of scikit-learn.

The names below are loaded when they are first used (:pep:`562`), so that
``import skdiffusion`` is cheap: it loads neither PyTorch nor matplotlib nor pandas.

Examples
--------
>>> import skdiffusion
>>> "TableEncoder" in dir(skdiffusion)
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

if TYPE_CHECKING:
    from ._card import model_card as model_card
    from ._detector import DiffusionAnomalyDetector as DiffusionAnomalyDetector
    from ._hierarchical import HierarchicalSampler as HierarchicalSampler
    from ._imputer import DiffusionImputer as DiffusionImputer
    from ._operator import OperatorScoreMatching as OperatorScoreMatching
    from ._oversampler import DiffusionOversampler as DiffusionOversampler
    from ._sampler import DiffusionManifoldSampler as DiffusionManifoldSampler
    from ._smoother import RiemannianKernelSmoother as RiemannianKernelSmoother
    from .draws import DrawnBatches as DrawnBatches
    from .pipeline import sample_from as sample_from
    from .tables.encoder import TableEncoder as TableEncoder
    from .training.net import DenoiserNet as DenoiserNet

_HOMES = {
    "DiffusionManifoldSampler": "_sampler",
    "DiffusionAnomalyDetector": "_detector",
    "RiemannianKernelSmoother": "_smoother",
    "OperatorScoreMatching": "_operator",
    "HierarchicalSampler": "_hierarchical",
    "DiffusionImputer": "_imputer",
    "DiffusionOversampler": "_oversampler",
    "DenoiserNet": "training.net",
    "TableEncoder": "tables.encoder",
    "sample_from": "pipeline",
    "DrawnBatches": "draws",
    "model_card": "_card",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
