"""What estimators may hold: plain values, arrays, frames, callables, and classes of a user."""

import datetime
import decimal
import fractions
import math
import zoneinfo
from collections import OrderedDict, defaultdict
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
import scipy.special
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skdiffusion import DenoiserNet, DiffusionManifoldSampler, RiemannianKernelSmoother, load, save
from skdiffusion.diffusion import SOLVERS
from tests.saving.own_classes import OwnNet, OwnScaler, own_solver
from tests.saving.saved_estimators import N, X, mixed, sampler

pytest.importorskip("safetensors")

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.datetimes()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.fractions()
)
KEYS = st.text() | st.integers() | st.booleans() | st.tuples(st.integers(), st.text())
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner)
        | st.frozensets(KEYS)
        | st.sets(st.text())
    ),
    max_leaves=12,
)


@pytest.fixture
def again(tmp_path):
    """Save and load."""

    def saved(x, **options):
        save(x, tmp_path / "x.skd")
        return load(tmp_path / "x.skd", **options)

    return saved


def equal(one, other):
    """Whether values are of one type and equal, that of NaN, and the sign of zero, included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        same_sign = math.copysign(1, one) == math.copysign(1, other)
        return (one == other and same_sign) or (one != one and other != other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict):
        return [*one] == [*other] and all(equal(one[key], other[key]) for key in one)
    return one == other


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(VALUES)
def test_plain_values(again, value):
    assert equal(again(value), value)


@pytest.mark.parametrize(
    "value",
    [
        {1: "a", "1": "b", (1, "a"): None, None: 2.5},
        [math.nan, math.inf, -math.inf, -0.0, 1e308, 5e-324, 2**200, -(10**40)],
        "lone \ud800, zero \0 and \u00e9",
        datetime.date(2024, 2, 29),
        datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
        datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Oslo")),
        datetime.time(3, 4),
        decimal.Decimal("1.10"),
        fractions.Fraction(1, 3),
        slice(1, None, 2),
        range(3, 9, 2),
        OrderedDict(b=1, a=2),
        defaultdict(list, a=[1]),
        SimpleNamespace(a=1),
        bytearray(b"ab"),
        np.float64(0.1),
        np.int8(3),
        np.bool_(True),
        np.str_("a"),
        np.datetime64("2024-01-01T00:00", "ns"),
        np.timedelta64("NaT"),
        np.dtype([("a", "<i4"), ("b", ">f8", (2,))]),
        np.dtype("M8[us]"),
        np.float32,
        np.log1p,
        scipy.special.expit,
        torch.float32,
        torch.bfloat16,
        torch.device("cpu"),
        torch.Size([2, 3]),
        torch.nn.SiLU,
        torch.optim.AdamW,
        SOLVERS["heun"],
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_a_value(again, value):
    found = again(value)
    assert type(found) is type(value)
    assert found == value or value != value or str(value) == str(found)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(24, dtype=np.uint16).reshape(2, 3, 4).transpose(2, 0, 1),
        np.arange(10)[::-3],
        np.broadcast_to(1.5, (2, 3)),
        np.zeros((0, 3), np.float32),
        np.array(2.5),
        np.array(["a", "bcd\0", "é"]),
        np.array([b"a", b"bc"]),
        np.array(["2024-01-01", "NaT"], "M8[D]"),
        np.array([1 + 2j]),
        np.array([1, 2], ">i4"),
        np.longdouble([1, 3]) / 3,
        np.array([np.nan, np.inf, -0.0], np.float16),
        np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
        np.array(["a", None, 1.5, (1, 2), np.nan], dtype=object),
        np.array([["a", "b"]], dtype=object).T,
        np.ma.MaskedArray([1.0, 2.0], [True, False]),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays(again, array):
    found = again(array)
    assert (type(found), found.dtype, found.shape) == (type(array), array.dtype, array.shape)
    assert found.flags.writeable
    assert equal(found.tolist(), array.tolist())
    if array.size > 1 and array.dtype != object and array.flags.f_contiguous:
        assert found.flags.f_contiguous
    if array.dtype != object:
        assert np.ma.getdata(found).tobytes() == np.ma.getdata(array).tobytes()


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "bool", "int8", "complex64"])
def test_tensors(again, dtype):
    x = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype)).t()
    found = again(x)
    assert (found.dtype, found.stride(), found.requires_grad) == (x.dtype, x.stride(), False)
    assert torch.equal(found, x)


def test_parameters(again):
    module = torch.nn.Linear(2, 2, bias=False)
    module.twin = module.weight
    module.weight.requires_grad_(False)
    found = again(module)
    assert found.twin is found.weight
    assert isinstance(found.weight, torch.nn.Parameter)
    assert not found.weight.requires_grad
    assert torch.equal(found.weight, module.weight)


@pytest.mark.parametrize("kind", ["csr_matrix", "csr_array", "csc_matrix", "csc_array"])
def test_sparse(again, kind):
    matrix = getattr(scipy.sparse, kind)(np.eye(3))
    found = again(matrix)
    assert type(found) is type(matrix)
    assert (found.toarray() == np.eye(3)).all()


def test_a_generator(again):
    generator = np.random.RandomState(3)
    generator.normal()
    assert again(generator).normal() == generator.normal()


def test_shared_objects_stay_shared(again):
    array, rng = np.zeros(3), np.random.RandomState(0)
    looped = [array, array, {"rng": rng, "again": rng}]
    looped.append(looped)
    found = again(looped)
    assert found[0] is found[1]
    assert found[2]["rng"] is found[2]["again"]
    assert found[3] is found


class TestFrames:
    def test_pandas(self, again):
        pd = pytest.importorskip("pandas")
        frame = mixed().assign(
            cut=pd.cut(np.arange(N), 3),
            span=pd.to_timedelta(np.arange(N), unit="h"),
            text=pd.array(["a"] * N, dtype=pd.StringDtype("python")),
            raw=pd.Series([1, "a", None] * (N // 3), dtype=object),
            flag=pd.array([True, None] * (N // 2), dtype="boolean"),
        )
        for part in (frame, frame[:0], frame.set_index("day")):
            found = again(part)
            pd.testing.assert_frame_equal(found, part, check_index_type=False, check_freq=False)
            assert list(found.dtypes) == list(part.dtypes)

    def test_arrow(self, again):
        pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
        kinds = [pa.int8(), pa.string(), pa.timestamp("us", "UTC"), pa.decimal128(5, 2)]
        for kind in [*kinds, pa.dictionary(pa.int32(), pa.string())]:
            series = pd.Series([], dtype=pd.ArrowDtype(kind))
            assert again(series).dtype == series.dtype

    def test_polars(self, again):
        pl = pytest.importorskip("polars")
        frame = mixed("polars").with_columns(
            price=pl.lit("1.5").cast(pl.Decimal(9, 2)),
            hour=pl.lit(1).cast(pl.Duration("ms")),
            levels=pl.lit("a").cast(pl.Categorical),
            pair=pl.lit([1, 2]),
        )
        for part in (frame, frame[:0]):
            assert again(part).schema == part.schema
            assert again(part).equals(part)
        assert again(frame["city"]).equals(frame["city"])

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    def test_targets(self, again, library):
        pytest.importorskip(library)
        y = mixed(library)["city"]
        fitted = RiemannianKernelSmoother(n_steps=4, random_state=0).fit(X, y)
        targets = [m.sample(9, return_y=True, random_state=0)[1] for m in (fitted, again(fitted))]
        assert type(targets[1]) is type(y)
        assert targets[0].dtype == targets[1].dtype == y.dtype
        assert targets[0].equals(targets[1])


class TestCallables:
    def test_by_name(self, again):
        pipeline = make_pipeline(FunctionTransformer(np.log1p, np.expm1), StandardScaler())
        assert (again(pipeline.fit(X**2)).transform(X**2) == pipeline.transform(X**2)).all()
        found = again(partial(SOLVERS["ddim"], eta=0.5))
        assert found.func is SOLVERS["ddim"]
        assert found.keywords == {"eta": 0.5}

    @pytest.mark.parametrize("value", [lambda x: x, "abc".upper, np.mean, open, iter([1])])
    def test_what_cannot_be_saved(self, again, value):
        if value in (np.mean, open):
            with pytest.raises(ValueError, match="does not know"):
                again(value)
        else:
            with pytest.raises(TypeError, match="cannot be saved"):
                again(value)

    def test_a_class_within_a_function(self, again):
        class Local(OwnNet):
            pass

        with pytest.raises(TypeError, match="define it in a module"):
            again(DenoiserNet(module=Local))


class TestTrust:
    def test_a_module_and_a_solver(self, again):
        net = DenoiserNet(module=OwnNet, max_epochs=1, steps_per_epoch=3)
        fitted = sampler(denoiser=net, solver=own_solver).fit(X)
        with pytest.raises(ValueError, match=r"trusted=\[OwnNet, own_solver\]"):
            again(fitted)
        found = again(fitted, trusted=[OwnNet, own_solver])
        assert (found.sample(3, random_state=0) == fitted.sample(3, random_state=0)).all()

    def test_a_step_of_a_pipeline(self, again):
        fitted = make_pipeline(OwnScaler(), RiemannianKernelSmoother(n_steps=4)).fit(X)
        with pytest.raises(ValueError, match=r"own_classes:OwnScaler.*trusted=\[OwnScaler\]"):
            again(fitted)
        found = again(fitted, trusted=(OwnScaler,))
        assert (found.score_samples(X) == fitted.score_samples(X)).all()

    def test_trust_is_of_what_is_named(self, again):
        with pytest.raises(ValueError, match=r"trusted=\[OwnScaler\]"):
            again(OwnScaler(), trusted=[OwnNet])


def test_without_safetensors(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "safetensors.numpy", None)
    for call in (lambda: save(DiffusionManifoldSampler(), tmp_path / "x"), lambda: load(tmp_path)):
        with pytest.raises(ImportError, match=r"skdiffusion\[save\]"):
            call()
