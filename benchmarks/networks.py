"""Which regulariser does the network of tables need?

    python -m benchmarks.networks --data FOLDER

`ResidualMLP` with dropout or weight decay, as a density of the features: 80 % of a table, of 6,000
rows at most, are trained on, and 300 held-out rows are scored.

Rows of results are appended to ``networks.csv`` as they come, so that a run can be stopped and
resumed; ``networks.md`` is written from it at the end.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks import _rivals
from benchmarks._data import load_table
from benchmarks._networks_report import write_report
from benchmarks._results import append_results, read_results
from benchmarks.mixed_tables import quick_tables
from skdiffusion import DenoiserNet, DiffusionManifoldSampler

TABLES = ["wine", "insurance", "concrete_compression", "vehicle", "glass", "pima", "ionosphere"]
N_SEEDS = 3
REGULARISERS = {
    "none": {},
    "dropout .1": {"module__dropout": 0.1},
    "weight decay .1": {"optimizer__weight_decay": 0.1},
    "weight decay 1": {"optimizer__weight_decay": 1.0},
}
MAX_ROWS = 6000
# held-out rows whose density is read
N_SCORED = 300


def features(table):
    return _rivals.to_frame(table).drop(columns="target")


def measure(train, test, seed, options):
    """Return epochs, the best validation loss and the median held-out log-density of a network."""
    net = DenoiserNet(**options)
    params = {"dcr_ratio": None, "manifold": None, "random_state": seed}
    sampler = DiffusionManifoldSampler(denoiser=net, **params).fit(features(train))
    return {
        "epochs": len(sampler.history_),
        "valid_loss": float(min(sampler.history_[:, "valid_loss"])),
        "log_density": float(np.median(sampler.score_samples(features(test)[:N_SCORED]))),
    }


def run(args, path):
    """Measure the splits that the CSV file lacks."""
    options = {"max_epochs": 2, "steps_per_epoch": 10} if args.quick else {}
    done = {(row["table"], row["seed"]) for row in read_results(path)}
    for seed in range(1 if args.quick else N_SEEDS):
        for table in quick_tables()[1:] if args.quick else TABLES:
            name = getattr(table, "name", table)
            if (name, str(seed)) in done:
                continue
            if not args.quick:
                table = load_table(name, folder=args.data, max_rows=MAX_ROWS)
            split = table.split(seed)
            rows = [
                {"table": name, "seed": seed, "method": method}
                | measure(*split, seed, options | regulariser)
                for method, regulariser in REGULARISERS.items()
            ]
            append_results(path, rows)
            found = (f"{row['method']} {row['log_density']:.3f}" for row in rows)
            print(name, seed, *found, flush=True)


def parse(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__)
    parser.add_argument("--data", help="folder of .npz tables (default: $SKDIFFUSION_DATA)")
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
    command = f"python -m benchmarks.networks {'--quick' if args.quick else '--data FOLDER'}"
    report = write_report(path, command=command)
    print(f"Report in {report}.")


if __name__ == "__main__":
    main()
