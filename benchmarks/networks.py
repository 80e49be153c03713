"""Which network, and which regulariser, do tables need?

    python -m benchmarks.networks --data FOLDER

``nets``: `ResidualMLP` with its default training, `TableTransformer` in as many CPU seconds of
training, and the same to the end of its own default training. Within the seconds it is given as
many epochs as fit into them, so that its learning rate falls to the end as that of the other does.
Tables have 6,000 rows at most, of which 80 % are trained on; 300 held-out rows are scored.

``regularisers``: `ResidualMLP` alone, with dropout or weight decay, as a density of the features.

Rows of results are appended to ``networks.csv`` as they come, so that a run can be stopped and
resumed; ``networks.md`` is written from it at the end.
"""

import argparse
import copy
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from skorch.callbacks import Callback
from threadpoolctl import threadpool_limits

from benchmarks import _rivals
from benchmarks._data import load_table
from benchmarks._networks_report import write_report
from benchmarks._results import append_results, read_results
from benchmarks.mixed_tables import quick_tables
from skdiffusion import DenoiserNet, DiffusionManifoldSampler
from skdiffusion.metrics import GowerScaler, c2st, wasserstein
from skdiffusion.metrics.alignment import single_precision
from skdiffusion.nets import TableTransformer

REGULARISED = "wine insurance concrete_compression vehicle glass pima ionosphere"
TABLES = {
    "nets": ["imb_car-vgood", "tictactoe", "abalone", "churn", "shoppers", "insurance"],
    "regularisers": REGULARISED.split(),
}
SEEDS = {"nets": 2, "regularisers": 3}
REGULARISERS = {
    "none": {},
    "dropout .1": {"module__dropout": 0.1},
    "weight decay .1": {"optimizer__weight_decay": 0.1},
    "weight decay 1": {"optimizer__weight_decay": 1.0},
}
MAX_ROWS = 6000
# held-out rows whose density is read
N_SCORED = 300


class CpuClock(Callback):
    """Notes the CPU seconds of a training in its history; ends it before it takes too many.

    `DenoiserNet(max_time=)` goes by the clock on the wall, which other processes slow down.
    """

    def __init__(self, seconds=np.inf):
        self.seconds = seconds

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.start_ = time.process_time()

    def on_epoch_end(self, net, **kwargs):
        elapsed = time.process_time() - self.start_
        if elapsed * (1 + 1 / len(net.history)) > self.seconds:
            # which the net takes for an early stop
            raise KeyboardInterrupt

    def on_train_end(self, net, **kwargs):
        net.history.record("cpu_s", time.process_time() - self.start_)


def features(table):
    return _rivals.to_frame(table).drop(columns="target")


def fit(train, seed, *, options=None, seconds=np.inf, target=True, **params):
    """Return a fitted sampler, with its target or as a density of the features alone."""
    net = DenoiserNet(callbacks=[("cpu", CpuClock(seconds))], **options or {})
    sampler = DiffusionManifoldSampler(denoiser=net, random_state=seed, **params)
    if not target:
        return sampler.fit(features(train))
    is_class = train.is_classification
    sampler.set_params(target="categorical" if is_class else "continuous")
    return sampler.fit(features(train), train.y.astype(int) if is_class else train.y)


def measure_training(sampler, test):
    """Return CPU seconds, epochs, the best validation loss and the median held-out log-density."""
    history = sampler.history_
    return {
        "train_s": float(history[-1, "cpu_s"]),
        "epochs": len(history),
        "valid_loss": float(min(history[:, "valid_loss"])),
        "log_density": float(np.median(sampler.score_samples(features(test)[:N_SCORED]))),
    }


def measure_draws(sampler, train, test, seed):
    """Return C2ST and W1, against held-out rows, of as many drawn rows as `train` has."""
    X, y = sampler.sample(len(train.X), return_y=True, random_state=seed)
    fake = train.restore_types(np.column_stack([_rivals.to_rows(X), y]))
    rows = [single_precision(r) for r in (train.Z, test.Z, fake)]
    scaler = GowerScaler(categorical=train.Z_categorical).fit(rows[0])
    real, drawn = (scaler.transform(r) for r in rows[1:])
    return {
        "c2st": float(c2st(real, drawn, random_state=seed)),
        "w1": float(wasserstein(real, drawn, max_rows=1000, random_state=0)),
    }


