"""Forecasts as distributions: draws of a numeric target, judged by the CRPS.

    python -m benchmarks.forecast --data FOLDER

Tables with a numeric target, 80 % of the rows to train on, at most 2,000 rows. Each method draws
100 targets for each held-out row. The CRPS is in standard deviations of the target; coverage is
that of the range from the 5 % to the 95 % quantile of the draws, ideally 90 %.
"""

import argparse
import importlib.util
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from threadpoolctl import threadpool_limits

from benchmarks._data import load_table, table_names
from skdiffusion import DenoiserNet, DiffusionManifoldSampler

TABLES = (
    "abalone",
    "airfoil_self_noise",
    "concrete_compression",
    "diabetes_sk",
    "insurance",
    "yacht_hydrodynamics",
)
N_DRAWS = 100
RESULTS = Path(__file__).parent / "results"


def ridge(train, test, seed):
    """Ridge regression with normal errors of one size."""
    X, X_test = one_hot(train, test)
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13)))
    model = TransformedTargetRegressor(model, transformer=StandardScaler()).fit(X, train.y)
    spread = np.std(train.y - model.predict(X))
    noise = np.random.default_rng(seed).normal(size=(len(X_test), N_DRAWS))
    return model.predict(X_test)[:, None] + spread * noise


def boosted_quantiles(train, test, seed):
    """Gradient boosting of 19 quantiles, drawn from by interpolation."""
    X, X_test = one_hot(train, test)
    levels = np.linspace(0.05, 0.95, 19)
    curves = np.stack(
        [
            HistGradientBoostingRegressor(
                loss="quantile", quantile=q, max_iter=60, random_state=seed
            )
            .fit(X, train.y)
            .predict(X_test)
            for q in levels
        ],
        axis=1,
    )
    curves.sort(axis=1)
    u = np.random.default_rng(seed).uniform(size=(len(X_test), N_DRAWS))
    pairs = zip(u, curves, strict=True)
    return np.stack([np.interp(draws, levels, curve) for draws, curve in pairs])


def treeffuser(train, test, seed):
    """Treeffuser with its defaults: a diffusion model of boosted trees for the target alone."""
    from treeffuser import Treeffuser

    X, X_test = one_hot(train, test)
    model = Treeffuser(seed=seed).fit(X, train.y.reshape(-1, 1))
    drawn = model.sample(X_test, n_samples=N_DRAWS, seed=seed, verbose=False)
    return np.asarray(drawn).reshape(N_DRAWS, len(X_test)).T


def ours(train, test, seed, **options):
    """`DiffusionManifoldSampler()` on a frame with a dtype of categories, `sample_y`."""
    sampler = DiffusionManifoldSampler(target="continuous", random_state=seed, **options)
    sampler.fit(frame_of(train), train.y)
    return sampler.sample_y(frame_of(test), N_DRAWS, random_state=seed)


METHODS = {"ridge": ridge, "quantiles": boosted_quantiles, "treeffuser": treeffuser, "ours": ours}


def frame_of(table):
    """Features as a frame, categories as such."""
    frame = pd.DataFrame(table.X, columns=[f"x{j}" for j in range(table.X.shape[1])])
    return frame.astype({f"x{j}": "category" for j in table.categorical})


def one_hot(train, test):
    """Features of both parts as numbers."""
    both = pd.get_dummies(pd.concat([frame_of(train), frame_of(test)])).to_numpy(dtype=np.float64)
    return both[: len(train.X)], both[len(train.X) :]


