"""Known graphs of conditional dependences, found in rows drawn from them.

    python -m benchmarks.dependence

Tables of 8 to 20 columns. In Gaussian ones columns are joined where their precision is not zero, at
random, in hubs or along a band; "warped" has other margins. In the others each column is a function
of at most two earlier ones plus noise, and they and it are all joined to one another.

`conditional_dependence` of a default `DiffusionManifoldSampler` stands beside partial correlations
by the OAS and the graphical lasso, correlations, and importances in forests of each column on all
others. Claims: areas under the ROC curve of .95 or more over the Gaussian families, .9 over the
others. All was chosen on "random", "sine" and "product", with other seeds; the rest is held out.
"""

import argparse
import time
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.covariance import GraphicalLassoCV, oas
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from skdiffusion import DiffusionManifoldSampler
from skdiffusion.inspection import conditional_dependence

WIDTHS = (8, 12, 16, 20, 12)
GAUSSIAN, DESIGN = ("random", "hubs", "band"), ("random", "sine", "product")
# of parents (p, n), of which there are one or two, and noise (n,)
FUNCTIONS = {
    "sine": lambda a, e: np.sin(1.5 * a.sum(0)) + 0.4 * e,
    "product": lambda a, e: (a.prod(0) if len(a) > 1 else 1.5 * np.abs(a[0])) + 0.5 * e,
    "square": lambda a, e: (a**2).sum(0) / np.sqrt(2 * len(a)) + 0.5 * e,
    "scale": lambda a, e: np.exp(0.8 * a.sum(0).clip(-2, 2) / np.sqrt(len(a))) * e,
    "bend": lambda a, e: np.tanh(2 * a).sum(0) + 0.5 * e,
}
FAMILIES = (*GAUSSIAN, "warped", *FUNCTIONS)


def gaussian_rows(family, n, d, rng):
    """Draw rows of a sparse precision; return them and which columns are joined."""
    if family == "band":
        pairs = [(i, i + k) for k in (1, 2) for i in range(d - k)]
    elif family == "hubs":
        pairs = [(4 * (j // 4), j) for j in range(d) if j % 4]
        pairs += [tuple(rng.choice(d, 2, replace=False)) for _ in range(d // 3)]
    else:
        every = np.transpose(np.triu_indices(d, 1))
        pairs = rng.permutation(every)[: round(0.2 * len(every))]
    precision = np.zeros((d, d))
    for i, j in pairs:
        precision[i, j] = precision[j, i] = rng.choice([-1, 1]) * rng.uniform(0.5, 1)
    joined = precision != 0
    precision += (0.5 - np.linalg.eigvalsh(precision)[0]) * np.eye(d)
    X = rng.multivariate_normal(np.zeros(d), np.linalg.inv(precision), n)
    if family == "warped":
        X = np.where(np.arange(d) % 2, np.exp(X / X.std(0)), X**3)
    return X, joined


def causal_rows(family, n, d, rng):
    """Draw columns one after the other; return them and which are joined."""
    X, joined = np.zeros((d, n)), np.zeros((d, d), dtype=bool)
    for j in range(d):
        parents = rng.choice(j, rng.choice([0, 1, 2], p=[0.3, 0.4, 0.3]), False) if j > 1 else []
        x = rng.normal(size=n)
        x = FUNCTIONS[family](X[parents], x) if len(parents) else x
        X[j] = (x - x.mean()) / x.std()
        joined[np.ix_([*parents, j], [*parents, j])] = True
    return X.T, joined


def by_precision(estimate, X):
    """Return absolute partial correlations by an estimate of the precision."""
    precision = np.abs(estimate((X - X.mean(0)) / X.std(0)))
    return precision / np.sqrt(np.outer(precision.diagonal(), precision.diagonal()))


def by_forest(forest, X):
    """Return importances of columns for one another, both ways added up."""
    found = np.zeros((X.shape[1],) * 2)
    for j in range(len(found)):
        model, others = forest(50, min_samples_leaf=5, random_state=0), np.arange(len(found)) != j
        found[j, others] = model.fit(X[:, others], X[:, j]).feature_importances_
    return found + found.T


METHODS = {
    "ours": lambda X: conditional_dependence(DiffusionManifoldSampler(random_state=0).fit(X), X),
    "OAS": partial(by_precision, lambda X: np.linalg.inv(oas(X)[0])),
    "graphical lasso": partial(by_precision, lambda X: GraphicalLassoCV().fit(X).precision_),
    "correlation": lambda X: np.abs(np.corrcoef(X.T)),
    "extra trees": partial(by_forest, ExtraTreesRegressor),
    "random forest": partial(by_forest, RandomForestRegressor),
}


def measure(family, n, d, seed):
    """Yield a result for each method on one draw."""
    rng = np.random.default_rng([seed, FAMILIES.index(family)])
    X, joined = (causal_rows if family in FUNCTIONS else gaussian_rows)(family, n, d, rng)
    order, pairs = rng.permutation(d), np.triu_indices(d, 1)
    X, joined = X[:, order], joined[np.ix_(order, order)][pairs]
    for method, function in METHODS.items():
        start = time.process_time()
        area = roc_auc_score(joined, function(X)[pairs])
        key = {"family": family, "columns": d, "seed": seed, "method": method}
        yield key | {"area": area, "seconds": time.process_time() - start}


def report(found, command):
    """Return the Markdown text."""
    means = found.groupby(["family", "method"], sort=False)["area"].mean().unstack()[[*METHODS]]
    for name, families in {"Gaussian": GAUSSIAN, "not linear": FUNCTIONS}.items():
        held_out = [family for family in families if family not in DESIGN]
        means.loc[f"{name}, held out"] = means.loc[held_out].mean()
    means.loc["CPU seconds"] = found.groupby("method")["seconds"].mean()
    rows = [["family", *METHODS], ["---", *["---:"] * len(METHODS)]]
    rows += [[name, *(f"{value:.3f}" for value in row)] for name, row in means.iterrows()]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    text = f"Mean areas under ROC curves. Design: {', '.join(DESIGN)}.\n\n    {command}"
    return f"# Conditional dependences\n\n{text}\n\n{table}\n"


def main(argv=None):
    """Run the benchmark, and write its results and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dependence", description=__doc__)
    parser.add_argument("--seeds", type=int, help="draws of each family (default 5)")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--quick", action="store_true", help="few rows and columns: does it run?")
    args = parser.parse_args(argv)
    seeds, n = args.seeds or (1 if args.quick else 5), 200 if args.quick else 2000
    rows, output = [], args.output / ("quick" if args.quick else "")
    output.mkdir(parents=True, exist_ok=True)
    with threadpool_limits(1):
        for seed, family in product(range(seeds), FAMILIES):
            rows += measure(family, n, 6 if args.quick else WIDTHS[seed % len(WIDTHS)], seed)
            print(family, seed, *(f"{row['area']:.3f}" for row in rows[-len(METHODS) :]))
            pd.DataFrame(rows).to_csv(output / "dependence.csv", index=False)
    command = f"python -m benchmarks.dependence --seeds {seeds}" + " --quick" * args.quick
    (output / "dependence.md").write_text(report(pd.DataFrame(rows), command), encoding="utf-8")


if __name__ == "__main__":
    main()