def judge(sampler, train, test, seed):
    """Measure the training, the default draws, and draws that start from noise alone."""
    found = measure_training(sampler, test)
    draws = from_noise = measure_draws(sampler, train, test, seed)
    if sampler.model_.starts is not None:
        plain = copy.copy(sampler)
        plain._model = replace(sampler.model_, starts=None)
        from_noise = measure_draws(plain, train, test, seed)
    return found | draws | {f"{name}_noise": value for name, value in from_noise.items()}


def compare_nets(table, seed, options):
    """Yield the name and figures of both networks on one split."""
    train, test = table.split(seed)
    found = judge(fit(train, seed, options=options), train, test, seed)
    yield "mlp", found
    transformer, budget = options | {"module": TableTransformer}, found["train_s"]
    pace = fit(train, seed, options=transformer | {"max_epochs": 2}).history_[-1, "cpu_s"] / 2
    n_epochs = {"max_epochs": max(1, int(budget / pace))}
    sampler = fit(train, seed, options=transformer | n_epochs, seconds=budget)
    yield "transformer", judge(sampler, train, test, seed)
    yield "transformer_full", judge(fit(train, seed, options=transformer), train, test, seed)


def compare_regularisers(table, seed, options):
    """Yield the name and figures of each regulariser on one split."""
    train, test = table.split(seed)
    params = {"target": False, "dcr_ratio": None, "manifold": None}
    for name, regulariser in REGULARISERS.items():
        sampler = fit(train, seed, options=options | regulariser, **params)
        figures = dict.fromkeys(("c2st", "w1", "c2st_noise", "w1_noise"))
        yield name, measure_training(sampler, test) | figures


PARTS = {"nets": compare_nets, "regularisers": compare_regularisers}


def run(args, path):
    """Measure the splits that the CSV file lacks."""
    options = {"max_epochs": 2, "steps_per_epoch": 10} if args.quick else {}
    done = {(row["part"], row["table"], row["seed"]) for row in read_results(path)}
    quick = dict(zip(PARTS, quick_tables(), strict=True))
    parts = [(seed, part) for seed in range(max(SEEDS.values())) for part in args.parts]
    for seed, part in parts:
        if seed >= (1 if args.quick else SEEDS[part]):
            continue
        tables = [quick[part]] if args.quick else TABLES[part]
        for table in tables:
            name = getattr(table, "name", table)
            if (part, name, str(seed)) in done:
                continue
            if not args.quick:
                table = load_table(name, folder=args.data, max_rows=MAX_ROWS)
            cell = {"part": part, "table": name, "seed": seed}
            figures = PARTS[part](table, seed, options)
            rows = [cell | {"method": method} | found for method, found in figures]
            append_results(path, rows)
            print(
                part,
                name,
                seed,
                *(f"{r['method']} {r['log_density']:.3f}" for r in rows),
                flush=True,
            )


def parse(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__)
    parser.add_argument("--data", help="folder of .npz tables (default: $SKDIFFUSION_DATA)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--summary-only", action="store_true", help="only rewrite the report")
    parser.add_argument("--quick", action="store_true", help="short and small: does it run?")
    args = parser.parse_args(argv)
    if args.quick:
        args.output = args.output / "quick"
    return args


def main(argv=None):
    """Run the benchmark, resuming where it stopped, and write its report."""
    args = parse(argv)
    path = args.output / "networks.csv"
    if args.quick:
        path.unlink(missing_ok=True)
    if not args.summary_only:
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with threadpool_limits(1):
                run(args, path)
        finally:
            torch.set_num_threads(n_threads)
    command = f"python -m benchmarks.networks --data FOLDER --parts {' '.join(args.parts)}"
    report = write_report(path, command=command + (" --quick" if args.quick else ""))
    print(f"Report in {report}.")


if __name__ == "__main__":
    main()
