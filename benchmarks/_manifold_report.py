"""Write the results of the manifold benchmark as Markdown."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pandas as pd

from benchmarks._manifold_methods import METHODS, WORDS
from benchmarks._manifold_sets import known_sets
from skdiffusion import DiffusionManifoldSampler

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "skorch")
# column of the results, heading, whether in units of real rows, format
TABLES = [
    ("distance", "Mean distance from the manifold, over that of real rows ↓", True, ".2f"),
    ("distance_95", "95 % quantile of the distance, over that of real rows ↓", True, ".2f"),
    ("sliced", "Sliced W1 to 20,000 real rows, over that of fresh real rows ↓", True, ".2f"),
    ("coverage", "Coverage of real rows, k = 5, over that of fresh real rows ↑", True, ".3f"),
    ("recall", "Recall ↑", False, ".3f"),
    ("precision", "Precision ↑", False, ".3f"),
    ("density", "Density (1 ideal)", False, ".2f"),
    ("dcr_ratio", "Distance to training rows over that of fresh rows (1 ideal)", False, ".2f"),
    ("rare_ratio", "Share of the rare mode over its weight (1 ideal)", False, ".2f"),
    ("tangent_angle", "Largest angle between true and learned tangents, degrees ↓", False, ".1f"),
    ("trustworthiness", "Trustworthiness of the embedding, 10 neighbours ↑", False, ".3f"),
    ("geodesic_rank", "Rank correlation of embedded distances with geodesics ↑", False, ".3f"),
    ("geodesic_error", "Relative error of embedded distances as geodesics ↓", False, ".2f"),
    ("train_s", "Training of the network, CPU seconds", False, ".1f"),
    ("fit_s", "Fit, CPU seconds", False, ".1f"),
    ("sample_s", "Drawing 2,000 rows (10,000 with a rare mode), CPU seconds", False, ".2f"),
]
# the noiseless sets have no distance of real rows to stand beside: plain EDM's is the unit there
UNIT = "plain"
MAX_DISTANCE, MAX_SHARE_OF_PLAIN = 1.2, 0.5
NOVEL, RARE, MAX_TRAINING = (0.9, 1.1), 0.3, 10.0
# how near to rows the default is to draw
ASKED = DiffusionManifoldSampler().dcr_ratio


def read_main(path):
    """Return the results, the last of each cell, with ratios to real rows."""
    results = _last(pd.read_csv(path))
    cell = results.set_index(["set", "seed"])
    is_clean = results["set"].map({k: s.noise == 0 for k, s in known_sets().items()})
    for column, *_ in [row for row in TABLES if row[2]]:
        units = {m: cell[cell["method"] == m][column] for m in ("real", UNIT)}
        keys = pd.MultiIndex.from_frame(results[["set", "seed"]])
        real = units["real"].reindex(keys).to_numpy()
        if column.startswith("distance"):
            real = np.where(is_clean, units[UNIT].reindex(keys).to_numpy(), real)
        results[f"{column} ratio"] = results[column] / real
    return results


def _last(results, *more):
    """Return the last row of each cell: one that failed before may have been tried again."""
    return results.drop_duplicates(["set", "seed", "method", *more], keep="last")


def main_lines(results):
    """Return a table for each value, a row for each set."""
    methods = [m for m in METHODS if m in set(results["method"])]
    lines = []
    for column, heading, is_ratio, spec in TABLES:
        name = f"{column} ratio" if is_ratio else column
        found = results.groupby(["set", "method"])[name].mean().unstack("method")
        found = found.reindex(index=_sets(results), columns=methods).dropna(how="all")
        if found.empty:
            continue
        body = [
            [s, *(_cell(v, spec) for v in row)]
            for s, row in zip(found.index, found.values, strict=True)
        ]
        lines += [f"## {heading}", "", *_markdown(["set", *methods], body), ""]
    return lines


def claim_lines(results, extra, method="auto"):
    """Return what the default sampler shall reach, with yes or no."""
    own = results[results["method"] == method]
    if own.empty:
        return []
    means = own.groupby("set").mean(numeric_only=True)
    known, body = known_sets(), []
    claims = [
        (name, *claim)
        for name in _sets(own)
        if known[name].has_claim
        for claim in _claims(known[name], means.loc[name])
    ]
    if extra is not None:
        claims += list(_path_claims(extra[extra["method"] == method]))
    for name, words, value, (low, high) in claims:
        verdict = "" if np.isnan(value) else ("yes" if low <= value <= high else "no")
        body.append([name, words, _cell(value, ".3f"), _limits(low, high), verdict])
    return [
        f"## What `{method}` reaches",
        "",
        *_markdown(["set", "value", "mean", "limit", "reached"], body),
        "",
        f"{sum(row[-1] == 'yes' for row in body)} of {len(body)} are reached.",
        "",
    ]


def _claims(known, row):
    if known.noise:
        yield "distance, over that of real rows", row["distance ratio"], (0, MAX_DISTANCE)
    else:
        yield "distance, over plain EDM's", row["distance ratio"], (0, MAX_SHARE_OF_PLAIN)
    words = f"distance to training rows, over {ASKED} of that of fresh rows"
    yield words, row["dcr_ratio"] / ASKED, NOVEL
    yield "coverage, over that of real rows", row["coverage ratio"], (known.min_coverage, np.inf)
    yield "sliced W1, over that of real rows", row["sliced ratio"], (0, known.max_sliced)
    if known.is_rare:
        yield "share of the rare mode, over its weight", row["rare_ratio"], (1 - RARE, 1 + RARE)
    yield "training, CPU seconds", row["train_s"], (0, MAX_TRAINING)


def _path_claims(own):
    limits = {
        "distance of paths over that of rows": ("distance of paths, over that of real rows", 1.2),
        "error of lengths": ("relative error of the length of paths", 0.1),
    }
    for measure, (words, high) in limits.items():
        means = own[own["measure"] == measure].groupby("set", sort=False)["value"].mean()
        for name, value in means.items():
            yield name, words, value, (0, high)


def promise_lines(results, extra):
    """Return the five promises: without a manifold, with it, and whether it helps."""
    rows = []
    for promise, name, column, goal, spec in _FROM_MAIN:
        part = results[results["set"] == name]
        values = [part[part["method"] == m].set_index("seed")[column] for m in _COMPARED]
        words = f"{name}: {_NAMES[column]}"
        rows.append((promise, words, goal, spec, *values, _chosen(part)))
    if extra is not None:
        rows += list(_extra_rows(extra))
    body = [
        [
            _PROMISES[promise],
            words,
            *(_with_error(v, spec) for v in (*others, own)),
            chosen,
            _helps(others, own, goal),
        ]
        for promise, words, goal, spec, *others, own, chosen in sorted(rows, key=lambda r: r[0])
    ]
    header = ["promise", "measure", *_COMPARED, "chosen", "helps"]
    return [
        "## Five promises",
        "",
        "Means and standard errors over the seeds; *chosen* is the coupling that `auto` took.",
        "Where that is none, what it gains it owes to the coding that it chose on the way. What",
        "`auto` is given beyond its defaults stands in brackets. Exploration without a manifold is",
        "by random draws and straight lines. It helps where it is better than each of the others",
        "by more than two standard errors of the difference (with one seed: where it is better).",
        "",
        *_markdown(header, body),
        "",
    ]


def _chosen(part):
    own = part[part["method"] == "auto"]["coupling"].dropna()
    return ", ".join(dict.fromkeys(own))


def _helps(others, own, goal):
    verdicts = {_verdict(other, own, goal) for other in others} - {""}
    return "" if not verdicts else ("yes" if verdicts == {"yes"} else "no")


_COMPARED = ("plain", "none", "auto")
_PROMISES = {
    1: "mode coverage",
    2: "diversity",
    3: "local geometry",
    4: "robustness",
    5: "exploration",
}
_NAMES = {
    "rare_ratio": "share of the rare mode over its weight (1 ideal)",
    "coverage ratio": "coverage over that of real rows ↑",
    "recall": "recall ↑",
    "dcr_ratio": "distance to training rows over that of fresh rows (1 ideal)",
    "distance ratio": "distance over that of real rows ↓",
    "tangent_angle": "angle of tangents, degrees ↓",
}
# promise, set, column, goal, format
_FROM_MAIN = [
    (1, "rare10", "rare_ratio", "one", ".2f"),
    (1, "rare10", "coverage ratio", "high", ".3f"),
    (1, "union", "coverage ratio", "high", ".3f"),
    (2, "swiss50", "coverage ratio", "high", ".3f"),
    (2, "swiss50", "recall", "high", ".3f"),
    (2, "swiss50", "dcr_ratio", "one", ".2f"),
    *[
        (3, name, column, "low", spec)
        for column, spec in (("distance ratio", ".2f"), ("tangent_angle", ".1f"))
        for name in ("swiss50", "sphere20", "torus10", "nonlin50", "rare10")
    ],
]
_EXTRA_GOALS = {
    "distance": ("low", ".4f", "distance after training on noise of 0.1 ↓"),
    "coverage": ("high", ".3f", "coverage after training with 5 % outliers ↑"),
    "on the manifold": ("high", ".3f", "rows on the manifold after training with 5 % outliers ↑"),
    "largest gap": ("low", ".3f", "largest gap between 50 landmarks ↓"),
    "in sparse places": (
        "high",
        ".3f",
        "share of 50 points in the sparsest tenth of the distribution ↑",
    ),
    "distance of paths": ("low", ".4f", "distance of paths from the manifold ↓"),
    "distance of paths over that of rows": ("low", ".2f", "the same over that of real rows ↓"),
    "error of lengths": ("low", ".3f", "relative error of lengths of paths as geodesics ↓"),
}
_SECTION_PROMISE = {"noise": 4, "outliers": 4, "exploration": 5, "paths": 5}


def _extra_rows(extra):
    for (section, name, measure), part in extra.groupby(["section", "set", "measure"], sort=False):
        goal, spec, words = _EXTRA_GOALS[measure]
        values = {m: p.set_index("seed")["value"] for m, p in part.groupby("method", sort=False)}
        for method in [m for m in values if m.startswith("auto")]:
            option = method.removeprefix("auto").strip(", ")
            label = f"{name}: {words}" + (f" ({option})" if option else "")
            others = [values.get(m, pd.Series(dtype=float)) for m in _COMPARED[:2]]
            yield _SECTION_PROMISE[section], label, goal, spec, *others, values[method], ""


def _verdict(without, given, goal):
    both = pd.concat([without, given], axis=1, keys=["a", "b"]).dropna()
    if both.empty:
        return ""
    worth = {
        "low": lambda v: -v,
        "high": lambda v: v,
        "one": lambda v: -np.abs(np.log(v.clip(lower=1e-3))),
    }[goal]
    gain = worth(both["b"]) - worth(both["a"])
    error = gain.sem() if len(gain) > 1 else 0.0
    return "yes" if gain.mean() > 2 * error and gain.mean() > 0 else "no"


def _with_error(values, spec):
    values = values.dropna()
    if values.empty:
        return ""
    error = f" ± {values.sem():{spec}}" if len(values) > 1 else ""
    return f"{values.mean():{spec}}{error}"


def _failures(results):
    failed = results[results["failure"].notna()] if "failure" in results else results[:0]
    if failed.empty:
        return []
    lines = ["## Failures", ""]
    lines += [
        f"- {r['set']}, seed {r['seed']}, {r['method']}: {r['failure']}"
        for _, r in failed.iterrows()
    ]
    return [*lines, ""]


def write_report(folder, *, command, rows):
    """Write ``manifold.md`` from the CSV files in a folder, and return its path."""
    results = read_main(folder / "manifold.csv")
    path = folder / "manifold_promises.csv"
    extra = _last(pd.read_csv(path), "section", "measure") if path.exists() else None
    methods = [m for m in METHODS if m in set(results["method"])]
    seeds = ", ".join(map(str, sorted(results["seed"].unique())))
    budgets = ", ".join(f"{s:g}" for s in sorted(results["seconds"].unique()) if s)
    budget = "Networks are trained as the sampler has it by itself."
    if budgets:
        budget = f"Networks are trained for {budgets} CPU seconds, that of `auto` as by itself."
    lines = [
        "# Manifolds of known truth",
        "",
        f"{rows:,} training rows; means over the seeds {seeds}. {budget}",
        "The seconds of a fit hold what comes before and after the training too. Command:",
        "",
        f"    {command}",
        "",
        f"Python {platform.python_version()}, {_versions()}; one thread of {os.cpu_count()} cores.",
        "",
        *(f"- `{method}`: {WORDS[method]}" for method in methods),
        "",
        "On the noiseless sets (swiss3, scurve3) the unit of distances is plain EDM's. A method",
        "without a value has no embedding, or a denoiser of something else than rows. The tangents",
        "of `real` are principal components of neighbours.",
        "",
        *claim_lines(results, extra),
        *promise_lines(results, extra),
        *main_lines(results),
        *_failures(results),
    ]
    report = folder / "manifold.md"
    report.write_text("\n".join(lines), encoding="utf-8")
    return report


def _versions():
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def _sets(results):
    return [name for name in known_sets() if name in set(results["set"])]


def _limits(low, high):
    if np.isinf(high):
        return f"≥ {low:g}"
    return f"≤ {high:g}" if low == 0 else f"{low:g} to {high:g}"


def _cell(value, spec):
    return "" if np.isnan(value) else format(value, spec)


def _markdown(header, body):
    lines = [f"| {' | '.join(header)} |", f"| {' | '.join(['---'] * len(header))} |"]
    return lines + [f"| {' | '.join(map(str, row))} |" for row in body]
