"""Objects as nodes, which are JSON and refer to one another by position, and arrays; and back."""

import copyreg
from collections import defaultdict
from types import BuiltinFunctionType, FunctionType

import numpy as np

from skdiffusion.saving.known_names import CALLS, find, name_of, short_names
from skdiffusion.saving.parts import CHECK, REDUCE

GROUPS = {kind.__name__: kind for kind in (list, tuple, set, frozenset)}


class Writer:
    """Takes objects apart; what is shared stays so."""

    def __init__(self):
        # identities last as long as the objects are kept
        self.nodes, self.arrays, self.positions, self.kept = [], {}, {}, []

    def refer(self, x):
        """Return a scalar, or a list of the position of the node that stands for an object."""
        if x is None or type(x) in (bool, int, str) or (type(x) is float and np.isfinite(x)):
            return x
        if id(x) not in self.positions:
            self.positions[id(x)] = position = len(self.nodes)
            self.kept.append(x)
            self.nodes.append(None)
            self.nodes[position] = self._node(x)
        return [self.positions[id(x)]]

    def _node(self, x):
        kind = type(x)
        if kind in GROUPS.values():
            return [kind.__name__, *map(self.refer, x)]
        if kind is dict:
            return ["dict", *([self.refer(k), self.refer(v)] for k, v in x.items())]
        if isinstance(x, (type, FunctionType, BuiltinFunctionType)):
            return ["name", name_of(x)]
        names = short_names(kind)
        reduce = next((REDUCE[name] for name in names if name in REDUCE), None)
        if "numpy.ndarray" in names and reduce is None:
            return self._array(np.asarray(x))
        reduce = reduce or copyreg.dispatch_table.get(kind) or (lambda x: x.__reduce_ex__(2))
        reduced = reduce(x)
        if isinstance(reduced, str):
            return ["name", name_of(x, reduced)]
        make, args, state, items, pairs = (*reduced, None, None, None)[:5]
        is_new = make is copyreg.__newobj__
        make, *args = args if is_new else (make, *args)
        if not (isinstance(make, type) or name_of(make) in CALLS):
            raise TypeError(f"{x!r} of {kind} cannot be saved: it is made by {make}.")
        # skorch's own state is a pickle
        state = vars(x) if "skorch.NeuralNet" in names else state
        parts = make, tuple(args), state, list(items or ()), list(pairs or ())
        return ["new" if is_new else "call", *map(self.refer, parts)]

    def _array(self, x):
        """Keep an array, as bytes where safetensors has no type for it."""
        if x.dtype.hasobject:
            return ["objects", *map(self.refer, (x.shape, x.ravel().tolist()))]
        # axes as they are in memory: the last digits of sums depend on it
        order = tuple(sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis])))
        data, key = x.transpose(order).copy(order="C"), str(len(self.arrays))
        is_plain = x.dtype.kind in "biuf" and x.dtype.itemsize <= 8 and x.dtype.isnative
        self.arrays[key] = data if is_plain else np.frombuffer(data.tobytes(), np.uint8)
        return ["array", key, *map(self.refer, (x.dtype, data.shape, order))]


class Reader:
    """Puts objects together, of known and of trusted classes alone."""

    def __init__(self, nodes, arrays, trusted):
        self.nodes, self.arrays, self.built = nodes, arrays, {}
        trusted = {name_of(each): each for each in trusted}
        names = {node[1] for node in nodes if node[0] == "name"}
        self.found = {name: trusted[name] if name in trusted else find(name) for name in names}
        self.callable = [self.found[name] for name in names if name in CALLS or name in trusted]
        if unknown := sorted(name for name, value in self.found.items() if value is None):
            own = ", ".join(name.rpartition(":")[2] for name in unknown)
            raise ValueError(
                f"it names {', '.join(unknown)}, which skdiffusion does not know. If you trust the "
                f"file, import what it names and call load(path, trusted=[{own}])"
            )

    def build(self, ref):
        """Return a scalar, or the object of the node at a position."""
        if not isinstance(ref, list):
            return ref
        if ref[0] not in self.built:
            kind, *parts = self.nodes[ref[0]]
            made = self.built[ref[0]] = self._start(kind, parts)
            self._fill(made, kind, parts)
        return self.built[ref[0]]

    def _start(self, kind, parts):
        """Make an object, empty if what it holds may hold it."""
        if kind in ("list", "dict"):
            return {"list": list, "dict": dict}[kind]()
        if kind == "name":
            return self.found[parts[0]]
        if kind == "array":
            dtype, shape, order = map(self.build, parts[1:])
            data = self.arrays[parts[0]].view(dtype).reshape(shape)
            return data.transpose(np.argsort(order).astype(int))
        if kind not in ("new", "call"):
            parts = [self.build(part) for part in parts]
            if kind in GROUPS:
                return GROUPS[kind](parts)
            return np.fromiter(parts[1], object, len(parts[1])).reshape(parts[0])
        make, args = self.build(parts[0]), self.build(parts[1])
        if kind == "call" and not any(make is each for each in self.callable):
            raise ValueError(f"{make} is not to be called")
        if kind == "new" and not isinstance(make, type):
            raise ValueError(f"{make} is no class")
        if make is defaultdict and args[0] not in (None, *GROUPS.values(), dict, int, float, str):
            raise ValueError(f"{args[0]} is no default of a dict")
        return make(*args) if kind == "call" else make.__new__(make, *args)

    def _fill(self, made, kind, parts):
        if kind == "list":
            made.extend(map(self.build, parts))
        elif kind == "dict":
            made.update((self.build(k), self.build(v)) for k, v in parts)
        elif kind in ("new", "call"):
            state, items, pairs = map(self.build, parts[2:])
            for item in items:
                type(made).append(made, item)
            for key, value in pairs:
                type(made).__setitem__(made, key, value)
            names = short_names(type(made))
            if state is not None:
                _restore(made, state, "skorch.NeuralNet" in names)
            for name in CHECK.keys() & names:
                CHECK[name](made)


def _restore(made, state, is_net):
    """Give an object its attributes; skorch's own way would load a pickle."""
    if hasattr(type(made), "__setstate__") and not is_net:
        return type(made).__setstate__(made, state)
    own, slots = state if isinstance(state, tuple) else (state, None)
    vars(made).update(own or {})
    for name, value in (slots or {}).items():
        object.__setattr__(made, name, value)
