"""Cells that look like codes for missing ones are pointed out."""

import warnings

import numpy as np
import pandas as pd
import pytest

from skdiffusion import DenoiserNet, DiffusionImputer, DiffusionManifoldSampler, TableEncoder

N = 300
RNG = np.random.default_rng(0)


def column(code, times, cells):
    return pd.DataFrame({"x": np.r_[[code] * times, cells[times:]], "z": RNG.normal(size=N)})


AGES, AMOUNTS = RNG.integers(18, 90, N).astype(float), RNG.gamma(2, 20, N).round(1)
DAYS = pd.Timestamp("2023-01-01") + pd.to_timedelta(RNG.integers(0, 365, N), unit="D")


def with_days(code, times):
    X = pd.DataFrame({"x": DAYS, "z": RNG.normal(size=N)}).astype({"x": "datetime64[s]"})
    X.loc[: times - 1, "x"] = pd.Timestamp(code).as_unit("s")
    return X


@pytest.mark.parametrize(
    ("X", "code"),
    [
        (column(999, 1, AGES), "999"),
        (column(-9, 40, AGES + 5), None),
        (column(-99, 3, AGES), "-99"),
        (column(-1, 5, AMOUNTS), "-1"),
        (column(1e6, 2, AMOUNTS), "1e[+]06"),
        (with_days("9999-12-31", 100), "9999-12-31"),
        (with_days("1970-01-01", 4), "1970-01-01"),
        (column(AGES[0], 1, AGES), None),
        (column(1e6, 1, AMOUNTS), None),  # once, and no code: a gross cell
        (column(-1, 5, RNG.normal(size=N)), None),
        (column(99, 2, RNG.integers(0, 100, N)), None),
    ],
)
def test_which(X, code):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        TableEncoder().fit(X)
    if code is None:
        assert not caught
    else:
        (warning,) = caught
        assert warning.filename == __file__
        with pytest.raises(AssertionError, match=f"{code}.* in column 'x'.*replace it before fit"):
            raise AssertionError(str(warning.message))


def test_an_imputer_says_it_once():
    X = column(999, 1, AGES)
    X.loc[5:9, "z"] = np.nan
    net = DenoiserNet(max_epochs=1, steps_per_epoch=5)
    imputer = DiffusionImputer(sampler=DiffusionManifoldSampler(denoiser=net), random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        imputer.fit(X)
    assert len([w for w in caught if "999" in str(w.message)]) == 1
