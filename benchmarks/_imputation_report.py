"""Write the results of the imputation benchmark as Markdown."""

import numpy as np
import pandas as pd

from benchmarks._imputation_data import PATTERNS
from benchmarks._imputation_rivals import ABOUT, METHODS
from benchmarks._report import format_value, markdown_table, versions

PACKAGES = ["numpy", "scipy", "scikit-learn", "torch"]
CELL = ["table", "pattern", "seed"]
ERRORS = [
    ("mean_error", "mean error", ".3f"),
    ("nrmse", "NRMSE", ".3f"),
    ("nmae", "MAE / sd", ".3f"),
    ("cat_error", "wrong categories, %", ".1%"),
]


def write_report(path, *, command):
    """Write the Markdown report next to a CSV file of results, and return its path."""
    rows = pd.read_csv(path).drop_duplicates([*CELL, "method"], keep="last")
    rows, left_out = _common(rows)
    methods = [m for m in METHODS if m in set(rows["method"])]
    methods += sorted({*rows["method"]} - {*methods})
    lines = [
        "# Imputation benchmark",
        "",
        "Features and target of a table lose cells; a method completes the table that it was",
        "fitted on. Errors are on the removed cells: numbers in standard deviations of their",
        "column (NRMSE: root of the mean square over all numeric cells; MAE / sd), categories as",
        "the share of wrong ones. The mean error weighs NRMSE and that share by the numbers of",
        "their cells. All on one thread.",
        "Means over the seeds, then over the tables. Command of the last run:",
        "",
        f"    {command}",
        "",
        f"Versions: {versions(PACKAGES)}.",
        "",
        *[f"- `{m}`: {ABOUT[m]}" for m in methods if m in ABOUT],
        "",
        *_summary(rows, methods),
        *left_out,
        *_draws(rows, methods),
        *_by_table(rows, methods, "mean_error", "Mean error ↓"),
        *_by_table(rows, methods, "cat_error", "Wrong categories, %", ".1%"),
        *_by_table(rows, methods, "crps", "CRPS / sd of 20 draws ↓"),
        *_by_table(rows, methods, "coverage", "Coverage of the range of 20 draws, %", ".1%"),
        *_by_table(rows, methods, "seconds", "CPU seconds, draws included", ".1f"),
    ]
    report = path.with_suffix(".md")
    report.write_text("\n".join(lines), encoding="utf-8")
    return report


def _common(rows):
    """Keep the runs that every method has, and name the methods that lack a table or a pattern."""
    rows = rows.assign(seconds=rows["point_s"] + rows["draws_s"].fillna(0))
    cells = {m: set(map(tuple, g[CELL].to_numpy())) for m, g in rows.groupby("method")}
    places = {m: {cell[:2] for cell in found} for m, found in cells.items()}
    wanted = set().union(*places.values())
    complete = [m for m in cells if places[m] == wanted] or [*cells]
    common = set.intersection(*(cells[m] for m in complete))
    partial = [f"{m} ({len(places[m])} of {len(wanted)})" for m in cells if m not in complete]
    keep = rows["method"].isin(complete)
    if common:
        keep &= np.array([tuple(cell) in common for cell in rows[CELL].to_numpy()])
    note = f"Not run on all tables and patterns, and left out: {', '.join(partial)}."
    return rows[keep], [note, ""] if partial else []


def _means(rows, value, methods, by=("table", "pattern")):
    """Mean over the seeds, for each table and pattern."""
    return rows.pivot_table(
        index=[*by], columns="method", values=value, dropna=False, observed=True
    ).reindex(columns=methods)


def _patterns(rows):
    return [p for p in PATTERNS if p in set(rows["pattern"])]


def _summary(rows, methods):
    """Errors, ranks and seconds of all methods."""
    patterns = _patterns(rows)
    places = rows.groupby(["table", "pattern"]).ngroups
    seeds = ", ".join(map(str, sorted(rows["seed"].unique())))
    lines = [
        "## Summary",
        "",
        f"{rows['table'].nunique()} tables, patterns {', '.join(patterns)}, seeds {seeds}. Best: in"
        f" how many of the {places} tables with a pattern the mean error is the smallest.",
        "",
    ]
    header = ["method", *(f"mean error {p}" for p in patterns)]
    header += [heading for _, heading, _ in ERRORS]
    header += ["mean rank", "best", "median CPU-s", "largest CPU-s"]
    error = _means(rows, "mean_error", methods)
    best = error.idxmin(axis=1)
    seconds = _means(rows, "seconds", methods)
    body = []
    for m in methods:
        by_pattern = error[m].groupby("pattern").mean()
        line = [f"`{m}`", *(format_value(by_pattern[p], ".3f") for p in patterns)]
        for value, _, spec in ERRORS:
            line.append(_percent(_means(rows, value, methods)[m].mean(), spec))
        line += [f"{error.rank(axis=1)[m].mean():.2f}", str((best == m).sum())]
        line += [f"{seconds[m].median():.2f}", f"{seconds[m].max():.1f}"]
        body.append(line)
    return [*lines, *markdown_table(header, body), ""]


def _draws(rows, methods):
    """Coverage, width and CRPS, for each pattern."""
    patterns = _patterns(rows)
    header = ["method"]
    header += [f"{what} {p}" for what in ("coverage", "width / sd", "CRPS / sd") for p in patterns]
    header += ["median CPU-s, fit included"]
    body = []
    for m in methods:
        own = {v: _means(rows, v, methods)[m] for v in ("coverage", "width", "crps", "nmae")}
        has_draws = own["crps"].notna().any()
        line = [f"`{m}`" if has_draws else f"`{m}`, one value"]
        for value, spec in (("coverage", ".1%"), ("width", ".2f"), ("crps", ".3f")):
            # the CRPS of a single value is its absolute error
            figures = own["nmae" if value == "crps" and not has_draws else value]
            figures = figures.groupby("pattern").mean()
            line += [_percent(figures[p], spec) for p in patterns]
        seconds = _means(rows, "seconds", methods)[m].median()
        body.append([*line, format_value(seconds, ".2f")])
    return [
        "## Draws",
        "",
        "Numeric cells only. The range of 20 draws of the truth covers 19 / 21 = 90.5 % of the",
        "removed cells; of two methods with that coverage, the narrower one knows more. The CRPS",
        "judges both at once; for a method without draws it is the absolute error.",
        "",
        *markdown_table(header, body),
        "",
    ]


def _by_table(rows, methods, value, heading, spec=".3f"):
    """Write one line for each table and pattern."""
    means = _means(rows, value, methods).dropna(how="all").dropna(axis=1, how="all")
    if means.empty:
        return []
    body = [
        [*place, *(_percent(figure, spec) for figure in line)]
        for place, line in zip(means.index, means.to_numpy(), strict=True)
    ]
    header = ["table", "pattern", *means.columns]
    average = [_percent(means[m].mean(), spec) for m in means.columns]
    return [f"## {heading}", "", *markdown_table(header, [*body, ["mean", "", *average]]), ""]


def _percent(figure, spec):
    """Format a figure; in per cent without the sign, which the heading has."""
    if spec.endswith("%"):
        return format_value(100 * figure, spec.replace("%", "f"))
    return format_value(figure, spec)
