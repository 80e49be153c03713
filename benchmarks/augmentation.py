"""Synthetic rows for training: do classifiers and regressors get better by them?

    python -m benchmarks.augmentation --data FOLDER --panel FOLDER

Three sections. "classes": imbalanced tables, oversampled inside each fold of a stratified 5-fold
cross-validation with 2 repeats; average precision, and macro-F1 at threshold 0.5, of a logistic
regression, a random forest and gradient boosting. "panel": the same on the problems of another
folder, of which one random half was there to design on. "numbers": rare values of a numeric target;
RMSE on them and over all. Results are appended to CSV files as they come, so that a run can be
stopped and resumed; ``augmentation.md`` is written from them at the end.
"""

import argparse
import time
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import average_precision_score, f1_score
from sklearn.model_selection import KFold, RepeatedStratifiedKFold
from threadpoolctl import threadpool_limits

from benchmarks._augmentation_methods import (
    OURS,
    SharedSampler,
    learners,
    resample_classes,
    resample_numbers,
)
from benchmarks._augmentation_report import write_report
from benchmarks._data import data_folder, load_table, table_names
from benchmarks._results import append_results, read_results

SECTIONS = ("classes", "panel", "numbers")
CLASS_METHODS = ["none", "random", "smote", "borderline", "adasyn", *OURS]
NUMBER_METHODS = ["none", "random", "smoter", *OURS]
NUMBER_TABLES = [
    "abalone",
    "airfoil_self_noise",
    "concrete_compression",
    "diabetes_sk",
    "insurance",
    "yacht_hydrodynamics",
]
RARE = 0.9
SHARES = (0.1, 0.3)


def imbalanced(folder):
    """Return the imbalanced tables of the folder, or of scikit-learn's."""
    names = table_names(folder)
    return [n for n in names if n.startswith("imb_")] or ["breast_cancer_diagnostic"]


def classes_cell(table, rows, fold, methods, quick):
    """Yield one result for each method and classifier on one fold."""
    train, test = (table.take(r) for r in rows)
    y = train.y.astype(int)
    for method in methods:
        start = time.process_time()
        X_more, y_more = resample_classes(method, train, y, fold, quick=quick)
        seconds = time.process_time() - start
        for name, model in learners(table, fold).items():
            probability = model.fit(X_more, y_more).predict_proba(test.X)[:, 1]
            yield {
                "table": table.name,
                "fold": fold,
                "method": method,
                "model": name,
                "ap": average_precision_score(test.y, probability),
                "f1": f1_score(test.y, probability > 0.5, average="macro"),
                "resample_s": seconds,
            }


def numbers_cell(table, rows, fold, methods, quick):
    """Yield one result for each method and regressor on one fold, and the errors by target."""
    train, test = (table.take(r) for r in rows)
    limit = np.quantile(train.y, RARE)
    for method, share in product(methods, SHARES):
        X, y = resample_numbers(method, train, train.y > limit, share, fold, quick=quick)
        for name, model in learners(table, fold).items():
            error = model.fit(X, y).predict(test.X) - test.y
            yield {
                "table": table.name,
                "fold": fold,
                "method": method,
                "model": name,
                "share": share,
                "rmse_rare": np.sqrt(np.mean(error[test.y > limit] ** 2)),
                "rmse_all": np.sqrt(np.mean(error**2)),
                **_errors_by_decile(test.y, error, train.y),
            }


def _errors_by_decile(y, error, y_train):
    """Mean squared error and bias between the deciles of the target: what the figure shows."""
    edges = np.quantile(y_train, np.linspace(0, 1, 11)[1:-1])
    place = np.searchsorted(edges, y)
    means = {}
    for k in range(10):
        own = error[place == k]
        means[f"mse_{k}"] = np.mean(own**2) if len(own) else np.nan
        means[f"bias_{k}"] = np.mean(own) if len(own) else np.nan
    return means


CELLS = {"classes": classes_cell, "panel": classes_cell, "numbers": numbers_cell}


def run_section(section, args):
    """Append the results that the CSV file of a section lacks."""
    folder = data_folder(args.panel if section == "panel" else args.data)
    path = args.output / f"augmentation_{section}.csv"
    if args.fresh:
        path.unlink(missing_ok=True)
    wanted = NUMBER_METHODS if section == "numbers" else CLASS_METHODS
    done = {(r["table"], int(r["fold"]), r["method"]) for r in read_results(path)}
    for name in tables_of(section, args, folder):
        table = load_table(name, folder=folder, max_rows=args.max_rows)
        for fold, rows in enumerate(folds(section, table, args)):
            methods = [m for m in wanted if (table.name, fold, m) not in done]
            if not methods:
                continue
            # all or nothing, so that a stopped run goes on with whole folds
            for result in list(CELLS[section](table, rows, fold, methods, args.quick)):
                append_results(path, [result])
            SharedSampler.forget()
            print(f"{section}: {table.name}, fold {fold}", flush=True)


def tables_of(section, args, folder):
    """Return the names of the tables of a section."""
    if args.tables:
        return args.tables
    if section == "classes":
        names = imbalanced(folder)
    elif section == "panel":
        names = table_names(folder)
    else:
        at_hand = table_names(folder)
        names = [n for n in NUMBER_TABLES if n in at_hand]
    return names[:1] if args.quick else names


def folds(section, table, args):
    """Return the training and test rows of each fold."""
    if section == "numbers":
        cv, y = KFold(n_splits=5, shuffle=True, random_state=0), None
    else:
        cv = RepeatedStratifiedKFold(n_splits=5, n_repeats=args.repeats, random_state=0)
        y = table.y
    found = list(cv.split(table.X, y))
    return found[:1] if args.quick else found


def parse(argv=None):
    """Read the command line."""
    names = partial(str.split, sep=",")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.augmentation", description=__doc__)
    parser.add_argument("--data", help="folder of .npz tables (default: $SKDIFFUSION_DATA)")
    parser.add_argument("--panel", help="folder of more imbalanced problems")
    parser.add_argument("--sections", type=names, default=list(SECTIONS), help=",".join(SECTIONS))
    parser.add_argument("--tables", type=names, help="comma-separated, for one section")
    parser.add_argument("--repeats", type=int, default=2, help="of the 5 folds of classes")
    parser.add_argument("--max-rows", type=int, default=0, help="rows of a table; 0: no limit")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--summary-only", action="store_true", help="only rewrite the report")
    parser.add_argument("--quick", action="store_true", help="one table and fold, short training")
    args = parser.parse_args(argv)
    unknown = sorted({*args.sections} - {*SECTIONS})
    if unknown:
        parser.error(f"unknown sections {', '.join(unknown)}; known are {', '.join(SECTIONS)}")
    if args.panel is None:
        args.sections = [section for section in args.sections if section != "panel"]
    if args.quick:
        args.output, args.fresh = args.output / "quick", True
        args.max_rows = args.max_rows or 300
    return args


def main(argv=None):
    """Run the benchmark and write its report."""
    args = parse(argv)
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for section in [] if args.summary_only else args.sections:
            run_section(section, args)
    print(f"Report in {write_report(args.output)}.")


if __name__ == "__main__":
    main()
