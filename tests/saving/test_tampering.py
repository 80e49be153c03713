"""Files that are not as they were written are refused, and so is what they must not name."""

import hashlib
import json
import os
import pickle
import sys
import zipfile
from collections import defaultdict
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.neighbors import KDTree, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeRegressor

from skdiffusion import DenoiserNet, DiffusionManifoldSampler, TableEncoder, load, save
from skdiffusion.diffusion import SOLVERS
from skdiffusion.saving import model_file
from skdiffusion.saving.known_names import find
from skdiffusion.saving.parts import scalar

safetensors = pytest.importorskip("safetensors.numpy")


class Harmful:
    """Leaves a file where it is unpickled."""

    def __init__(self, marker=None):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skd"


@pytest.fixture
def data(path):
    """A small file."""
    save(TableEncoder().fit(np.arange(12.0).reshape(6, 2) ** 2), path)
    return path.read_bytes()


def rewritten(path, change, **about):
    """Change the nodes of a file, and what it says of itself, with a checksum that is right."""
    data = path.read_bytes()
    arrays = dict(safetensors.load(data))
    tree = json.loads(arrays["tree"].tobytes())
    change(tree["nodes"])
    arrays["tree"] = np.frombuffer(json.dumps(tree).encode(), np.uint8)
    size = int.from_bytes(data[:8], "little")
    header = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["skdiffusion"])
    header |= {"sha256": "0" * 64} | about
    data = safetensors.save(arrays, {"skdiffusion": json.dumps(header)})
    digest = hashlib.sha256(data).hexdigest()
    path.write_bytes(data.replace(b"0" * 64, digest.encode(), 1))


def keep(nodes):
    pass


class TestBytes:
    def test_a_changed_byte(self, path, data):
        rng = np.random.default_rng(0)
        size = int.from_bytes(data[:8], "little")
        # all of the header's beginning, some of the rest of it, and some of all
        places = [*range(60), *rng.integers(size, size=60), *rng.integers(len(data), size=120)]
        places += [len(data) - 1]
        for place in places:
            for flip in (1, 32, 128):
                changed = bytearray(data)
                changed[place] ^= flip
                path.write_bytes(changed)
                with pytest.raises(ValueError, match=r"changed|no file of|has format"):
                    load(path)

    def test_a_shorter_file(self, path, data):
        for length in [*range(0, len(data), 97), len(data) - 1]:
            path.write_bytes(data[:length])
            with pytest.raises(ValueError, match=r"changed or cut short|not whole"):
                load(path)

    def test_a_longer_file(self, path, data):
        path.write_bytes(data + b"\0")
        with pytest.raises(ValueError, match="was changed"):
            load(path)

    def test_the_file_itself(self, path, data):
        path.write_bytes(data)
        assert isinstance(load(path), TableEncoder)


class TestOtherFiles:
    @pytest.mark.parametrize("protocol", [2, 3, 4, 5])
    def test_a_pickle_is_never_loaded(self, path, tmp_path, protocol):
        marker = tmp_path / "harm"
        path.write_bytes(pickle.dumps(Harmful(marker), protocol))
        with pytest.raises(ValueError, match=r"seems to be a pickle.*if you trust it"):
            load(path)
        assert not marker.exists()
        # it would have been
        pickle.loads(path.read_bytes()).close()
        assert marker.exists()

    def test_a_pickle_inside(self, path, tmp_path):
        """As state of a skorch net, which skorch itself would unpickle."""
        marker = tmp_path / "harm"
        save([DenoiserNet(), {"__cuda_dependent_attributes__": b"???", "device": "cpu"}], path)

        def change(nodes):
            harm = pickle.dumps(Harmful(marker)).decode("latin-1")
            (new,) = (node for node in nodes if node[0] == "new" and len(node) > 3 and node[3])
            text = next(node for node in nodes if node[0] == "tuple" and "???" in node)
            text[text.index("???")] = harm
            state = next(
                k
                for k, node in enumerate(nodes)
                if node[0] == "dict" and "device" in str(node[-1]) and "__cuda" in str(node)
            )
            new[3] = [state]

        rewritten(path, change)
        net, state = load(path)
        assert state["__cuda_dependent_attributes__"].startswith(b"\x80")
        assert vars(net) == state
        assert not marker.exists()

    def test_other_kinds(self, path, tmp_path):
        with pytest.raises(ValueError, match="is a folder"):
            load(tmp_path)
        with pytest.raises(FileNotFoundError):
            load(path)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a", "b")
        with pytest.raises(ValueError, match="is an archive"):
            load(path)
        for content in (b"", b"a,b\n1,2\n", b"\x80", b"\0" * 500, b"\xff" * 500):
            path.write_bytes(content)
            with pytest.raises(ValueError, match="its header cannot be read: save"):
                load(path)
        path.write_bytes(safetensors.save({"a": np.zeros(3)}))
        with pytest.raises(ValueError, match="no file of skdiffusion"):
            load(path)


