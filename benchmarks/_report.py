"""Write the results of the scoreboard as Markdown."""

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

import pandas as pd

from benchmarks._published import read_scoreboard

# Column of the results, heading, format.
METRICS = [
    ("w1_test", "Exact W1 to held-out rows, and its ratio to the copied training rows ↓", ".3f"),
    ("coverage_test", "Coverage of held-out rows ↑", ".3f"),
    ("f1", "Utility: macro-F1 of four classifiers trained on generated rows ↑", ".3f"),
    ("r2", "Utility: R2 of four regressors trained on generated rows ↑", ".3f"),
    ("class_score", "Class score: how well four classifiers know generated rows ↓", ".3f"),
    ("dcr_ratio", "DCR ratio (1: as far from training rows as fresh rows; 0: copies)", ".2f"),
    ("copies", "Rows that equal a training row, % (last column: held-out rows)", ".1%"),
    ("c2st_boosting", "C2ST, AUC of gradient boosting on held-out rows (0.5 ideal)", ".2f"),
    ("shape_error", "Shape error, % ↓", ".1f"),
    ("trend_error", "Trend error, % ↓", ".1f"),
    ("w1_train", "Exact W1 to training rows", ".3f"),
    ("coverage_train", "Coverage of training rows", ".3f"),
    ("fit_s", "Fit, CPU seconds on one thread", ".2f"),
    ("sample_s", "Drawing as many rows as the training table has, CPU seconds", ".2f"),
]
PACKAGES = [
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "skorch",
    "imbalanced-learn",
    "POT",
    "xgboost",
    "xgboost-cpu",
    "synthpop-py",
    "pyvinecopulib",
]
# Column of the results, heading, how tables are summed up, format.
SUMMARY = [
    ("w1_test", "W1 test", "mean", ".3f"),
    ("coverage_test", "coverage test", "mean", ".3f"),
    ("f1", "F1", "mean", ".3f"),
    ("r2", "R2", "mean", ".3f"),
    ("class_score", "class score", "mean", ".3f"),
    ("dcr_ratio", "median DCR ratio", "median", ".2f"),
    ("copies", "copies", "mean", ".1%"),
    ("c2st_boosting", "C2ST", "mean", ".3f"),
    ("shape_error", "shape error, %", "mean", ".1f"),
    ("trend_error", "trend error, %", "mean", ".1f"),
    ("w1_train", "W1 train", "mean", ".3f"),
    ("coverage_train", "coverage train", "mean", ".3f"),
]
# Learners differ between versions: utility is also given as what it lacks to copied rows'.
UTILITY = ("f1", "r2")
COPY, PUBLISHED_COPY = "copy", "copied training rows (published)"


def versions(packages):
    """Name in one line the versions of those packages that are installed."""
    found = []
    for package in packages:
        with suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return ", ".join(found)


def write_report(path, *, command, order, published=None):
    """Write the Markdown report next to a CSV file of results, and return its path."""
    results = pd.read_csv(path).drop_duplicates(["table", "seed", "method"], keep="last")
    methods = [m for m in order if m in set(results["method"])]
    methods += sorted({*results["method"]} - {*methods})
    tables = list(dict.fromkeys(results["table"]))
    means = {
        metric: results.pivot_table(
            index="table", columns="method", values=metric, dropna=False
        ).reindex(index=tables, columns=methods)
        for metric, _, _ in METRICS
    }
    means["copies"]["held out"] = results.groupby("table")["copies_test"].mean()
    others = [] if published is None else merge_published(means, read_scoreboard(published))
    lines = [
        "# Scoreboard of generated tables",
        "",
        f"{len(tables)} tables, splits with seeds {_listed(results['seed'])}; tables drawn from a "
        f"fit: {_listed(results['n_tables'])}; trainings of a learner: "
        f"{_listed(results['n_repetitions'])}. Command of the last run:",
        "",
        f"    {command}",
        "",
        f"Versions: {versions(PACKAGES)}.",
        "",
        *_summary(results, means, methods, others),
    ]
    for metric, heading, spec in METRICS:
        lines += [f"## {heading}", "", *_per_table(means[metric], metric, spec), ""]
    report = path.with_suffix(".md")
    report.write_text("\n".join(lines), encoding="utf-8")
    return report


