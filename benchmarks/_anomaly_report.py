"""Write the results of the anomaly benchmark as Markdown."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

from benchmarks._anomaly_data import PROTOCOLS
from benchmarks._anomaly_rivals import DETECTORS
from benchmarks._report import format_value, markdown_table, versions

PACKAGES = ["numpy", "scipy", "scikit-learn", "torch", "pyod"]
LEVELS = (0.01, 0.05, 0.1)
ONLINE_SHARES = (0.03, 0.1)
OURS, REFERENCE = "ours", "knn1"
VERDICTS = ("misses", "holds")
ROBUST_RIVALS = ("iforest", "knn50mean")
FIGURES = ("auroc", "auprc")
FIT_SECONDS = {"n=1000, d=20": 1.0, "n=5000, d=30": 5.0, "n=100000, d=20": 120.0}

# Key of a table, protocol, half of the panel, heading.
TABLES = [
    ("panel", "panel", None, "Panel"),
    ("A", "panel", "A", "Half A of the panel, designed on"),
    ("B", "panel", "B", "Half B of the panel, held out"),
    ("clean", "clean", None, "ADBench sets"),
    ("panel-contaminated", "panel-contaminated", None, "Panel, contaminated"),
    ("contaminated", "contaminated", None, "ADBench sets, contaminated"),
]
PLANTED = {
    "first": "one cell, by a value more than 1 sd away: first",
    "first_any": "one cell, by any other value: first",
    "pair_one": "two cells, by those of one other row: both in the first three",
    "pair_two": "two cells, by those of two other rows: both in the first three",
}
WAYS = {"marginal": "`explain`: marginal", "contributions": "`explain`: contributions"}
WAYS |= {"kde": "marginal kernel density", "absolute z": "absolute z-score", "random": "random"}


class Table:
    """Results on some sets: means over the seeds, for each set and detector.

    Attributes
    ----------
    auroc, auprc, fit_s, score_s : DataFrame
        One row for each set, one column for each detector; seconds of scoring are per row.
    names, partial : list of str
        Detectors that were run on all splits, and those left out, with the number of theirs.
    """

    def __init__(self, rows):
        n_cells = rows["detector"].value_counts()
        found = _order(n_cells.index)
        names = [d for d in found if n_cells[d] == n_cells.max()]
        self.partial = [f"`{d}` ({n_cells[d]} of {n_cells.max()})" for d in found if d not in names]
        self.names = names
        self.rows = rows.assign(score_s=rows["score_s"] / rows["n_test"])
        for figure in (*FIGURES, "fit_s", "score_s"):
            means = self.rows.pivot_table(index="set", columns="detector", values=figure)
            setattr(self, figure, means.reindex(index=_sets(rows), columns=names))

    def gain(self, detector, figure="auroc"):
        """Points above the reference, for each set."""
        values = getattr(self, figure)
        return values[detector] - values[REFERENCE]

    def won(self, detector):
        """Share of sets won against the reference, of which ties count half."""
        return (0.5 + 0.5 * np.sign(self.gain(detector))).mean()

    def p_value(self, detector, figure):
        """Wilcoxon signed-rank test against the reference, over the sets."""
        gain = self.gain(detector, figure)
        return wilcoxon(gain).pvalue if (gain != 0).any() else np.nan


def _order(names):
    """Detectors in the order of the registry, and after them those that it lacks."""
    known = [*DETECTORS]
    return sorted(names, key=lambda d: (known.index(d) if d in known else len(known), d))


def _sets(rows):
    return list(dict.fromkeys(rows["set"]))


def write_report(folder):
    """Write ``anomaly.md`` beside the CSV files of results.

    Returns
    -------
    report : Path
        The file written.
    verdicts : list of str
        A line on each promise.
    """
    tables = _tables(_read(folder / "anomaly.csv", ["protocol", "set", "seed", "detector"]))
    key = ["section", "set", "seed", "detector", "metric"]
    checks = dict(list(_read(folder / "anomaly_checks.csv", key).groupby("section")))
    lines = [
        "# Anomaly benchmark",
        "",
        "Means over the sets, and over the seeds where there are several, in per cent. All on one",
        "thread for each process, all with the same settings for every set, by",
        "`python -m benchmarks.anomaly --data FOLDER`. Figures of sets are in `anomaly.csv` and",
        "`anomaly_checks.csv`.",
        "",
        f"Versions: {versions(PACKAGES)}.",
        "",
        "`won` is the share of sets with a larger AUROC than `knn1`, the distance to the nearest",
        "row in standardised columns; ties count half. `p` are of Wilcoxon tests against it over",
        "the sets. Ranks are by AUROC. Seconds are of the CPU.",
        "",
    ]
    for key, protocol, _, heading in TABLES:
        if key in tables:
            lines += [*_summary(tables[key], heading, PROTOCOLS[protocol].about), ""]
    for section, (write, _) in SECTIONS.items():
        if section in checks:
            lines += [*write(checks[section]), ""]
    promises = acceptance(tables, checks)
    header = ["promise", "bound", "measured", "verdict"]
    lines += ["## What was promised", "", *markdown_table(header, promises), ""]
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "anomaly.md"
    report.write_text("\n".join(lines), encoding="utf-8")
    return report, [f"{p.verdict:12} {p.promise}: {p.measured} (bound {p.bound})" for p in promises]


def _read(path, key):
    if not path.exists():
        return pd.DataFrame(columns=[*key, "half"])
    return pd.read_csv(path).drop_duplicates(key, keep="last")


def _tables(scores):
    found = {}
    for key, protocol, half, _ in TABLES:
        rows = scores[(scores["protocol"] == protocol) & (half is None or scores["half"] == half)]
        if len(rows):
            found[key] = Table(rows)
    return found


# --- scores --------------------------------------------------------------------------------------


def _summary(table, heading, about):
    header = ["detector", "AUROC", "AUPRC", "rank", "AUROC − knn1", "AUPRC − knn1", "won"]
    header += ["p AUROC", "p AUPRC", "fit s", "score µs a row"]
    ranks = table.auroc.rank(axis=1, ascending=False).mean()
    body = []
    for name in table.names:
        against = ["–"] * 5
        if REFERENCE in table.names and name != REFERENCE:
            against = [
                *(f"{table.gain(name, figure).mean():+.2f}" for figure in FIGURES),
                f"{table.won(name):.0%}",
                *(format_value(table.p_value(name, figure), ".1e") for figure in FIGURES),
            ]
        means = [f"{getattr(table, figure)[name].mean():.2f}" for figure in FIGURES]
        cost = [f"{table.fit_s[name].mean():.2f}", f"{1e6 * table.score_s[name].mean():.0f}"]
        body.append([f"`{name}`", *means, f"{ranks[name]:.2f}", *against, *cost])
    n_seeds = table.rows["seed"].nunique()
    size = f"{len(table.auroc)} sets, {n_seeds} seed{'s' * (n_seeds > 1)}."
    lines = [f"## {heading}", "", f"{about} {size}", "", *markdown_table(header, body)]
    if table.partial:
        lines += ["", f"Not run on all splits and left out: {', '.join(table.partial)}."]
    return lines


# --- checks --------------------------------------------------------------------------------------


def _pivot(rows):
    """Means over the seeds: one row for each detector and set, one column for each metric."""
    means = rows.pivot_table(index=["detector", "set"], columns="metric", values="value")
    cells = pd.MultiIndex.from_product([_order(means.index.levels[0]), _sets(rows)])
    return means.reindex(index=cells)


def _inside(rows):
    """Return for each level the mean share, and on what share of sets it is near the level."""
    means = _pivot(rows).loc[OURS]
    per_row = 1 / means["n_train"] + 1 / means["n_held_out"]
    for level in LEVELS:
        share, bound = means[f"share_{level}"], 2 * np.sqrt(level * (1 - level) * per_row)
        yield level, share.mean(), ((share - level).abs() <= bound).mean()


def _pvalues(rows):
    lines = [
        "## Conformal p-values of held-out normal rows",
        "",
        "Share of held-out normal rows with a p-value of at most a level. A set is inside where it",
        "is within two standard deviations of the difference of two binomial shares, of as many",
        "rows as were trained on and as were held out.",
        "",
    ]
    body = [[str(a), f"{mean:.4f}", f"{share:.0%}"] for a, mean, share in _inside(rows)]
    n_sets = rows["set"].nunique()
    return [*lines, *markdown_table(["level", "mean share", f"inside, of {n_sets} sets"], body)]


def _fdr_cases(rows):
    """Yield what is declared, false-discovery proportions and powers over the mixtures."""
    about = {"batch": "`select`, 500 rows, 10 % anomalies"} | {
        f"online_{share}": f"`benjamini_hochberg_online`, 2,000 rows, {100 * share:.0f} % anomalies"
        for share in ONLINE_SHARES
    }
    for how, text in about.items():
        yield text, *(rows[rows["metric"] == f"{m}_{how}"]["value"] for m in ("fdp", "power"))


def _fdr(rows):
    lines = [
        "## False-discovery rate at 0.1",
        "",
        "1,000 rows of a mixture of four Gaussians in six columns to train on, and fresh rows, of",
        "which anomalies are spread four times as far. A new mixture each time. Means ± standard",
        "errors.",
        "",
    ]
    body = [
        [text, str(len(fdp)), _spread(fdp), _spread(power)] for text, fdp, power in _fdr_cases(rows)
    ]
    header = ["declared by", "mixtures", "false-discovery rate", "power"]
    return [*lines, *markdown_table(header, body)]


def _spread(values):
    return f"{values.mean():.3f} ± {values.sem():.3f}"


def _explain(rows):
    means = _pivot(rows)
    names = _order(set(rows["detector"]))
    lines = [
        "## Explanations: do foreign cells rank first?",
        "",
        "50 held-out normal rows of each set and seed, in which cells are replaced by those of",
        "other rows: one of a random column, or two of columns that are correlated by more than",
        "0.5 (else of the two that are most), by values more than a standard deviation away where",
        "nothing else is said. `knn1`: squared difference to the nearest neighbour in each column;",
        "`iforest`: mean drop of the score where the cell is replaced by 20 draws of its column.",
        "",
    ]
    body = []
    for metric, text in PLANTED.items():
        chance = means[f"chance_{metric.partition('_')[0]}"].mean()
        values = [*(means.loc[name, metric].mean() for name in names), chance]
        body.append([text, *(f"{value:.1%}" for value in values)])
    return [*lines, *markdown_table(["replaced", *(f"`{n}`" for n in names), "chance"], body)]


def _annotated(rows):
    means = _pivot(rows).loc[OURS].mean()
    lines = [
        "## Explanations of annotated anomalies",
        "",
        f"Fitted on the normal rows of {rows['set'].nunique()} sets; AUROC and AUPRC of the cells",
        "in each anomalous row, averaged over rows, annotators and sets.",
        "",
    ]
    body = [
        [text, *(f"{100 * means[f'{way}_{figure}']:.2f}" for figure in FIGURES)]
        for way, text in WAYS.items()
    ]
    return [*lines, *markdown_table(["cells ordered by", "AUROC", "AUPRC"], body)]


def _time(rows):
    lines = [
        "## Seconds on a mixture of Gaussians with correlated columns",
        "",
        "Rows are scored in batches of 1,000, and one by one, of which the median is given, by the",
        "clock on the wall.",
        "",
    ]
    body = []
    for (detector, case), cell in _pivot(rows).dropna().iterrows():
        figures = f"{cell['fit_s']:.2f}", f"{1e6 * cell['score_s_per_row']:.0f}"
        body.append([f"`{detector}`", case, *figures, f"{cell['single_ms']:.2f}"])
    header = ["detector", "rows", "fit, CPU-s", "score, CPU-µs a row", "a single row, ms"]
    return [*lines, *markdown_table(header, body, text=2)]


# --- what was promised ---------------------------------------------------------------------------


class Promise(NamedTuple):
    """A line of the acceptance table."""

    promise: str
    bound: str
    measured: str
    verdict: str


def _promise(text, sign, bound, value, spec=".2f"):
    holds = value >= bound if sign == "≥" else value <= bound
    return Promise(text, f"{sign} {bound:{spec}}", f"{value:{spec}}", VERDICTS[bool(holds)])


def acceptance(tables, checks):
    """Return all promises, also those that were not measured."""
    lines = []
    for judge, keys, names in SCORE_JUDGES:
        if all(key in tables and {*names} <= {*tables[key].names} for key in keys):
            lines += judge(*(tables[key] for key in keys))
        else:
            lines.append(Promise(f"scores, {' and '.join(keys)}", "–", "–", "not measured"))
    for section, (_, judge) in SECTIONS.items():
        if section in checks and OURS in set(checks[section]["detector"]):
            lines += judge(checks[section])
        else:
            lines.append(Promise(section, "–", "–", "not measured"))
    return lines


def _judge_panel(table):
    for figure, bound in (("auroc", 2.5), ("auprc", 3.5)):
        gain, p_value = table.gain(OURS, figure).mean(), table.p_value(OURS, figure)
        text = f"panel: {figure.upper()} over `{REFERENCE}`"
        yield _promise(text, "≥", bound, gain)
        yield _promise(f"{text}, Wilcoxon p", "≤", 1e-6, p_value, ".1e")
    yield _promise(f"panel: sets won against `{REFERENCE}`", "≥", 0.7, table.won(OURS))


def _judge_halves(first, second):
    for figure in FIGURES:
        apart = abs(first.gain(OURS, figure).mean() - second.gain(OURS, figure).mean())
        text = f"panel: {figure.upper()} over `{REFERENCE}`, half A less half B"
        yield _promise(text, "≤", 0.5, apart)


def _judge_sets(table):
    for figure, bound in (("auroc", 93.0), ("auprc", 75.5)):
        mean = getattr(table, figure)[OURS].mean()
        yield _promise(f"ADBench sets: mean {figure.upper()}", "≥", bound, mean)


def _judge_contaminated(table):
    for rival in ROBUST_RIVALS:
        for figure in FIGURES:
            means = getattr(table, figure).mean()
            text = f"contaminated panel: {figure.upper()} over `{rival}`"
            yield _promise(text, "≥", 1.0, means[OURS] - means[rival])


def _judge_pvalues(rows):
    for level, _, share in _inside(rows):
        yield _promise(f"p-values: share of sets inside at {level}", "≥", 0.9, share)


def _judge_fdr(rows):
    for text, fdp, _ in _fdr_cases(rows):
        yield _promise(f"false-discovery rate, {text}", "≤", 0.1, fdp.mean(), ".3f")


def _judge_explain(rows):
    means = _pivot(rows).loc[OURS].mean()
    for metric in ("first", "pair_one", "pair_two"):
        yield _promise(f"explanations: {PLANTED[metric]}", "≥", 0.6, means[metric], ".3f")


def _judge_annotated(rows):
    means = 100 * _pivot(rows).loc[OURS].mean()
    for figure in FIGURES:
        text = f"annotated cells: {figure.upper()} of `marginal`, over the kernel density"
        yield _promise(text, "≥", means[f"kde_{figure}"], means[f"marginal_{figure}"])


def _judge_time(rows):
    for case, cell in _pivot(rows).loc[OURS].iterrows():
        per_row, single = cell["score_s_per_row"], cell["single_ms"]
        yield _promise(f"fit, CPU-s, {case}", "≤", FIT_SECONDS[case], cell["fit_s"])
        yield _promise(f"scoring of a row, CPU-s, {case}", "≤", 1e-4, per_row, ".1e")
        yield _promise(f"scoring of a single row, ms, {case}", "≤", 2.0, single)


# Tables that a judge takes, and the detectors that it needs in them.
SCORE_JUDGES = [
    (_judge_panel, ("panel",), (OURS, REFERENCE)),
    (_judge_halves, ("A", "B"), (OURS, REFERENCE)),
    (_judge_sets, ("clean",), (OURS,)),
    (_judge_contaminated, ("panel-contaminated",), (OURS, *ROBUST_RIVALS)),
]
# What writes on a section, and what judges it.
SECTIONS = {
    "pvalues": (_pvalues, _judge_pvalues),
    "fdr": (_fdr, _judge_fdr),
    "explain": (_explain, _judge_explain),
    "annotated": (_annotated, _judge_annotated),
    "time": (_time, _judge_time),
}
