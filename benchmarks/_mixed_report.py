"""Write the results of the benchmark of mixed tables as Markdown."""

import pandas as pd

from benchmarks._anomaly_report import _version
from benchmarks._report import _format, _markdown

PACKAGES = ["numpy", "scipy", "scikit-learn", "torch", "imbalanced-learn", "ctgan"]
METRICS = [
    ("shape_error", "Shape error, % ↓", ".2f"),
    ("trend_error", "Trend error, % ↓", ".2f"),
    ("c2st_boosting", "C2ST, AUC of gradient boosting on held-out rows (0.5 ideal)", ".3f"),
    ("dcr_ratio", "DCR ratio (1: as far from training rows as fresh rows; 0: copies)", ".2f"),
    ("w1_test", "Exact W1 to held-out rows ↓", ".3f"),
    ("exact_copies", "Share of generated rows that equal a training row, %", ".1%"),
    ("seconds", "CPU seconds of fit and sampling", ".1f"),
]
FULL_METRICS = [
    ("shape_error_train", "shape, training rows", ".2f"),
    ("trend_error_train", "trend, training rows", ".2f"),
    ("shape_error_test", "shape, held-out rows", ".2f"),
    ("trend_error_test", "trend, held-out rows", ".2f"),
    ("c2st_boosting", "C2ST, held-out rows", ".3f"),
    ("fit_s", "fit CPU-s", ".1f"),
    ("sample_s", "sampling CPU-s", ".1f"),
]
ABOUT = {
    "copy": "the training rows: what a perfect copier has",
    "smote_nc": "SMOTENC, SMOTEN or, without categories, SMOTE (k = 5), new rows only",
    "gmm": "Gaussian mixture per class by BIC, categories one-hot",
    "gaussian_copula": "Gaussian copula with empirical marginals, categories as intervals",
    "tvae": "TVAE of the package ctgan, 300 epochs",
    "ours": "`DiffusionManifoldSampler()` on a frame with a dtype of categories",
}


def write_report(folder, *, command, order):
    """Write ``mixed_tables.md`` beside the CSV files of results, and return its path."""
    small = _read(folder / "mixed_tables.csv")
    full = _read(folder / "mixed_tables_full.csv")
    seen = set().union(*(r["method"] for r in (small, full) if r is not None))
    lines = [
        "# Mixed tables",
        "",
        "Tables with categories, integers and spikes, generated. All on one thread. Command of",
        "the last run:",
        "",
        f"    {command}",
        "",
        f"Versions: {', '.join(v for v in map(_version, PACKAGES) if not v.startswith('no '))}.",
        "",
        *[f"- `{m}`: {ABOUT[m]}" for m in order if m in seen],
        "",
    ]
    if small is not None:
        lines += _small(small, order)
    if full is not None:
        lines += _full(full, order)
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "mixed_tables.md"
    report.write_text("\n".join(lines), encoding="utf-8")
    return report


def _read(path):
    if not path.exists():
        return None
    rows = pd.read_csv(path).drop_duplicates(["table", "seed", "method"], keep="last")
    return rows.assign(seconds=rows["fit_s"] + rows["sample_s"])


def _means(rows, metric, methods):
    """Mean over the seeds, for each table."""
    means = rows.pivot_table(index="table", columns="method", values=metric, dropna=False)
    return means.reindex(index=list(dict.fromkeys(rows["table"])), columns=methods)


def _small(rows, order):
    """Means over tables, and each figure by table."""
    methods = [m for m in order if m in set(rows["method"])]
    n_tables = rows["table"].nunique()
    seeds = rows.groupby("method")["seed"].nunique()
    means = {metric: _means(rows, metric, methods) for metric, _, _ in METRICS}
    w1 = means["w1_test"]
    header = ["method", "seeds", "shape error, %", "trend error, %", "C2ST", "median DCR ratio"]
    header += ["W1", "W1 / copy", "exact copies, %", "median CPU-s", "largest CPU-s"]
    body, partial = [], []
    for m in methods:
        if w1[m].isna().any():
            partial.append(f"`{m}` ({w1[m].notna().sum()} of {n_tables})")
            continue
        ratio = (w1[m] / w1["copy"]).mean() if "copy" in w1 else float("nan")
        line = [f"`{m}`", str(seeds[m])]
        line += [_format(means[v][m].mean(), ".2f") for v in ("shape_error", "trend_error")]
        line += [_format(means["c2st_boosting"][m].mean(), ".3f")]
        line += [_format(means["dcr_ratio"][m].median(), ".2f"), _format(w1[m].mean(), ".3f")]
        line += [_format(ratio, ".3f"), _format(100 * means["exact_copies"][m].mean(), ".1f")]
        line += [_format(getattr(means["seconds"][m], f)(), ".1f") for f in ("median", "max")]
        body.append(line)
    lines = [
        f"## Summary over {n_tables} tables",
        "",
        "Split 80 : 20; features and target are generated together; shape and trend are against",
        "all real rows. Where most held-out rows equal a training row, there is no DCR ratio.",
        "",
        *_markdown(header, body),
        "",
    ]
    lines += [f"Not run on all tables, and left out here: {', '.join(partial)}.", ""] * bool(
        partial
    )
    for metric, heading, spec in METRICS:
        lines += [f"## {heading}", "", *_by_table(means[metric], spec), ""]
    return lines


def _by_table(means, spec):
    if spec.endswith("%"):
        means, spec = 100 * means, spec.replace("%", "f")
    body = [[table, *(_format(v, spec) for v in line)] for table, line in means.iterrows()]
    body.append(["mean", *(_format(v, spec) for v in means.mean())])
    return _markdown(["table", *means.columns], body)


def _full(rows, order):
    """Whole tables, 90 : 10."""
    lines = []
    for table, group in rows.groupby("table", sort=False):
        n_train, n_test = group[["n_train", "n_test"]].iloc[0]
        methods = [m for m in order if m in set(group["method"])]
        header = ["method", "seeds", *(heading for _, heading, _ in FULL_METRICS)]
        body = []
        for m in methods:
            own = group[group["method"] == m]
            figures = [_format(own[metric].mean(), spec) for metric, _, spec in FULL_METRICS]
            body.append([f"`{m}`", str(own["seed"].nunique()), *figures])
        lines += [
            f"## All rows of {table}",
            "",
            f"{n_train} rows to train on, as many generated, {n_test} held out; errors in %.",
            "Papers give the errors against the training rows, where a copy has none; `copy`",
            "against the held-out rows shows what their small number alone amounts to.",
            "",
            *_markdown(header, body),
            "",
        ]
    return lines