def merge_published(means, rows):
    """Add columns of published figures to the means by table; return the names of the systems."""
    for metric, table in means.items():
        if metric in rows:
            wide = rows.pivot_table(index="table", columns="method", values=metric)
            means[metric] = table.join(wide)
    return sorted(set(rows["method"]))


def _listed(values):
    return ", ".join(map(str, sorted(values.unique())))


def _ratio_to_copy(w1):
    """W1 in units of the copied training rows, the best that is within reach."""
    return w1.div(w1["copy"], axis=0) if "copy" in w1 else w1 * float("nan")


def _per_table(means, metric, spec):
    means = means.dropna(how="all").dropna(how="all", axis=1)
    cells = means.map(lambda value: format_value(value, spec))
    if metric == "w1_test":
        ratio = _ratio_to_copy(means).map(lambda value: format_value(value, ".2f"))
        cells = cells + (" (" + ratio + ")").where(means.notna(), "")
    body = [[table, *row] for table, row in zip(cells.index, cells.to_numpy(), strict=True)]
    body.append(["mean", *(format_value(value, spec) for value in means.mean(skipna=False))])
    return markdown_table(["table", *means.columns], body)


def _summary(results, means, methods, others):
    """Compare the methods that were run on every split of every table, and published systems."""
    cells = {m: set(map(tuple, g[["table", "seed"]].values)) for m, g in results.groupby("method")}
    wanted = set().union(*cells.values())
    complete = [m for m in methods if cells.get(m) == wanted]
    partial = [f"{m} ({len(cells[m])} of {len(wanted)})" for m in methods if m not in complete]
    ratio = _ratio_to_copy(means["w1_test"])
    header = ["method", *(heading for _, heading, _, _ in SUMMARY)]
    header += ["W1 / copy", "largest", "smallest DCR ratio", "largest DCR ratio"]
    header += ["median fit s", "median sample s", "largest fit + sample s"]
    body = []
    for m in [*complete, *others]:
        line = [m]
        copy = PUBLISHED_COPY if m in others else COPY
        for metric, _, how, spec in SUMMARY:
            value = _over_tables(means, metric, m, how)
            line.append(format_value(value, spec))
            if metric in UTILITY:
                line[-1] += (
                    f" ({format_value(value - _over_tables(means, metric, copy, how), '+.3f')})"
                )
        line += [format_value(ratio[m].mean(skipna=False), ".3f"), _extreme(ratio[m], "max")]
        if m in complete:
            dcr, fit_s, sample_s = (means[x][m] for x in ("dcr_ratio", "fit_s", "sample_s"))
            line += [_extreme(dcr, "min"), _extreme(dcr, "max")]
            line += [format_value(fit_s.median(), ".2f"), format_value(sample_s.median(), ".2f")]
            line += [_extreme(fit_s + sample_s, "max")]
        else:
            line += ["–"] * 5
        body.append(line)
    held_out = means["copies"]["held out"].mean()
    lines = [
        "## Summary",
        "",
        *markdown_table(header, body),
        "",
        f"Of the held-out rows, {held_out:.1%} equal a training row. In parentheses: F1 and R2",
        "less those of the copied training rows, in the same run or as published.",
        "",
    ]
    if partial:
        lines += [f"Not run on all splits and left out here: {', '.join(partial)}.", ""]
    return lines


def _over_tables(means, metric, method, how):
    """Sum up a metric over tables; nothing where a method lacks some that others have."""
    values = means[metric].dropna(how="all")
    if method not in values or values.empty:
        return float("nan")
    return getattr(values[method], how)(skipna=metric == "dcr_ratio")


def _extreme(values, which):
    """Format the largest or smallest value with the table it belongs to."""
    if values.isna().all():
        return "–"
    table = getattr(values, f"idx{which}")()
    return f"{values[table]:.2f} ({table})"


def format_value(value, spec):
    """Format a figure, a dash where there is none."""
    return "–" if pd.isna(value) else format(value, spec)


def markdown_table(header, body, text=1):
    """Return the lines of a table whose first columns are text, the others numbers."""
    rule = ["---"] * text + ["---:"] * (len(header) - text)
    return [f"| {' | '.join(row)} |" for row in [header, rule, *body]]
