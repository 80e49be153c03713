"""Write the results of the anomaly benchmark as Markdown."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

from benchmarks._anomaly_data import PROTOCOLS
from benchmarks._anomaly_rivals import detectors
from benchmarks._report import markdown_table, versions

PACKAGES = ["numpy", "scipy", "scikit-learn", "torch", "pyod"]
LEVELS = (0.01, 0.05, 0.1)
OURS, REFERENCE = "ours", "knn1"
MUCH = 5.0  # AUROC points that make a set lost rather than level
PLANTED = {"first": "a value more than 1 sd away", "first_any": "any other value"}
MANY = 100  # repetitions whose mean is judged as it is


class Table:
    """Results of one protocol: means over the seeds, for each set and detector.

    Attributes
    ----------
    auroc, auprc, fit_s, score_s : DataFrame
        One row for each set, one column for each detector; seconds of scoring are per row.
    partial : list of str
        Detectors that were not run on all splits, and are left out, with the number of theirs.
    """

    def __init__(self, rows):
        cells = {d: set(zip(g["set"], g["seed"], strict=True)) for d, g in rows.groupby("detector")}
        wanted = set().union(*cells.values())
        names = [d for d in _order(cells) if cells[d] == wanted]
        counts = [f"`{d}` ({len(cells[d])} of {len(wanted)})" for d in _order(cells)]
        self.partial = [c for c, d in zip(counts, _order(cells), strict=True) if d not in names]
        self.rows = rows
        rows = rows.assign(score_s=rows["score_s"] / rows["n_test"])
        sets = list(dict.fromkeys(rows["set"]))
        for figure in ("auroc", "auprc", "fit_s", "score_s"):
            means = rows.pivot_table(index="set", columns="detector", values=figure)
            setattr(self, figure, means.reindex(index=sets, columns=names))

    @property
    def names(self):
        """Detectors that were run on all splits."""
        return list(self.auroc.columns)

    def ranks(self, figure):
        """Mean rank of each detector, 1 the best; ties share their ranks."""
        return getattr(self, figure).rank(axis=1, ascending=False).mean()

    def gain(self, detector, figure="auroc"):
        """Points above the reference, for each set."""
        values = getattr(self, figure)
        return values[detector] - values[REFERENCE]

    def p_value(self, detector, figure):
        """Wilcoxon signed-rank test against the reference, over the sets."""
        gain = self.gain(detector, figure)
        return wilcoxon(gain).pvalue if (gain != 0).any() else np.nan


def _order(names):
    """Detectors in the order of the registry, and after them those that it lacks."""
    known = [*detectors()]
    return sorted(names, key=lambda d: (known.index(d) if d in known else len(known), d))


def write_report(folder, *, command):
    """Write ``anomaly.md`` beside the CSV files of results.

    Returns
    -------
    report : Path
        The file written.
    verdicts : list of str
        A line on each promise.
    """
    scores = _read(folder / "anomaly.csv", ["protocol", "set", "seed", "detector"])
    checks = _read(folder / "anomaly_checks.csv", ["section", "set", "seed", "detector", "metric"])
    tables = {}
    if scores is not None:
        found = set(scores["protocol"])
        tables = {p: Table(scores[scores["protocol"] == p]) for p in PROTOCOLS if p in found}
    lines = [
        "# Anomaly benchmark",
        "",
        "Means over the seeds, in per cent. All on one thread for each process, all with the same",
        "settings for every set. Command of the last run:",
        "",
        f"    {command}",
        "",
        f"Versions: {versions(PACKAGES)}.",
        "",
    ]
    for protocol, table in tables.items():
        lines += [*_protocol(protocol, table), ""]
    if checks is not None:
        for section, write in WRITERS.items():
            rows = checks[checks["section"] == section]
            if len(rows):
                lines += [*write(rows), ""]
    promises = acceptance(tables, checks)
    header = ["promise", "bound", "measured", "verdict"]
    lines += ["## What was promised", "", *markdown_table(header, promises), ""]
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "anomaly.md"
    report.write_text("\n".join(lines), encoding="utf-8")
    return report, [f"{p.verdict:12} {p.promise}: {p.measured} (bound {p.bound})" for p in promises]


def _read(path, key):
    return pd.read_csv(path).drop_duplicates(key, keep="last") if path.exists() else None


# --- protocols -----------------------------------------------------------------------------------


def _protocol(protocol, table):
    seeds = ", ".join(map(str, sorted(table.rows["seed"].unique())))
    n_sets = len(table.auroc)
    lines = [
        f"## Protocol `{protocol}`",
        "",
        PROTOCOLS[protocol].about,
        "",
        f"{n_sets} sets, seeds {seeds}, ranks among {len(table.names)} detectors. "
        f"Wins, ties and losses, sets lost by more than {MUCH:g} AUROC, and p of a Wilcoxon test "
        f"over the sets are against `{REFERENCE}`. Seconds are medians, pairs AUROC / AUPRC.",
        "",
        *markdown_table(*_summary(table)),
        "",
    ]
    if table.partial:
        lines += [f"Not run on all splits and left out: {', '.join(table.partial)}.", ""]
    if {OURS, REFERENCE} <= {*table.names}:
        lines += [*markdown_table(*_per_set(table)), ""]
    return lines[:-1]


def _summary(table):
    header = [
        *["detector", "AUROC", "AUPRC", "rank AUROC", "rank AUPRC"],
        *["w / t / l", f"lost by > {MUCH:g}", "p AUROC", "p AUPRC", "fit s", "score µs a row"],
    ]
    ranks = table.ranks("auroc"), table.ranks("auprc")
    body = []
    for name in table.names:
        against = ["–"] * 4
        if REFERENCE in table.names and name != REFERENCE:
            gain = table.gain(name)
            against = [
                f"{(gain > 0).sum()} / {(gain == 0).sum()} / {(gain < 0).sum()}",
                str((gain < -MUCH).sum()),
                _number(table.p_value(name, "auroc"), ".3f"),
                _number(table.p_value(name, "auprc"), ".3f"),
            ]
        body.append(
            [
                f"`{name}`",
                f"{table.auroc[name].mean():.2f}",
                f"{table.auprc[name].mean():.2f}",
                *(f"{rank[name]:.2f}" for rank in ranks),
                *against,
                f"{table.fit_s[name].median():.2f}",
                f"{1e6 * table.score_s[name].median():.1f}",
            ]
        )
    return header, body


def _per_set(table):
    header = [
        *["set", "rows scored", "columns", "anomalies", f"`{OURS}`", f"`{REFERENCE}`", "gain"],
        "best of the others",
    ]
    facts = table.rows.drop_duplicates("set").set_index("set")
    others = [n for n in table.names if not n.startswith(OURS)]
    body = []
    for name in table.auroc.index:
        best = table.auroc.loc[name, others].idxmax()
        auroc, auprc = table.gain(OURS)[name], table.gain(OURS, "auprc")[name]
        body.append(
            [
                name,
                *(str(facts.loc[name, c]) for c in ("n_test", "n_columns", "anomalies")),
                *(_pair(table, name, detector) for detector in (OURS, REFERENCE)),
                f"{auroc:+.1f} / {auprc:+.1f}",
                f"{_pair(table, name, best)} (`{best}`)",
            ]
        )
    return header, body


def _pair(table, name, detector):
    return f"{table.auroc.loc[name, detector]:.1f} / {table.auprc.loc[name, detector]:.1f}"


# --- checks --------------------------------------------------------------------------------------


def _pivot(rows):
    """Means over the seeds: one row for each detector and set, one column for each metric."""
    means = rows.pivot_table(index=["detector", "set"], columns="metric", values="value")
    return means.reindex(
        index=pd.MultiIndex.from_product([_order(means.index.levels[0]), _sets(rows)])
    )


def _sets(rows):
    return list(dict.fromkeys(rows["set"]))


def inside(rows):
    """Whether the mean share of each set lies within two binomial deviations of each level."""
    means = _pivot(rows)
    found = {}
    for level in LEVELS:
        bound = 2 * np.sqrt(level * (1 - level) / means["n_held_out"])
        found[level] = (means[f"share_{level}"] - level).abs() <= bound
    return means, pd.DataFrame(found)


def _pvalues(rows):
    means, within = inside(rows)
    lines = [
        "## Conformal p-values of held-out normal rows",
        "",
        "Share of held-out normal rows with a p-value of at most a level, mean over the seeds.",
        "Starred where it is farther from the level than two standard deviations of a binomial",
        "share of as many rows as one seed holds out.",
        "",
    ]
    body = [
        [
            f"`{cell[0]}`",
            cell[1],
            f"{means.loc[cell, 'n_held_out']:.0f}",
            *(
                f"{means.loc[cell, f'share_{level}']:.4f}{'' if within.loc[cell, level] else ' *'}"
                for level in LEVELS
            ),
        ]
        for cell in means.index
    ]
    for detector in means.index.get_level_values(0).unique():
        share = within.loc[detector].mean()
        body.append(
            [f"`{detector}`", "share of sets inside", "", *(f"{share[a]:.2f}" for a in LEVELS)]
        )
    return [*lines, *markdown_table(["detector", "set", "rows", *map(str, LEVELS)], body, text=2)]


def repetitions(rows, detector, metric):
    """False-discovery proportions, or powers, of all repetitions with a detector."""
    own = rows[(rows["detector"] == detector) & rows["metric"].str.startswith(metric)]
    return own["value"].to_numpy()


def _fdr(rows):
    lines = [
        "## False-discovery rate of `select(X, fdr=0.1)`",
        "",
        "1,000 rows of a mixture of four Gaussians in six columns to train on; 500 fresh rows, a",
        "tenth of them anomalies (spread four times as far). A new mixture each time. Means ±",
        "standard errors.",
        "",
    ]
    body = []
    for detector in _order(set(rows["detector"])):
        found = [repetitions(rows, detector, metric) for metric in ("fdp", "power")]
        body.append([f"`{detector}`", str(len(found[0])), *(_spread(v) for v in found)])
    return [
        *lines,
        *markdown_table(["detector", "repetitions", "false-discovery rate", "power"], body),
    ]


def _spread(values):
    if len(values) < 2:
        return f"{values.mean():.3f}"
    return f"{values.mean():.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def _explain(rows):
    means = _pivot(rows)
    names = _order(set(rows["detector"]))
    chance = means["chance"].groupby(level=1).mean()
    lines = [
        "## Explanations: does the foreign cell rank first?",
        "",
        "200 held-out normal rows of each set and seed; in each, the value of one random cell is",
        "replaced by that of another row. Share of rows in which `explain` gives that cell the",
        "largest part. `knn1`: squared difference to the nearest neighbour in each column;",
        "`iforest`: mean drop of the score where the cell is replaced by 20 draws of its column.",
        "",
    ]
    for metric, rule in PLANTED.items():
        first = means[metric].unstack(0)[names].reindex(_sets(rows))
        body = [
            [name, f"{chance[name]:.3f}", *(_number(v, ".3f") for v in first.loc[name])]
            for name in first.index
        ]
        body.append(["mean", f"{chance.mean():.3f}", *(_number(v, ".3f") for v in first.mean())])
        header = ["set", "chance", *(f"`{n}`" for n in names)]
        lines += [f"Replaced by {rule}:", "", *markdown_table(header, body), ""]
    return lines[:-1]


def _time(rows):
    means = _pivot(rows)
    body = [
        [f"`{cell[0]}`", cell[1], f"{means.loc[cell, 'fit_s']:.2f}", _micro(means.loc[cell])]
        for cell in means.index
    ]
    lines = ["## CPU seconds on a mixture of Gaussians with correlated columns", ""]
    return [
        *lines,
        *markdown_table(["detector", "mixture", "fit s", "score µs a row"], body, text=2),
    ]


def _micro(cell):
    return f"{1e6 * cell['score_s_per_row']:.1f}"


WRITERS = {"pvalues": _pvalues, "fdr": _fdr, "explain": _explain, "time": _time}


# --- what was promised ---------------------------------------------------------------------------


class Promise(NamedTuple):
    """A line of the acceptance table."""

    promise: str
    bound: str
    measured: str
    verdict: str


def _promise(text, bound, measured, holds):
    return Promise(text, bound, measured, "holds" if holds else "misses")


def acceptance(tables, checks):
    """Return all promises, also those that were not measured."""
    lines = [
        *_means_of("clean", tables, 93.0, 74.0),
        *_against_rivals(tables),
        *_means_of("contaminated", tables, 79.5, 46.5),
    ]
    for section, judge in JUDGES.items():
        rows = None if checks is None else checks[checks["section"] == section]
        if rows is None or OURS not in set(rows["detector"]):
            lines.append(Promise(f"`{section}`", "–", "–", "not measured"))
        else:
            lines += judge(rows)
    return lines


def _means_of(protocol, tables, auroc, auprc):
    for figure, bound in (("auroc", auroc), ("auprc", auprc)):
        text = f"{protocol}: mean {figure.upper()}"
        if protocol not in tables or OURS not in tables[protocol].names:
            yield Promise(text, f"≥ {bound}", "–", "not measured")
            continue
        values = getattr(tables[protocol], figure)
        mean = values[OURS].mean()
        yield _promise(text, f"≥ {bound}", f"{mean:.2f} on {len(values)} sets", mean >= bound)


def _against_rivals(tables):
    table = tables.get("clean")
    if table is None or not {OURS, REFERENCE} <= {*table.names}:
        yield Promise("clean: ranks and losses", "–", "–", "not measured")
        return
    for figure in ("auroc", "auprc"):
        ranks = table.ranks(figure)
        others = ranks.drop(OURS)
        bound = f"≤ {others.min():.2f}, `{others.idxmin()}`"
        text = f"clean: best mean rank, {figure.upper()}"
        yield _promise(text, bound, f"{ranks[OURS]:.2f}", ranks[OURS] <= others.min())
    n_lost = int((table.gain(OURS) < -MUCH).sum())
    text = f"clean: sets lost to `{REFERENCE}` by more than {MUCH:g} AUROC"
    yield _promise(text, "≤ 1", str(n_lost), n_lost <= 1)


def _judge_pvalues(rows):
    within = inside(rows)[1].loc[OURS]
    for name, share in [*within.mean().items(), ("all three", within.all(axis=1).mean())]:
        text = f"p-values: share of sets inside at {name}"
        yield _promise(text, "≥ 0.9", f"{share:.2f}", share >= 0.9)


def _judge_fdr(rows):
    for detector in _order(set(rows["detector"])):
        values = repetitions(rows, detector, "fdp")
        few = 1 < len(values) < MANY
        slack = 2 * values.std(ddof=1) / np.sqrt(len(values)) if few else 0.0
        bound = "≤ 0.1, within 2 standard errors" if few else "≤ 0.1"
        text = f"false-discovery rate of `{detector}`, {len(values)} repetitions"
        yield _promise(text, bound, _spread(values), values.mean() <= 0.1 + slack)


def _judge_explain(rows):
    means = _pivot(rows)
    for metric, rule in PLANTED.items():
        for rival in (REFERENCE, "iforest"):
            if rival in means.index.get_level_values(0):
                ours, theirs = (means.loc[name, metric].mean() for name in (OURS, rival))
                text = f"explanations, {rule}: foreign cell first, over `{rival}`"
                measured = f"{ours / theirs:.2f} ({ours:.3f} : {theirs:.3f})"
                yield _promise(text, "≥ 2", measured, ours >= 2 * theirs)


def _judge_time(rows):
    for case, cell in _pivot(rows).loc[OURS].iterrows():
        fit, score = cell["fit_s"], cell["score_s_per_row"]
        yield _promise(f"CPU seconds of a fit, {case}", "≤ 15", f"{fit:.2f}", fit <= 15)
        yield _promise("CPU seconds of scoring a row", "≤ 1e-4", f"{score:.1e}", score <= 1e-4)


JUDGES = {
    "pvalues": _judge_pvalues,
    "fdr": _judge_fdr,
    "explain": _judge_explain,
    "time": _judge_time,
}


def _number(value, spec):
    return "–" if np.isnan(value) else format(value, spec)
