"""The classes and functions that a file may name."""

import sys
from importlib import import_module
from types import FunctionType

# below these packages, what derives from these classes; of skdiffusion all classes
PACKAGES = ("skdiffusion", "sklearn", "torch.nn.modules", "torch.optim", "numpy", "pandas")
BASES = {
    *(f"sklearn.{name}" for name in ("BaseEstimator", "BaseCrossValidator", "BaseShuffleSplit")),
    *(f"sklearn.{name}" for name in ("DistanceMetric", "Kernel", "_BaseScorer")),
    *(f"torch.{name}" for name in ("Module", "Optimizer", "LRScheduler")),
    *("numpy.generic", "pandas.ExtensionDtype"),
}
# of these modules, functions of numbers and data types of tensors
PURE = ("scipy.special", "torch")
# the public functions of these modules: mathematics, which touch neither files nor processes
OF_FUNCTIONS = ("skdiffusion.diffusion", "sklearn.metrics", "sklearn.metrics.pairwise")
OF_FUNCTIONS += ("sklearn.feature_selection",)
# what is called with arguments of the file
CALLS = """builtins: bytearray complex range slice|collections: OrderedDict defaultdict
datetime: date datetime time timedelta timezone|decimal: Decimal|fractions: Fraction
functools: partial|types: SimpleNamespace|zoneinfo: ZoneInfo|numpy.random.mtrand: RandomState
numpy.ma: MaskedArray|numpy.ma.core: MaskedArray|sklearn.tree._tree: Tree
scipy.sparse._csr: csr_array csr_matrix|scipy.sparse._csc: csc_array csc_matrix
sklearn.neighbors._ball_tree: BallTree|sklearn.neighbors._kd_tree: KDTree|torch: Size device
pandas: Interval StringDtype|pandas._libs.interval: Interval
pandas.core.arrays.string_: StringDtype|pandas._libs.tslibs.nattype: _nat_unpickle
pandas._libs.tslibs.timestamps: _unpickle_timestamp
pandas._libs.tslibs.timedeltas: _timedelta_unpickle
pytz: timezone|pyarrow.lib: decimal128 dictionary field list_ timestamp type_for_alias
skdiffusion.saving.parts: dtype frame index ipc scalar series tensor"""
# but our checkpoint no callback that writes files: a next fit would write where the file says
VALUES = """builtins: bool bytes dict float int list set str|numpy: float64
pandas: NA|pandas._libs.missing: NA
sklearn.utils._metadata_requests: MetadataRequest MethodMetadataRequest
sklearn.metrics._scorer: _MultimetricScorer _PassthroughScorer|sklearn.utils._bunch: Bunch
skorch.callbacks.logging: EpochTimer PrintLog ProgressBar|skorch.callbacks.scoring: EpochScoring
skorch.callbacks.scoring: PassthroughScoring|skorch.callbacks.lr_scheduler: LRScheduler
skorch.callbacks.regularization: GradientNormClipping|skorch.callbacks.training: EarlyStopping
skorch.dataset: Dataset|skorch.history: History|skorch.setter: optimizer_setter
torch.utils.data.dataloader: DataLoader"""


def _names(lists):
    for line in lists.replace("\n", "|").split("|"):
        module, names = line.split(": ")
        yield from (f"{module}:{name}" for name in names.split())


CALLS = frozenset(_names(CALLS))
NAMES = CALLS | frozenset(_names(VALUES))


def name_of(thing, name=None):
    """Return where a class, function or constant is, or raise where no module has it."""
    name = name or thing.__qualname__
    for module in (getattr(thing, "__module__", None), "numpy", "scipy.special", "pandas"):
        if getattr(sys.modules.get(module), name, None) is thing:
            return f"{module}:{name}"
    raise TypeError(
        f"{thing!r} cannot be saved, as no module has it under its name: define it in a module, "
        "neither within a function nor as a lambda."
    )


def short_names(kind):
    """Return package and name of a class and its bases, which stay as these move in the package."""
    return [f"{base.__module__.partition('.')[0]}.{base.__qualname__}" for base in kind.__mro__]


def find(name):
    """Return what a file names where it is known, else None; no other module is imported."""
    module, _, own = name.partition(":")
    if name not in NAMES and not (module in PURE or _is_in(module, PACKAGES)):
        return None
    try:
        value = getattr(import_module(module), own)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{module}.{own} is not there: {error}") from error
    return value if name in NAMES or _is_known(value) else None


def _is_in(module, packages):
    inside = {"tests", "conftest", "__main__"}.isdisjoint(module.split("."))
    return inside and f"{module}.".startswith(tuple(f"{package}." for package in packages))


def _is_known(value):
    """Return whether a value is a class of a known kind, a known function, or of numbers."""
    if isinstance(value, type):
        ours = _is_in(value.__module__, ("skdiffusion",))
        return ours or not BASES.isdisjoint(short_names(value))
    if isinstance(value, FunctionType):
        name = value.__name__
        homes = [sys.modules[home] for home in OF_FUNCTIONS if home in sys.modules]
        return name[0] != "_" and any(getattr(home, name, None) is value for home in homes)
    return short_names(type(value))[0] in ("numpy.ufunc", "torch.dtype")