def crps(y, draws):
    """Return the continuous ranked probability score of forecasts given as draws.

    ``E|Y - y| - E|Y - Y'| / 2`` with independent draws `Y` and `Y'`: smallest, in the mean, for the
    true conditional distribution (Gneiting and Raftery, JASA 2007, equation 21).

    Parameters
    ----------
    y : array-like of shape (n,)
        What came.
    draws : array-like of shape (n, n_draws)
        Draws of the forecast of each row, at least two.

    Returns
    -------
    score : ndarray of shape (n,)
        In units of `y`; smaller is better. Its mean does not depend on the number of draws.
    """
    y = column_or_1d(y)
    draws = np.sort(check_array(draws, ensure_min_features=2, input_name="draws"), axis=1)
    check_consistent_length(y, draws)
    m = draws.shape[1]
    error = np.abs(draws - np.asarray(y, dtype=np.float64)[:, None]).mean(axis=1)
    # sums over pairs of sorted draws need no pairs
    ranks = 2 * np.arange(m) - m + 1
    return error - draws @ ranks / (m * (m - 1))


def measure(name, method, seed, folder, **options):
    """Return one row of results."""
    train, test = load_table(name, folder=folder, max_rows=2000).split(seed)
    start = time.process_time()
    draws = METHODS[method](train, test, seed, **options)
    seconds = time.process_time() - start
    low, high = np.quantile(draws, [0.05, 0.95], axis=1)
    return {
        "table": name,
        "seed": seed,
        "method": method,
        "crps": float(crps(test.y, draws).mean() / np.std(train.y)),
        "coverage": float(np.mean((low <= test.y) & (test.y <= high))),
        "cpu_s": seconds,
    }


def write_report(rows, path):
    """Write the tables of results."""
    results = pd.DataFrame(rows)
    by_table = results.pivot_table(index="table", columns="method", values="crps")
    summary = results.groupby("method").agg(
        crps=("crps", "mean"), coverage=("coverage", "mean"), cpu_s=("cpu_s", "median")
    )
    packages = ("numpy", "scikit-learn", "torch")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    lines = [
        "# Forecast benchmark",
        "",
        "CRPS in standard deviations of the target, of 100 draws for each held-out row; coverage",
        "of the range from the 5 % to the 95 % quantile of the draws (90 % ideal); CPU seconds of",
        "fit and draws on one thread, median over tables.",
        f"Seeds: {sorted(results['seed'].unique().tolist())}. Python {platform.python_version()}, "
        f"{versions}.",
        "",
        markdown(summary, {"crps": "{:.3f}", "coverage": "{:.1%}", "cpu_s": "{:.1f}"}),
        "",
        "## CRPS ↓",
        "",
        markdown(by_table, dict.fromkeys(by_table, "{:.3f}")),
        "",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".md").write_text("\n".join(lines))
    results.to_csv(path.with_suffix(".csv"), index=False)


def markdown(frame, formats):
    """Format a frame as a table of markdown."""
    head = f"| {frame.index.name} | " + " | ".join(frame.columns) + " |"
    rule = "| --- |" + " ---: |" * frame.shape[1]
    body = [
        f"| {name} | " + " | ".join(formats[c].format(row[c]) for c in frame) + " |"
        for name, row in frame.iterrows()
    ]
    return "\n".join([head, rule, *body])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="folder of tables")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--quick", action="store_true", help="one small table, short training")
    args = parser.parse_args()
    known = set(table_names(args.data))
    tables = [name for name in TABLES if name in known]
    options, path = {}, RESULTS / "forecast"
    if args.quick:
        tables, args.seeds, path = ["diabetes_sk"], 1, RESULTS / "quick" / "forecast"
        options = {"denoiser": DenoiserNet(max_epochs=2)}
    methods = args.methods
    if importlib.util.find_spec("treeffuser") is None and "treeffuser" in methods:
        print("treeffuser is not installed: left out.")
        methods = [method for method in methods if method != "treeffuser"]
    rows = []
    with threadpool_limits(1):
        for name in tables:
            for seed in range(args.seeds):
                for method in methods:
                    extra = options if method == "ours" else {}
                    rows.append(measure(name, method, seed, args.data, **extra))
                    print(rows[-1], flush=True)
    write_report(rows, path)


if __name__ == "__main__":
    main()
