"""Write the results of the benchmark of networks as Markdown."""

import pandas as pd

from benchmarks._report import format_value, markdown_table, versions

PACKAGES = ["numpy", "scikit-learn", "torch", "skorch"]


def differences(rows, method, reference, figure):
    """Return, by table, the mean difference of a method to another and its error over seeds."""
    wide = rows.pivot_table(index=["table", "seed"], columns="method", values=figure, sort=False)
    return (wide[method] - wide[reference]).groupby("table", sort=False).agg(["mean", "sem"])


def verdict(mean, error):
    """Say whether a difference is one, by two standard errors."""
    if not abs(mean) > 2 * error:
        return "no difference"
    return "better" if mean > 0 else "worse"


def _cell(mean, error):
    return f"{format_value(mean, '+.2f')} ± {format_value(error, '.2f')}"


def write_report(path, *, command):
    """Write the Markdown report next to a CSV file of results, and return its path."""
    rows = pd.read_csv(path).drop_duplicates(["table", "seed", "method"], keep="last")
    methods = [m for m in dict.fromkeys(rows["method"]) if m != "none"]
    parts = {m: differences(rows, m, "none", "log_density") for m in methods}
    plain = rows[rows["method"] == "none"].groupby("table", sort=False)["log_density"].mean()
    body = [
        [t, f"{plain[t]:.2f}", *(_cell(*parts[m].loc[t]) for m in methods)] for t in plain.index
    ]
    means = [(part["mean"].mean(), part["mean"].sem()) for part in parts.values()]
    body.append(["mean", "", *(_cell(*pair) for pair in means)])
    body.append(["median", "", *(f"{p['mean'].median():+.2f}" for p in parts.values())])
    counts = [[verdict(*pair) for pair in part.to_numpy()] for part in parts.values()]
    body.append(["tables", "", *(f"{c.count('better')} : {c.count('worse')}" for c in counts)])
    seeds = ", ".join(map(str, sorted(rows["seed"].unique())))
    lines = [
        "# Regularisers of the network",
        "",
        "Command of the last run:",
        "",
        f"    {command}",
        "",
        f"Versions: {versions(PACKAGES)}.",
        "",
        "Median log-density of held-out rows, by the features, and what each regulariser adds to",
        f"that of an MLP: means and standard errors over splits with seeds {seeds}, and over",
        "tables in the line of means. The last line counts the tables that are better and worse by",
        "two standard errors.",
        "",
        *markdown_table(["table", "none", *methods], body),
        "",
    ]
    report = path.with_suffix(".md")
    report.write_text("\n".join(lines), encoding="utf-8")
    return report
