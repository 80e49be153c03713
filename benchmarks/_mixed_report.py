"""Write the results of the benchmark of mixed tables as Markdown."""

import pandas as pd

from benchmarks._published import read_mixed
from benchmarks._report import format_value, markdown_table, versions

PACKAGES = ["numpy", "scipy", "scikit-learn", "torch", "synthpop-py", "pyvinecopulib"]
METRICS = [
    ("shape_error", "Shape error against the training rows, % ↓", ".2f"),
    ("trend_error", "Trend error against the training rows, % ↓", ".2f"),
    ("c2st_boosting", "C2ST, AUC of gradient boosting on held-out rows (0.5 ideal)", ".3f"),
    ("copies", "Rows that equal a training row (last column: held-out rows)", ".2%"),
    ("dcr_ratio", "DCR ratio (1: as far from training rows as fresh rows; 0: copies)", ".2f"),
    ("fit_s", "Fit, CPU seconds on one thread", ".1f"),
    ("sample_s", "Drawing as many rows as the training table has, CPU seconds", ".1f"),
]
SHORT = ["shape error, %", "trend error, %", "C2ST", "copies", "DCR ratio", "fit s", "sample s"]


def write_report(path, *, command, order, published=None):
    """Write the Markdown report next to a CSV file of results, and return its path."""
    rows = pd.read_csv(path).drop_duplicates(["table", "seed", "method"], keep="last")
    methods = [m for m in order if m in set(rows["method"])]
    sizes = rows.groupby("table", sort=False)[["n_train", "n_test"]].first()
    lines = [
        "# Mixed tables",
        "",
        f"Means over splits with seeds {', '.join(map(str, sorted(rows['seed'].unique())))}; rows "
        "to train on, of which as many are generated, and held-out ones: "
        + "; ".join(f"{t} {n.n_train}, {n.n_test}" for t, n in sizes.iterrows())
        + ". Command of the last run:",
        "",
        f"    {command}",
        "",
        f"Versions: {versions(PACKAGES)}.",
        "",
    ]
    tables = {
        metric: rows.pivot_table(
            index="table", columns="method", values=metric, dropna=False
        ).reindex(index=sizes.index, columns=methods)
        for metric, _, _ in METRICS
    }
    overall = [tables[metric].mean(skipna=False) for metric, _, _ in METRICS]
    body = [
        [m, *(format_value(v[m], s) for v, (_, _, s) in zip(overall, METRICS, strict=True))]
        for m in methods
    ]
    lines += ["## Summary", "", "Means over the tables.", ""]
    lines += [*markdown_table(["method", *SHORT], body), ""]
    for metric, heading, spec in METRICS:
        means = tables[metric]
        if metric == "copies":
            means["held out"] = rows.groupby("table")["copies_test"].mean()
        body = [[table, *(format_value(v, spec) for v in line)] for table, line in means.iterrows()]
        body.append(["mean", *(format_value(v, spec) for v in means.mean(skipna=False))])
        lines += [f"## {heading}", "", *markdown_table(["table", *means.columns], body), ""]
    if published is not None:
        lines += _published(read_mixed(published), sizes.index)
    report = path.with_suffix(".md")
    report.write_text("\n".join(lines), encoding="utf-8")
    return report


def _published(rows, tables):
    """Figures of TabPC's authors on the tables at hand."""
    lines = ["## Published by the authors of TabPC", ""]
    for table in [t for t in tables if t in set(rows["table"])]:
        own = rows[rows["table"] == table].drop(columns="table").set_index("method")
        body = [
            [m, *(format_value(v, ".2f") for v in line)]
            for m, line in own.sort_values("shape_error").iterrows()
        ]
        header = ["method", *(name.replace("_", " ") for name in own)]
        lines += [f"{table}, 90 % to train on:", "", *markdown_table(header, body), ""]
    return lines
