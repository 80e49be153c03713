"""Write the results of the augmentation benchmark as Markdown."""

from importlib.metadata import version

import numpy as np
import pandas as pd

from benchmarks._report import markdown_table

PACKAGES = ["numpy", "scikit-learn", "torch", "imbalanced-learn"]


def write_report(folder):
    """Write ``augmentation.md`` from the CSV files in a folder, and return its path."""
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    lines = [
        "# Augmentation benchmark",
        "",
        "    python -m benchmarks.augmentation --data FOLDER --panel FOLDER",
        "",
        f"Versions: {versions}.",
        "",
    ]
    sections = {"classes": _classes, "panel": _panel, "numbers": _numbers}
    for name, describe in sections.items():
        path = folder / f"augmentation_{name}.csv"
        if path.exists():
            lines += describe(pd.read_csv(path))
    report = folder / "augmentation.md"
    report.write_text("\n".join(lines), encoding="utf-8")
    return report


def _complete(results):
    """Keep the folds that all methods have results for."""
    n_methods = results["method"].nunique() * results["model"].nunique()
    counts = results.groupby(["table", "fold"])["method"].transform("size")
    return results[counts == n_methods]


def _in_order(results, column):
    return list(dict.fromkeys(results[column]))


def _panel(results):
    """Of each half of the panel, drawn at random: nothing was chosen by the second."""
    names = np.random.RandomState(0).permutation(sorted(set(results["table"])))
    half = (len(names) + 1) // 2
    lines = []
    for title, part in (("to design on", names[:half]), ("to report", names[half:])):
        own = results[results["table"].isin(part)]
        lines += _classes(own, f"Panel of imbalanced problems, half {title}") if len(own) else []
    return lines


def _classes(results, title="Oversampled classes"):
    methods, models = _in_order(results, "method"), _in_order(results, "model")
    results = _complete(results)
    n_tables, n_folds = results["table"].nunique(), results["fold"].nunique()
    lines = [
        f"## {title}",
        "",
        f"{n_tables} tables, {n_folds} folds each. Every method makes all classes equally large, "
        "inside the fold. Means over tables and folds; the gain over none is that of the mean over "
        "the classifiers, with its standard error over tables and folds; below none are tables by "
        "more than a standard error of their folds.",
        "",
    ]
    for metric, title in (("ap", "Average precision"), ("f1", "Macro-F1 at threshold 0.5")):
        by_table = results.groupby(["method", "table"])[metric].mean().unstack()
        by_model = results.groupby(["method", "model", "table"])[metric].mean()
        by_model = by_model.groupby(["method", "model"]).mean().unstack()
        gain, error = _gain(results, metric)
        body = [
            [
                method,
                f"{by_table.loc[method].mean():.4f}",
                f"{gain[method]:+.4f} ± {error[method]:.4f}",
                str(_n_below(results, metric)[method]),
                *(f"{by_model.loc[method, m]:.4f}" for m in models),
            ]
            for method in methods
        ]
        lines += [f"### {title}", ""]
        lines += [
            *markdown_table(
                ["method", "mean", "gain over none", "tables below none", *models], body
            ),
            "",
        ]
        header = ["method", *(t.removeprefix("imb_") for t in by_table)]
        body = [[m, *(f"{v:.3f}" for v in by_table.loc[m])] for m in methods]
        lines += [*markdown_table(header, body), ""]
    seconds = results.groupby(["table", "fold", "method"])["resample_s"].first()
    median = seconds.groupby("method").median()["ours"]
    largest = seconds.groupby(["table", "method"]).mean().unstack()["ours"]
    return [
        *lines,
        f"Fit and draws of ours take {median:.1f} CPU seconds in the median, and at most "
        f"{largest.max():.0f} ({largest.idxmax()}).",
        "",
    ]


def _n_below(results, metric):
    """Count the tables on which methods are below none by more than a standard error of folds."""
    cells = results.groupby(["table", "fold", "method"])[metric].mean().unstack()
    by_table = cells.sub(cells["none"], axis=0).groupby("table")
    return (by_table.mean() < -by_table.sem() * (1 + 1e-4)).sum()


def _gain(results, metric):
    """Return the mean gain over none, tables weighing the same, and its standard error."""
    cells = results.groupby(["table", "fold", "method"])[metric].mean().unstack()
    gains = cells.sub(cells["none"], axis=0)
    by_table = gains.groupby("table")
    variance = by_table.var(ddof=1).div(by_table.size(), axis=0).mean() / len(by_table)
    return by_table.mean().mean(), np.sqrt(variance)


def _numbers(results):
    methods, models = _in_order(results, "method"), _in_order(results, "model")
    lines = [
        "## Rare values of a numeric target",
        "",
        "Targets above the 90th percentile of the training rows are rare. RMSE on the rare test "
        "rows and over all, in units of that without synthetic rows; the share is the number of "
        "synthetic rows in units of the real ones. Geometric means over folds, and in the first "
        "table over tables and regressors too.",
        "",
    ]
    plain = results[results["method"] == "none"]
    keys = ["table", "fold", "model", "share"]
    pair = results.merge(plain, on=keys, suffixes=("", "_plain"))
    for kind in ("rare", "all"):
        pair[kind] = np.log(pair[f"rmse_{kind}"] / pair[f"rmse_{kind}_plain"])
    overall = np.exp(pair.groupby(["method", "share"])[["rare", "all"]].mean())
    header = ["method", "share", "rare", "all"]
    body = [
        [method, f"{share:g}", *(f"{v:.3f}" for v in overall.loc[(method, share)])]
        for method in methods[1:]
        for share in sorted(set(results["share"]))
    ]
    lines += [*markdown_table(header, body), ""]
    for table, own in pair.groupby("table", sort=False):
        means = np.exp(own.groupby(["method", "share", "model"])[["rare", "all"]].mean())
        body = [
            [
                method,
                f"{share:g}",
                *(", ".join(f"{v:.3f}" for v in means.loc[(method, share, m)]) for m in models),
            ]
            for method in methods[1:]
            for share in sorted(set(own["share"]))
        ]
        header = ["method", "share", *(f"{m}: rare, all" for m in models)]
        lines += [f"### {table}", "", *markdown_table(header, body), ""]
        lines += ["RMSE by decile of the target at the smallest share, over the regressors:", ""]
        least = own[own["share"] == own["share"].min()]
        columns = [f"mse_{k}" for k in range(10)]
        deciles = np.sqrt(least.groupby("method")[columns].mean()).dropna(axis=1)
        body = [[m, *(f"{v:.3g}" for v in deciles.loc[m])] for m in methods]
        lines += [*markdown_table(["method", *(str(int(c[4:]) + 1) for c in deciles)], body), ""]
    return lines
