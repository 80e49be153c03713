"""What the verbs do: read files, ask an estimator, write a file, and yield lines to print."""

from dataclasses import replace

import numpy as np
from scipy.stats import rankdata
from sklearn.model_selection import train_test_split

import skdiffusion
from skdiffusion._cli.files import read_table, whole_file, write_table
from skdiffusion.metrics import fidelity_report
from skdiffusion.saving.model_file import is_saved
from skdiffusion.tables import discover_constraints


def fit(args):
    """Fit a sampler and keep it in a file."""
    model = _learn(args)
    skdiffusion.save(model, args.output)
    yield f"Wrote {args.output}, a model of {model[-1]} rows."


def sample(args):
    """Draw rows from a model file, or from a table that is learned first."""
    learned = skdiffusion.load(args.table) if is_saved(args.table) else _learn(args)
    sampler, table, n_rows = learned
    n_rows = n_rows if args.n_rows is None else args.n_rows
    drawn = sampler.sample(n_rows, conditions=_where(args.where, table), random_state=args.seed)
    write_table(args.output, drawn, table)
    yield f"Wrote {args.output}, {len(drawn)} rows."


def report(args):
    """Judge synthetic rows by real ones."""
    real = read_table(args.table)
    # tables of two kinds of files agree as text
    train, synthetic = (read_table(path, real).frame for path in (args.table, args.synthetic))
    relations = [found.constraint for found in discover_constraints(train)]
    if args.holdout is None:
        train, test = train_test_split(train, test_size=0.5, random_state=args.seed)
        yield f"Half of {args.table} stands for held-out rows: privacy needs --holdout."
    else:
        test = read_table(args.holdout, real).frame
    found = fidelity_report(train, test, synthetic, relations=relations, random_state=args.seed)
    with whole_file(args.output) as temporary:
        found.to_html(temporary)
    yield from [*found.verdict, f"Wrote {args.output}."]


def impute(args):
    """Fill gaps by their expected cells."""
    table = read_table(args.table, drop=args.drop)
    filled, n_gaps = table.frame, table.frame.isna().sum().sum()
    if n_gaps:
        # few epochs, and draws from noise: the defaults of the imputer
        sampler = _sampler(args, max_epochs=12).set_params(dcr_ratio=None)
        imputer = skdiffusion.DiffusionImputer(sampler=sampler, random_state=args.seed)
        filled = imputer.fit_transform(filled)
    write_table(args.output, filled, table, table.text)
    yield f"Wrote {args.output}, {n_gaps - filled.isna().sum().sum()} of {n_gaps} gaps filled."


def detect(args):
    """Score rows by how unlike they are to the others, or to normal ones."""
    table = read_table(args.table, drop=args.drop)
    rows = normal = table.frame
    if args.train is not None:
        rows, normal = (read_table(path, table).frame for path in (args.table, args.train))
    detector = skdiffusion.DiffusionAnomalyDetector(random_state=args.seed).fit(normal)
    if args.train is None:
        # each row without itself
        scores = detector.training_scores_
        pvalues = rankdata(scores, "max") / len(scores)
    else:
        scores, pvalues = detector.score_samples(rows), detector.predict_pvalue(rows)
    is_anomaly = scores < detector.offset_
    added = {
        "anomaly_score": np.round(-scores, 4),
        "anomaly_pvalue": np.round(pvalues, 5),
        "anomaly": np.where(is_anomaly, "yes", "no"),
        "anomaly_reason": [*_reasons(detector.explain(rows), table)],
    }
    if taken := sorted(set(added) & set(rows)):
        raise ValueError(f"{args.table} has a column {taken[0]!r} already: --drop it")
    write_table(args.output, table.frame.assign(**added), table, table.text)
    yield f"Wrote {args.output}, {is_anomaly.sum()} of {len(rows)} rows are anomalies."


def _reasons(explanation, table):
    """Return of each row up to three cells that make it anomalous, and what was expected."""
    shares, expected = explanation.contributions, explanation.expected
    expected = {name: table.formats[name].write(expected[name]).tolist() for name in expected}
    for i, row in enumerate(shares.to_numpy()):
        names = [shares.columns[j] for j in np.argsort(-row)[:3] if row[j] > 0]
        cells = [(name, table.text[name][i], expected[name][i]) for name in names]
        yield "; ".join(f"{n} {cell}" + f" (expected {e})" * (e != cell) for n, cell, e in cells)


def augment(args):
    """Add synthetic rows until all classes of a column are as large as the largest."""
    if args.target is None:
        raise ValueError("give the column of classes by --target")
    table = read_table(args.table, drop=args.drop)
    rows, y = split_target(table.frame, args.target)
    oversampler = skdiffusion.DiffusionOversampler(sampler=_sampler(args), random_state=args.seed)
    more, y = oversampler.fit_resample(rows, y)
    more = more.assign(**{args.target: np.asarray(y)})[list(table.frame)]
    write_table(args.output, more, table, table.text)
    yield f"Wrote {args.output}, with {len(more) - len(rows)} synthetic rows behind {len(rows)}."


def _learn(args):
    """Return a sampler, its table with names in place of rows, and the number of these."""
    table = read_table(args.table, drop=args.drop)
    sampler = fit_sampler(table.frame, None, args)
    return sampler, replace(table, path=None, frame=list(table.frame), text=None), len(table.frame)


def fit_sampler(rows, y, args, **options):
    """Fit a sampler that draws gaps as rows have them."""
    encoder = skdiffusion.TableEncoder(missing_indicator=True, **options)
    return _sampler(args).set_params(encoder=encoder).fit(rows, y)


def _sampler(args, **net):
    net = {"max_epochs": 1, "steps_per_epoch": 20} if args.quick else net
    options = {"verbose": int(not args.quiet), "random_state": args.seed}
    return skdiffusion.DiffusionManifoldSampler(denoiser=skdiffusion.DenoiserNet(**net), **options)


def split_target(frame, target):
    """Return the other columns and the target, or None without one."""
    if target is None:
        return frame, None
    if target not in frame:
        raise ValueError(f"there is no column {target!r}, only {list(frame)}")
    return frame.drop(columns=target), frame[target]


def _where(where, table):
    """Read COLUMN=VALUE, or COLUMN=LOW..HIGH for numbers and times; several values are a list."""
    import pandas as pd

    found = {}
    for name, _, text in (pair.partition("=") for pair in where):
        if not text or name not in table.frame:
            raise ValueError(f"--where takes COLUMN=VALUE of a column of {table.frame}")
        style = table.formats[name]
        is_range = ".." in text and style.kind != "levels"
        ends = text.split("..", 1) if is_range else [text]
        try:
            ends = [style.read(pd.Series([e], dtype=object))[0] if e else None for e in ends]
        except (ValueError, TypeError) as error:
            kind = "whole numbers" if style.kind == "numbers" and not style.most else style.kind
            raise ValueError(
                f"--where {name}={text} is no value or range of column {name!r}, which holds {kind}"
            ) from error
        found.setdefault(name, []).append(tuple(ends) if is_range else ends[0])
    return {name: ends[0] if len(ends) == 1 else ends for name, ends in found.items()} or None
