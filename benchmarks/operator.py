"""Operator-informed score matching: its densities in two columns, and baselines of networks.

    python -m benchmarks.operator

Density. `OperatorScoreMatching` with 8, 16 and 24 frequencies against a Gaussian kernel density
whose bandwidth is cross-validated, by the log-likelihood of the same held-out rows. Claim: with 24,
the default, it is within 0.08 nats of the kernel density on all four sets. One column shows the
same fit without smoothing.

Signal and training. What each baseline of `DiffusionManifoldSampler` leaves to the network, and the
held-out loss after training from it.
"""

import argparse
import math
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from threadpoolctl import threadpool_limits

from benchmarks import _toys
from benchmarks._residual import signal_rows, training_rows
from skdiffusion import OperatorScoreMatching

LIMIT = 0.08
SETS = {
    "8gaussians": "eight_gaussians",
    "2spirals": "two_spirals",
    "pinwheel": "pinwheel",
    "checkerboard": "checkerboard",
}
FREQUENCIES = (8, 16, 24)
MAX_TRAINING_SEEDS = 3
BANDWIDTHS = np.geomspace(0.02, 1.0, 30)


def kernel_density(X):
    """Fit a kernel density with the bandwidth of the best held-out likelihood of five folds."""
    search = GridSearchCV(KernelDensity(), {"bandwidth": BANDWIDTHS}, cv=5)
    return search.fit(X).best_estimator_


def density_rows(n_rows, n_test, seed):
    """Held-out log-likelihoods of one draw of each set, one row for each method."""
    for name, function in SETS.items():
        make = getattr(_toys, f"make_{function}")
        exact = getattr(_toys, f"{function}_log_density")
        X = make(n_rows, random_state=2 * seed)
        test = make(n_test, random_state=2 * seed + 1)
        results = {
            "exact distribution": (exact(test).mean(), 0.0),
            "kernel density": (kernel_density(X).score_samples(test).mean(), math.nan),
        }
        for degree in FREQUENCIES:
            model = OperatorScoreMatching(degree=degree, random_state=seed)
            results[f"{degree} frequencies"] = clocked(model, X, test)
        plain = OperatorScoreMatching(degree=FREQUENCIES[-1], smoothing=0.0)
        results[f"{FREQUENCIES[-1]}, not smoothed"] = clocked(plain, X, test)
        for method, (value, seconds) in results.items():
            yield {
                "set": name,
                "seed": seed,
                "method": method,
                "log_likelihood": value,
                "seconds": seconds,
            }


def clocked(model, X, test):
    """Fit and score; return the mean log-likelihood and the CPU seconds of both."""
    start = time.process_time()
    value = model.fit(X).score(test)
    return value, time.process_time() - start


PARTS = {
    "density": density_rows,
    "signal": signal_rows,
    "training": training_rows,
}


def table(results, index, value, spec):
    """Return a Markdown table of means over the seeds, with their standard errors."""
    methods = list(dict.fromkeys(results["method"]))
    groups = results.groupby([*index, "method"], sort=False)[value]
    means, errors = groups.mean().unstack("method"), groups.sem().unstack("method")
    lines = [
        f"| {' | '.join([*index, *methods])} |",
        f"| {' | '.join(['---'] * len(index) + ['---:'] * len(methods))} |",
    ]
    for key in means.index:
        labels = key if isinstance(key, tuple) else (key,)
        cells = [
            ("" if np.isnan(means.loc[key, m]) else format(means.loc[key, m], spec))
            + ("" if np.isnan(errors.loc[key, m]) else f" ± {errors.loc[key, m]:{spec}}")
            for m in methods
        ]
        lines.append(f"| {' | '.join([*map(str, labels), *cells])} |")
    return lines


def density_report(results, n_rows, n_test):
    """Return the Markdown lines of the first part."""
    means = results.pivot_table(index="set", columns="method", values="log_likelihood")
    default = f"{FREQUENCIES[-1]} frequencies"
    worst = (means["kernel density"] - means[default]).max()
    seconds = results[results["method"] == default]["seconds"]
    verdict = "within" if worst <= LIMIT else "above"
    return [
        "## Density",
        "",
        f"Log-likelihood of {n_test:,} held-out rows, fitted to {n_rows:,}. With {default} the",
        f"largest loss against the kernel density is {worst:.3f} nats, {verdict} the limit of",
        f"{LIMIT}. Fitting and scoring take {seconds.median():.1f} CPU seconds with it (median).",
        "",
        *table(results, ["set"], "log_likelihood", ".3f"),
        "",
    ]


