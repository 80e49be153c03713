"""Write the results of the generation benchmark as Markdown."""

from importlib.metadata import version

import pandas as pd

SMALL = 2000

# Column of the results, heading, format.
METRICS = [
    ("w1_test", "Exact W1 to held-out rows, and its ratio to the copied training rows ↓", ".3f"),
    ("c2st_boosting", "C2ST, AUC of gradient boosting on held-out rows (0.5 ideal)", ".2f"),
    ("dcr_ratio", "DCR ratio (1: as far from training rows as fresh rows; 0: copies)", ".2f"),
    ("coverage", "Coverage of held-out rows, k = 5 ↑", ".2f"),
    ("shape_error", "Shape error, % ↓", ".1f"),
    ("trend_error", "Trend error, % ↓", ".1f"),
    ("fit_s", "Fit, CPU seconds on one thread", ".2f"),
    ("sample_s", "Sampling as many rows as the training table has, CPU seconds", ".2f"),
]
PACKAGES = ["numpy", "scipy", "scikit-learn", "torch", "skorch", "imbalanced-learn", "POT"]


def write_report(path, *, command, order):
    """Write the Markdown report next to a CSV file of results, and return its path."""
    results = pd.read_csv(path)
    methods = [m for m in order if m in set(results["method"])]
    methods += sorted({*results["method"]} - {*methods})
    seeds = ", ".join(map(str, sorted(results["seed"].unique())))
    n_tables = results["table"].nunique()
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    lines = [
        "# Generation benchmark",
        "",
        f"Means over the splits with seeds {seeds}, on {n_tables} tables. Command of the last run:",
        "",
        f"    {command}",
        "",
        f"Versions: {versions}.",
        "",
        *_summary(results[results["n_rows"] <= SMALL], methods),
    ]
    for metric, heading, spec in METRICS:
        lines += [f"## {heading}", "", *_per_table(results, methods, metric, spec), ""]
    report = path.with_suffix(".md")
    report.write_text("\n".join(lines), encoding="utf-8")
    return report


def _mean_over_seeds(results, metric, methods):
    means = results.pivot_table(index="table", columns="method", values=metric, dropna=False)
    return means.reindex(columns=methods)


def _ratio_to_copy(w1):
    """W1 in units of the copied training rows, the best that is within reach."""
    return w1.div(w1["copy"], axis=0) if "copy" in w1 else w1 * float("nan")


def _per_table(results, methods, metric, spec):
    means = _mean_over_seeds(results, metric, methods)
    cells = means.map(lambda value: _format(value, spec))
    if metric == "w1_test":
        ratio = _ratio_to_copy(means).map(lambda value: _format(value, ".2f"))
        cells = cells + (" (" + ratio + ")").where(means.notna(), "")
    body = [[table, *row] for table, row in zip(cells.index, cells.to_numpy(), strict=True)]
    return _markdown(["table", *methods], body)


def _summary(results, methods):
    """Compare the methods that were run on every split of every small table."""
    cells = {m: set(map(tuple, g[["table", "seed"]].values)) for m, g in results.groupby("method")}
    wanted = set().union(*cells.values())
    complete = [m for m in methods if cells.get(m) == wanted]
    partial = [f"{m} ({len(cells.get(m, ()))} of {len(wanted)})" for m in methods]
    partial = [text for text, m in zip(partial, methods, strict=True) if m not in complete]
    means = {metric: _mean_over_seeds(results, metric, complete) for metric, _, _ in METRICS}
    ratio = _ratio_to_copy(means["w1_test"])
    n_tables = len({table for table, _ in wanted})
    lines = [f"## Summary over the {n_tables} tables of up to {SMALL} rows", ""]
    header = [
        "method",
        "mean W1",
        "mean W1 / copy",
        "largest W1 / copy",
        "mean C2ST",
        "median DCR ratio",
        "smallest DCR ratio",
        "mean coverage",
        "mean shape error",
        "mean trend error",
        "median fit s",
        "median sample s",
        "largest fit + sample s",
    ]
    body = []
    for m in complete:
        seconds = means["fit_s"][m] + means["sample_s"][m]
        body.append(
            [
                m,
                _format(means["w1_test"][m].mean(), ".3f"),
                _format(ratio[m].mean(), ".3f"),
                _extreme(ratio[m], "max"),
                _format(means["c2st_boosting"][m].mean(), ".3f"),
                _format(means["dcr_ratio"][m].median(), ".2f"),
                _extreme(means["dcr_ratio"][m], "min"),
                _format(means["coverage"][m].mean(), ".3f"),
                _format(means["shape_error"][m].mean(), ".1f"),
                _format(means["trend_error"][m].mean(), ".1f"),
                _format(means["fit_s"][m].median(), ".2f"),
                _format(means["sample_s"][m].median(), ".2f"),
                _extreme(seconds, "max"),
            ]
        )
    lines += [*_markdown(header, body), ""]
    if partial:
        lines += [f"Not run on all splits and left out here: {', '.join(partial)}.", ""]
    return lines


def _extreme(values, which):
    """Format the largest or smallest value with the table it belongs to."""
    if values.isna().all():
        return "–"
    table = getattr(values, f"idx{which}")()
    return f"{values[table]:.2f} ({table})"


def _format(value, spec):
    return "–" if pd.isna(value) else format(value, spec)


def _markdown(header, body):
    rows = [header, ["---"] + ["---:"] * (len(header) - 1), *body]
    return [f"| {' | '.join(row)} |" for row in rows]