NEVER = """
os:system posix:system subprocess:Popen builtins:eval builtins:exec builtins:open
builtins:getattr builtins:__import__ builtins:type pickle:loads _pickle:loads torch:load
torch.serialization:load numpy:load numpy.lib.npyio:load importlib:import_module shutil:rmtree
sklearn.base:os sklearn.utils._testing:delayed joblib:load joblib.numpy_pickle:load
skdiffusion:load skdiffusion.saving.model_file:load skdiffusion._cli.commands:main
skdiffusion._cli.files:Path skdiffusion._cli.files:write_table skdiffusion.saving.parts:np
skdiffusion.__main__:main skorch.callbacks.training:Checkpoint torch.jit._script:ScriptModule
torch.hub:load numpy.testing:rundocs numpy:ndarray pandas:read_pickle pandas.io.pickle:read_pickle
sklearn.datasets._openml:fetch_openml skdiffusion.diffusion.solvers:partial
"""


class TestNames:
    @pytest.mark.parametrize("name", NEVER.split())
    @pytest.mark.parametrize("place", ["class", "maker", "value"])
    def test_refused(self, path, name, place):
        save([TableEncoder(), range(3), dict], path)

        def change(nodes):
            own = {"class": "TableEncoder", "maker": "range", "value": "dict"}[place]
            (node,) = (node for node in nodes if node[0] == "name" and node[1].endswith(own))
            node[1] = name

        rewritten(path, change)
        with pytest.raises(ValueError, match=r"does not know.*trusted=\[|is not there"):
            load(path)

    def test_what_is_known_is_not_called(self, path):
        """Classes of estimators are made without their arguments."""
        save([range(3), TableEncoder], path)

        def change(nodes):
            names = [node for node in nodes if node[0] == "name"]
            names[0][1] = names[1][1]

        rewritten(path, change)
        with pytest.raises(ValueError, match="is not to be called"):
            load(path)

    def test_a_number_of_what_is_no_array(self, path):
        """Numbers are taken out of arrays, as of other objects that would call what they name."""
        calls = defaultdict(partial(dict, a=1))
        with pytest.raises(ValueError, match="parts are no"):
            scalar(calls)
        assert not calls
        save([np.float64(2.0), defaultdict(list)], path)
        assert load(path)[1].default_factory is list

        def change(nodes):
            (node,) = (node for node in nodes if node == ["name", "builtins:list"])
            node[1] = "sklearn.metrics._classification:accuracy_score"

        rewritten(path, change)
        with pytest.raises(ValueError, match="no default of a dict"):
            load(path)

    def test_what_is_made_is_of_a_class(self, path):
        save([SimpleNamespace(a=1), SimpleNamespace(b=2)], path)

        def change(nodes):
            # the second is made by the first, as if this were a class
            first, second = (k for k, node in enumerate(nodes) if node[0] in ("new", "call"))
            nodes[second] = ["new", [first], *nodes[second][2:]]

        rewritten(path, change)
        with pytest.raises(ValueError, match="is no class"):
            load(path)

    def test_what_has_to_be_trusted_is_said(self, path, recwarn):
        save(TableEncoder(), path)
        assert not recwarn
        with pytest.warns(UserWarning, match=r"trusted=\[Harmful\]"):
            save(Harmful, path)

    def test_only_public_functions(self):
        assert find("sklearn.metrics._classification:accuracy_score") is accuracy_score
        assert find("sklearn.feature_selection._rfe:_rfe_single_fit") is None
        assert find("skdiffusion.diffusion.solvers:heun") is SOLVERS["heun"]
        assert find("skdiffusion.diffusion.solvers:_noise") is None

    def test_nothing_else_is_imported(self, path):
        assert "antigravity" not in sys.modules
        for name in ("antigravity:fly", "this:s", "skdiffusion.__main__:main"):
            assert find(name) is None
        assert not {"antigravity", "this", "skdiffusion.__main__"} & set(sys.modules)

    def test_loops(self, path):
        save([(1, 2), [3]], path)

        def change(nodes):
            k = next(k for k, node in enumerate(nodes) if node[0] == "tuple")
            nodes[k][1] = [k]

        rewritten(path, change)
        with pytest.raises(ValueError, match="cannot be loaded"):
            load(path)

    def test_indices_of_compiled_code(self, path):
        X = np.random.default_rng(0).normal(size=(30, 2))
        tree = DecisionTreeRegressor().fit(X, X[:, 0])
        save(tree, path)
        assert (load(path).predict(X) == tree.predict(X)).all()
        for field, far in (("left_child", 10**9), ("right_child", 0), ("feature", 2)):
            nodes = tree.tree_.__getstate__()["nodes"].copy()
            nodes[field][0] = far
            state = tree.tree_.__getstate__() | {"nodes": nodes}
            broken = DecisionTreeRegressor().fit(X, X[:, 0])
            broken.tree_.__setstate__(state)
            save(broken, path)
            with pytest.raises(ValueError, match="tree"):
                load(path)
        graph = NearestNeighbors().fit(X).kneighbors_graph()
        graph.indices[0] = 10**6
        save(graph, path)
        with pytest.raises(ValueError, match="ind"):
            load(path)
        save(KDTree(X, leaf_size=3), path)
        assert (load(path).query(X, 4)[1] == KDTree(X, leaf_size=3).query(X, 4)[1]).all()


