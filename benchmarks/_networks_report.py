"""Write the results of the benchmark of networks as Markdown."""

import pandas as pd

from benchmarks._report import format_value, markdown_table, versions

PACKAGES = ["numpy", "scikit-learn", "torch", "skorch"]
NAMES = {
    "mlp": "MLP",
    "transformer": "transformer",
    "transformer_full": "transformer, full training",
}
# Column of the results, heading, format.
FIGURES = [
    ("train_s", "CPU-s", ".1f"),
    ("epochs", "epochs", ".1f"),
    ("valid_loss", "validation loss", ".3f"),
    ("log_density", "log-density ↑", ".2f"),
    ("c2st", "C2ST", ".3f"),
    ("w1", "W1 ↓", ".3f"),
    ("c2st_noise", "C2ST from noise", ".3f"),
    ("w1_noise", "W1 from noise ↓", ".3f"),
]
# What is compared: heading, format, and the sign of what is better.
COMPARED = {
    "log_density": ("log-density", "+.2f", 1),
    "c2st_gap": ("C2ST beyond .5", "+.3f", -1),
    "w1": ("W1", "+.3f", -1),
    "c2st_noise_gap": ("C2ST beyond .5, from noise", "+.3f", -1),
    "w1_noise": ("W1, from noise", "+.3f", -1),
}


def read(path):
    """Return the results, with the distance of each C2ST to one half."""
    rows = pd.read_csv(path).drop_duplicates(["part", "table", "seed", "method"], keep="last")
    gaps = {f"{name}_gap": (rows[name] - 0.5).abs() for name in ("c2st", "c2st_noise")}
    return rows.assign(**gaps)


def differences(rows, method, reference, figure):
    """Return, by table, the mean difference of a method to another and its error over seeds."""
    wide = rows.pivot_table(index=["table", "seed"], columns="method", values=figure, sort=False)
    return (wide[method] - wide[reference]).groupby("table", sort=False).agg(["mean", "sem"])


def verdict(mean, error, sign=1):
    """Say whether a difference is one, by two standard errors."""
    if not abs(mean) > 2 * error:
        return "no difference"
    return "better" if sign * mean > 0 else "worse"


def _cell(mean, error, spec):
    return f"{format_value(mean, spec)} ± {format_value(error, spec.lstrip('+'))}"


def _compared(rows, method):
    """Tabulate the differences of a network to the MLP, with a last line of verdicts."""
    parts = {figure: differences(rows, method, "mlp", figure) for figure in COMPARED}
    tables = list(parts["log_density"].index)
    body = [
        [t, *(_cell(*parts[f].loc[t], spec) for f, (_, spec, _) in COMPARED.items())]
        for t in tables
    ]
    overall = {f: (part["mean"].mean(), part["mean"].sem()) for f, part in parts.items()}
    body.append(["mean", *(_cell(*overall[f], spec) for f, (_, spec, _) in COMPARED.items())])
    signs = [(f, sign) for f, (_, _, sign) in COMPARED.items()]
    body.append(["verdict", *(verdict(*overall[f], sign) for f, sign in signs)])
    return markdown_table(["table", *(heading for heading, _, _ in COMPARED.values())], body)


def _nets(rows):
    means = rows.groupby(["table", "method"], sort=False)[[f for f, _, _ in FIGURES]].mean()
    body = [
        [t, NAMES[m], *(format_value(values[f], spec) for f, _, spec in FIGURES)]
        for (t, m), values in means.iterrows()
    ]
    return [
        "## Networks",
        "",
        f"Means over splits with seeds {_listed(rows['seed'])}. CPU seconds are those of training",
        "alone. Validation losses compare only within a table that has no numbers: the transformer",
        "sees numbers in coordinates of its own. The log-density is the median of held-out rows,",
        "by features alone. C2ST (.5 ideal) and W1 are against held-out rows. Draws start near",
        "rows of `fit` or, in the last two columns, from noise. The transformer is given as many",
        "whole epochs as fit into the seconds of the MLP.",
        "",
        *markdown_table(["table", "network", *(h for _, h, _ in FIGURES)], body, text=2),
        "",
        "### Transformer less MLP at equal CPU seconds",
        "",
        "Standard errors are those over seeds, rough as these are few, and in the line of means",
        "those over tables. The verdict is of the transformer, by two of the latter; it would be",
        "the default if it were better.",
        "",
        *_compared(rows, "transformer"),
        "",
        "### Transformer to the end of its training less MLP",
        "",
        *_compared(rows, "transformer_full"),
        "",
    ]


def _regularisers(rows):
    methods = [m for m in dict.fromkeys(rows["method"]) if m != "none"]
    parts = {m: differences(rows, m, "none", "log_density") for m in methods}
    plain = rows[rows["method"] == "none"].groupby("table", sort=False)["log_density"].mean()
    body = [
        [t, f"{plain[t]:.2f}", *(_cell(*parts[m].loc[t], "+.2f") for m in methods)]
        for t in plain.index
    ]
    means = [(part["mean"].mean(), part["mean"].sem()) for part in parts.values()]
    body.append(["mean", "", *(_cell(*pair, "+.2f") for pair in means)])
    body.append(["median", "", *(f"{p['mean'].median():+.2f}" for p in parts.values())])
    counts = [[verdict(*pair) for pair in part.to_numpy()] for part in parts.values()]
    body.append(["tables", "", *(f"{c.count('better')} : {c.count('worse')}" for c in counts)])
    return [
        "## Regularisers of the MLP",
        "",
        "Median log-density of held-out rows, by the features, and what each regulariser adds:",
        f"means and standard errors over splits with seeds {_listed(rows['seed'])}, and over",
        "tables in the line of means. The last line counts the tables that are better and worse by",
        "two standard errors.",
        "",
        *markdown_table(["table", "none", *methods], body),
        "",
    ]


def _listed(values):
    return ", ".join(map(str, sorted(values.unique())))


def write_report(path, *, command):
    """Write the Markdown report next to a CSV file of results, and return its path."""
    rows = read(path)
    lines = ["# Networks and regularisers", "", "Command of the last run:", ""]
    lines += [f"    {command}", "", f"Versions: {versions(PACKAGES)}.", ""]
    for part, section in (("nets", _nets), ("regularisers", _regularisers)):
        own = rows[rows["part"] == part]
        lines += section(own) if len(own) else []
    report = path.with_suffix(".md")
    report.write_text("\n".join(lines), encoding="utf-8")
    return report
