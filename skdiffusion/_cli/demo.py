"""The demo: learn a table, write synthetic rows and a picture, and judge the rows."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, train_test_split

import skdiffusion
from skdiffusion._cli.files import Table, read_table, write_table
from skdiffusion._cli.verbs import fit_sampler, split_target
from skdiffusion.metrics import fidelity_report
from skdiffusion.plotting import LogDensityDisplay, SyntheticComparisonDisplay
from skdiffusion.plotting._style import import_pyplot

# The report compares at most this many rows a side: more would cost minutes and change nothing.
MAX_REPORTED_ROWS = 1000
# Exact log-densities of wide rows are dear; this many show a distribution well.
MAX_SCORED_ROWS = 150
FIGURES = ["w1_test", "c2st_boosting", "coverage", "shape_error", "trend_error", "dcr_ratio"]


def demo(args):
    """Run the demo; files of an earlier run are replaced."""
    table = _load(args)
    n_rows, n_columns = table.frame.shape
    n_judged = min(n_rows // 5, MAX_REPORTED_ROWS)
    train, rest = train_test_split(table.frame, test_size=2 * n_judged, random_state=args.seed)
    # rows to judge by, and those that show what fresh real rows would reach
    test, fresh = train_test_split(rest, test_size=n_judged, random_state=args.seed)
    yield f"{table.path.stem}: {n_rows} rows, {n_columns} columns"
    yield f"{len(train)} rows to train on, {len(test)} held out to judge by\n"
    # held-out rows may hold levels of their own
    sampler = fit_sampler(*split_target(train, args.target), args, handle_unknown="missing")
    drawn = sampler.sample(n_rows, return_y=args.target is not None, random_state=args.seed)
    if args.target is not None:
        drawn = drawn[0].assign(**{args.target: np.asarray(drawn[1])})[list(train)]
    args.folder.mkdir(parents=True, exist_ok=True)
    write_table(args.folder / "synthetic.csv", drawn, table)
    yield from _compare(train, test, fresh, drawn, args)
    groups = {"training rows": train, "held-out rows": test, "synthetic rows": drawn}
    rows = {k: split_target(v.head(MAX_SCORED_ROWS), args.target)[0] for k, v in groups.items()}
    _picture(table, drawn, sampler, rows).savefig(args.folder / "picture.png", dpi=110)
    yield f"\nWrote synthetic.csv and picture.png in {args.folder}."


def _load(args):
    if args.csv is None:
        data = load_breast_cancer(as_frame=True)
        frame = data.frame.drop(columns="target")
        frame.insert(0, "diagnosis", data.target_names[data.target].astype(object))
        args.target = args.target or "diagnosis"
        return Table(Path("breast cancer"), frame)
    if args.csv.resolve() == (args.folder / "synthetic.csv").resolve():
        raise ValueError(f"{args.csv} would be replaced: give another folder as --output")
    table = read_table(args.csv)
    if len(table.frame) < 40 or table.frame.shape[1] < 2:
        raise ValueError(f"{args.csv}: the demo needs at least 40 rows of 2 columns")
    return table


def _compare(train, test, fresh, drawn, args):
    """Yield figures beside those of fresh rows and of a mixture, and what they say of the rows."""
    import pandas as pd

    # one encoder for all folds of cross-validation, so that each knows all levels
    encoder = skdiffusion.TableEncoder(missing_indicator=True).fit(train)
    counts = {"n_components": [1, 2] if args.quick else [1, 2, 3, 5, 8]}
    mixture = GaussianMixture(reg_covar=1e-4, random_state=args.seed)
    mixture = GridSearchCV(mixture, counts, cv=3).fit(np.nan_to_num(encoder.transform(train)))
    Z = skdiffusion.sample_from(mixture, len(fresh))
    samples = {
        "fresh real rows": fresh,
        "skdiffusion": drawn.head(len(fresh)),
        "Gaussian mixture": encoder.inverse_transform(Z, random_state=args.seed),
    }
    seed = {"random_state": args.seed}
    found = {name: fidelity_report(train, test, rows, **seed) for name, rows in samples.items()}
    yield pd.DataFrame(found).T[FIGURES].astype(float).to_string(float_format="{:.3f}".format)
    yield "\n" + "\n".join(found["skdiffusion"].verdict)


def _picture(table, drawn, sampler, rows):
    figure, (left, right) = import_pyplot().subplots(
        1, 2, figsize=(14.0, 5.0), width_ratios=[2.75, 1.0], layout="constrained"
    )
    SyntheticComparisonDisplay.from_samples(table.frame, drawn).plot(left)
    LogDensityDisplay.from_estimator(sampler, rows).plot(right)
    right.set_title("How likely the model finds the rows", fontsize="medium", loc="left")
    figure.suptitle(f"{table.path.stem}: real and synthetic rows", fontsize="x-large")
    return figure