class TestVersions:
    def test_a_later_format(self, path, data):
        rewritten(path, keep, format=999, versions={"skdiffusion": "9.1"})
        with pytest.raises(
            ValueError, match=r"format 999.*reads up to 1.*at least skdiffusion 9.1"
        ):
            load(path)

    def test_an_earlier_format(self, path, data, monkeypatch):
        monkeypatch.setattr(model_file, "FORMAT", 7)
        assert isinstance(load(path), TableEncoder)

    def test_another_version_of_ours(self, path, data):
        rewritten(path, keep, versions={"skdiffusion": "0.0.1", "torch": "2.0"})
        with pytest.warns(UserWarning, match=r"by skdiffusion 0.0.1, torch 2.0.*may differ"):
            assert isinstance(load(path), TableEncoder)

    def test_another_version_of_scikit_learn(self, path, recwarn):
        X = np.arange(8.0).reshape(4, 2)
        save(make_pipeline(LogisticRegression()).fit(X, [0, 0, 1, 1]), path)
        load(path)
        assert not recwarn

        def change(nodes):
            for node in nodes:
                for pair in node[1:] if node[0] == "dict" else ():
                    if pair[0] == "_sklearn_version":
                        pair[1] = "1.2.0"

        rewritten(path, change)
        with pytest.warns(InconsistentVersionWarning, match="LogisticRegression from version 1.2"):
            load(path)

    def test_a_class_that_is_gone(self, path, data):
        def change(nodes):
            for node in nodes:
                if node[0] == "name" and node[1].endswith("Coder"):
                    node[1] += "OfOld"

        rewritten(path, change)
        with pytest.raises(ValueError, match=r"written by skdiffusion.*CoderOfOld is not there"):
            load(path)


class Full(type(Path())):
    """A path whose file is on a full disk."""

    def open(self, mode):
        super().open(mode).close()
        return open("/dev/full", mode)


class TestDisk:
    """Whatever happens while a file is written, the old one stays, and no other."""

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
    @pytest.mark.parametrize("call", ["fsync", "replace"])
    def test_interrupted(self, path, data, monkeypatch, error, call):
        def fail(*args):
            raise error

        monkeypatch.setattr(os, call, fail)
        with pytest.raises(type(error)):
            save(DiffusionManifoldSampler(), path)
        assert path.read_bytes() == data
        assert list(path.parent.iterdir()) == [path]

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
    def test_a_full_disk(self, path, data, monkeypatch):
        monkeypatch.setattr(Path, "with_name", lambda self, name: Full(self.parent / name))
        with pytest.raises(OSError, match="No space left"):
            save(DiffusionManifoldSampler(), path)
        assert path.read_bytes() == data
        assert list(path.parent.iterdir()) == [path]

    def test_a_link_stays_one(self, path, data):
        link = path.with_name("link.skd")
        link.symlink_to(path)
        save(DiffusionManifoldSampler(), link)
        assert link.is_symlink()
        assert isinstance(load(path), DiffusionManifoldSampler)

    def test_no_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            save(TableEncoder(), tmp_path / "none" / "model.skd")

    def test_what_cannot_be_saved_leaves_nothing(self, tmp_path):
        with pytest.raises(TypeError, match="nor as a lambda"):
            save(DiffusionManifoldSampler(solver=lambda *args: args), tmp_path / "model.skd")
        assert list(tmp_path.iterdir()) == []