def signal_report(results, n_rows, n_test):
    """Return the Markdown lines of the third part."""
    return [
        "## Signal left for a network",
        "",
        f"Eight Gaussians, {n_rows:,} rows, {n_test:,} new ones. The share of the score's energy",
        "that a baseline leaves, E|exact - s|^2 / E|exact|^2:",
        "",
        *table(results, ["t"], "signal_left", ".4f"),
        "",
        "What is left of the loss at the start of training, E|target - s|^2 / E|target|^2; nothing",
        "is below that of the exact score, the variance of the target itself:",
        "",
        *table(results, ["t"], "loss", ".3f"),
        "",
    ]


def training_report(results, n_rows, n_test):
    """Return the Markdown lines of the fourth part."""
    means = results.groupby(["table", "steps", "method"])["loss"].mean().unstack("method")
    trained = means[means.index.get_level_values("steps") > 0]
    first = trained.index.get_level_values("steps").min()
    early = trained.xs(first, level="steps")
    gains = ", ".join(
        f"{name} {early[name].mean() / early['gaussian'].mean():.3f}" for name in ("mixture",)
    )
    return [
        "## Training from each baseline",
        "",
        "Held-out loss of EDM over ten noise levels, by training steps; zero is the baseline",
        f"itself. Means over {results['seed'].nunique()} splits. Each budget is a training of its",
        "own. 'gaussian' whitens by the covariance; the others do too, and give the network the",
        "direction of their baseline as input. 'none' has neither. Mean loss in units of that with",
        f"the Gaussian alone, after {first} steps: {gains}.",
        "",
        *table(results, ["table", "steps"], "loss", ".3f"),
        "",
        "CPU seconds of training:",
        "",
        *table(results[results["steps"] > 0], ["table", "steps"], "seconds", ".1f"),
        "",
    ]


REPORTS = {
    "density": density_report,
    "signal": signal_report,
    "training": training_report,
}


def parse(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operator", description=__doc__)
    parser.add_argument("--seeds", type=int, help="number of draws of each set (default 5)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--quick", action="store_true", help="one draw of few rows: does it run?")
    args = parser.parse_args(argv)
    if args.seeds is None:
        args.seeds = 1 if args.quick else 5
    if args.quick:
        args.output = args.output / "quick"
    return args


def main(argv=None):
    """Run the benchmark and write its report."""
    args = parse(argv)
    sizes = dict(zip(PARTS, [(1000, 2000), (2000, 4000), (2000, 4000)], strict=True))
    if args.quick:
        sizes = dict.fromkeys(PARTS, (200, 300))
    command = f"python -m benchmarks.operator --seeds {args.seeds}"
    command += " --quick" if args.quick else ""
    lines = [
        "# Operator-informed score matching",
        "",
        f"Means over {args.seeds} draws of each set,",
    ]
    lines += ["with standard errors, on one thread. Command:", "", f"    {command}", ""]
    args.output.mkdir(parents=True, exist_ok=True)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            for part in args.parts:
                seeds = range(min(args.seeds, MAX_TRAINING_SEEDS if part == "training" else 99))
                rows = [row for seed in seeds for row in PARTS[part](*sizes[part], seed)]
                pd.DataFrame(rows).to_csv(args.output / f"operator_{part}.csv", index=False)
    finally:
        torch.set_num_threads(n_threads)
    for part, report in REPORTS.items():
        path = args.output / f"operator_{part}.csv"
        if path.exists():
            lines += report(pd.read_csv(path), *sizes[part])
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "scikit-learn"))
    lines += [f"Python {platform.python_version()}, {packages}.", ""]
    path = args.output / "operator.md"
    path.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
    print(f"Report in {path}.")


if __name__ == "__main__":
    main()
