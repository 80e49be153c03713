"""Objects that pickle takes apart in a way of its own: here in one that is checked and lasts."""

import copyreg
import sys
from importlib import import_module

import numpy as np
import torch


def _expect(kinds, *values):
    """Raise for what other files hold: an operation on any object may call a function."""
    if not all(isinstance(value, kinds) for value in values):
        raise ValueError(f"parts are no {kinds}")


def tensor(array, dtype, is_parameter, requires_grad, device):
    """Make a tensor, on its device if there is one."""
    _expect(np.ndarray, array)
    _expect(str, dtype, device)
    x = torch.from_numpy(array).view(getattr(torch, dtype))
    x = x.to(device) if device.startswith("cuda") and torch.cuda.is_available() else x
    return torch.nn.Parameter(x, requires_grad) if is_parameter else x.requires_grad_(requires_grad)


def _tensor(x):
    plain = x.detach().cpu().resolve_conj().resolve_neg()
    plain = plain.view(torch.int16) if x.dtype is torch.bfloat16 else plain
    kind = str(x.dtype).removeprefix("torch."), isinstance(x, torch.nn.Parameter)
    return tensor, (plain.numpy(), *kind, x.requires_grad, str(x.device))


def dtype(description):
    """Make a data type of NumPy."""
    _expect((str, list, tuple), description)
    return np.lib.format.descr_to_dtype(description)


def scalar(array):
    """Make a number of NumPy."""
    _expect(np.ndarray, array)
    return array[()]


def series(kind, cells, name, index=None):
    """Make a series of pandas."""
    return import_module("pandas").Series(cells, index, kind, name)


def index(kind, cells, name):
    """Make an index of pandas."""
    return import_module("pandas").Index(cells, kind, name=name)


def frame(columns, parts):
    """Make a frame of pandas."""
    return import_module("pandas").DataFrame(dict(enumerate(parts))).set_axis(columns, axis=1)


def _cells(x):
    is_plain = isinstance(x.dtype, np.dtype)
    return x.dtype, np.asarray(x, dtype=x.dtype if is_plain else object), x.name


def ipc(data, is_series=False):
    """Make a frame of polars, or its only series."""
    _expect(bytes, data)
    frame = import_module("polars").read_ipc(data)
    return frame.to_series() if is_series else frame


def _ipc(frame, is_series=False):
    return ipc, (frame.write_ipc(None).getvalue(), is_series)


def _neighbors(x):
    # searches use indices unchecked: those of a new tree, which takes no time, are right
    data, _, _, _, leaf_size, *_, metric, weights = x.__getstate__()
    return type(x), (np.asarray(data), leaf_size, metric, weights)


def _check_tree(x):
    children = np.stack([x.children_left, x.children_right])
    inner, n = children[0] != -1, len(x.__getstate__()["nodes"])
    later, features = children[:, inner] > np.flatnonzero(inner), x.feature[inner]
    if not (n == x.node_count and later.all() and (children < n).all()):
        raise ValueError("nodes of a tree lead nowhere")
    if not ((features >= 0) & (features < x.n_features)).all():
        raise ValueError("a tree has other columns than its rows")


#: Of a class, by package and name: what makes an object again, arguments, and perhaps its state.
REDUCE = {
    # what JSON has not
    "builtins.float": lambda x: (copyreg.__newobj__, (float, str(x))),
    "builtins.bytes": lambda x: (copyreg.__newobj__, (bytes, x.decode("latin-1"), "latin-1")),
    "zoneinfo.ZoneInfo": lambda x: (type(x), (x.key,)),
    "pytz.BaseTzInfo": lambda x: (sys.modules["pytz"].timezone, (x.zone,)),  # of pandas before 3
    "numpy.generic": lambda x: (scalar, (np.asarray(x),)),
    "numpy.dtype": lambda x: (dtype, (np.lib.format.dtype_to_descr(x),)),
    "numpy.MaskedArray": lambda x: (type(x), (x.data, x.mask)),
    "numpy.RandomState": lambda x: (type(x), (), x.get_state(legacy=False)),
    "torch.Tensor": _tensor,
    "scipy._cs_matrix": lambda x: (type(x), ((x.data, x.indices, x.indptr), x.shape)),
    "sklearn.BinaryTree64": _neighbors,
    "sklearn.DistanceMetric": lambda x: (copyreg.__newobj__, (type(x),), x.__getstate__()),
    "pandas.DataFrame": lambda x: (frame, (x.columns, [x.iloc[:, j] for j in range(x.shape[1])])),
    "pandas.Series": lambda x: (series, (*_cells(x), x.index)),
    "pandas.Index": lambda x: (index, _cells(x)),
    "polars.DataFrame": _ipc,
    "polars.Series": lambda x: _ipc(x.to_frame(), True),
}
#: What raises where compiled code would read beyond its memory.
CHECK = {
    "scipy._cs_matrix": lambda x: x.check_format(full_check=True),
    "sklearn.Tree": _check_tree,
}
