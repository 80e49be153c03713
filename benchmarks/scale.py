"""How long do fits, draws and scores of large tables take, and how much memory?

    python -m benchmarks.scale --rows 10000 100000 1000000 --files 10000000

A table of ten columns of numbers is fitted, with the defaults, from memory (``--rows``) or from a
Parquet file (``--files``) that is written first. Then rows are drawn, and scored by their exact
log-density and by a detector of 20,000 rows, in batches. As many as in the largest table, which
takes half an hour:

    python -m benchmarks.scale --rows --files 10000000 --draws 10000000 --screened 10000000

Each table has a process of its own, on one thread, whose peak memory is given above that of the
package once imported; of a table in memory it holds the table. Rows of results are appended to
``scale.csv`` as they come, and ``scale.md`` is written from them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks._report import markdown_table, versions
from benchmarks._results import measure_missing

KEY = ["source", "rows"]
BATCH_ROWS, CHUNK_ROWS, DETECTOR_ROWS, N_COLUMNS = 65_536, 500_000, 20_000, 10
PACKAGES = ["numpy", "scikit-learn", "torch", "skorch", "pyarrow"]
# Column of the results, heading, format.
FIGURES = [
    ("used", "rows fitted", ",.0f"),
    ("fit_s", "fit, CPU-s", ",.0f"),
    ("fit_mib", "peak of the fit, MiB", ",.0f"),
    ("held_out", "log-density of held-out rows", ".3f"),
    ("drawn", "rows drawn", ",.0f"),
    ("drawn_per_s", "drawn a CPU-s", ",.0f"),
    ("scored", "log-densities", ",.0f"),
    ("scored_per_s", "of these a CPU-s", ",.0f"),
    ("screened", "rows seen by the detector", ",.0f"),
    ("screened_per_s", "of these a CPU-s", ",.0f"),
    ("all_mib", "peak of all, MiB", ",.0f"),
]


def make_rows(n, seed):
    """Rows of ten columns: correlated normal ones, a skewed one, and a noisy product of two."""
    mixing = np.random.default_rng(7).normal(size=(N_COLUMNS, N_COLUMNS))
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, N_COLUMNS)) @ mixing
    X[:, 3] = np.exp(X[:, 3] / 4)
    X[:, 7] = X[:, 0] * X[:, 1] + 0.1 * rng.normal(size=n)
    return X


def write_file(path, n):
    """Write so many rows as Parquet, a row group at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [f"x{j}" for j in range(N_COLUMNS)]
    schema = pa.schema([(name, pa.float64()) for name in names])
    with pq.ParquetWriter(path, schema) as writer:
        for k, start in enumerate(range(0, n, CHUNK_ROWS)):
            X = make_rows(min(CHUNK_ROWS, n - start), [1, k])
            writer.write_table(pa.table(dict(zip(names, X.T, strict=True)), schema=schema))


def peak_mib():
    """Return the peak of the memory of this process; it may not begin with that of its parent."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 2**10
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


@threadpool_limits.wrap(limits=1)
def measure_here(source, n, n_drawn, n_scored, n_screened, is_quick):
    """Fit, draw and score in this process; return the figures."""
    import torch

    from skdiffusion import DenoiserNet, DiffusionAnomalyDetector, DiffusionManifoldSampler

    torch.set_num_threads(1)
    imported = peak_mib()
    options = {"denoiser": DenoiserNet(max_epochs=1, steps_per_epoch=10), "manifold": None}
    options = options | {"baseline": "gaussian"} if is_quick else {}
    X = make_rows(n, [1, 0]) if source == "memory" else source
    start = time.process_time()
    sampler = DiffusionManifoldSampler(**options, random_state=0).fit(X)
    fit_s, fit_mib = time.process_time() - start, peak_mib() - imported
    start = time.process_time()
    for k, first in enumerate(range(0, n_drawn, BATCH_ROWS)):
        drawn = sampler.sample(min(BATCH_ROWS, n_drawn - first), random_state=k)
    draw_s = time.process_time() - start
    columns = None if source == "memory" else drawn.columns
    scores, score_s = score(sampler, n_scored, columns)
    detector = DiffusionAnomalyDetector(random_state=0).fit(make_rows(DETECTOR_ROWS, [1, 0]))
    screen_s = score(detector, n_screened)[1]
    return {
        "used": sampler.n_rows_used_,
        "fit_s": fit_s,
        "fit_mib": fit_mib,
        "held_out": float(np.concatenate(scores).mean()),
        "drawn": n_drawn,
        "drawn_per_s": n_drawn / draw_s,
        "scored": n_scored,
        "scored_per_s": n_scored / score_s,
        "screened": n_screened,
        "screened_per_s": n_screened / screen_s,
        "all_mib": peak_mib() - imported,
    }


def score(model, n, columns=None):
    """Score fresh rows in batches; return the scores, and the CPU seconds that they took."""
    scores, seconds = [], 0.0
    for k, first in enumerate(range(0, n, BATCH_ROWS)):
        rows = make_rows(min(BATCH_ROWS, n - first), [2, k])
        rows = rows if columns is None else pd.DataFrame(rows, columns=columns)
        start = time.process_time()
        scores.append(model.score_samples(rows))
        seconds += time.process_time() - start
    return scores, seconds


def measure(source, n, *options):
    """Measure a table in a process of its own; return its row of results."""
    with tempfile.TemporaryDirectory() as folder:
        path = "memory"
        if source == "Parquet":
            path = str(Path(folder) / "rows.parquet")
            write_file(path, n)
        code = "import json, sys; from benchmarks.scale import measure_here; "
        code += "print(json.dumps(measure_here(*json.loads(sys.argv[1]))))"
        command = [sys.executable, "-c", code, json.dumps([path, n, *options])]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {"source": source, "rows": n} | json.loads(done.stdout.splitlines()[-1])


def write_report(path, command):
    """Write the table beside a CSV file of results; return the report's path."""
    results = pd.read_csv(path).drop_duplicates(KEY, keep="last").sort_values(KEY[::-1])
    body = [
        [row["source"], f"{row['rows']:,}", *(format(row[name], spec) for name, _, spec in FIGURES)]
        for _, row in results.iterrows()
    ]
    lines = [
        "# Fits, draws and scores of large tables",
        "",
        f"Ten columns of numbers, one thread, batches of {BATCH_ROWS:,} rows; memory above that of",
        "the imported package, which of a table in memory holds the table. Command:",
        "",
        f"    {command}",
        "",
        f"Versions: {versions(PACKAGES)}.",
        "",
        *markdown_table(["source", "rows", *(heading for _, heading, _ in FIGURES)], body),
        "",
    ]
    report = path.with_suffix(".md")
    report.write_text("\n".join(lines), encoding="utf-8")
    return report


def parse(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", help="rows of tables in memory")
    parser.add_argument("--files", type=int, nargs="*", help="rows of Parquet files")
    parser.add_argument("--draws", type=int, help="rows to draw (default 131072)")
    parser.add_argument("--scores", type=int, help="log-densities to read (default 4096)")
    parser.add_argument("--screened", type=int, help="rows for the detector (default 131072)")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--fresh", action="store_true", help="measure anew what is asked for")
    parser.add_argument("--summary-only", action="store_true", help="only rewrite the report")
    parser.add_argument("--quick", action="store_true", help="small tables: does it run?")
    args = parser.parse_args(argv)
    defaults = {"rows": [10_000, 100_000, 1_000_000], "files": [10_000_000]}
    defaults |= {"draws": 2 * BATCH_ROWS, "scores": 4096, "screened": 2 * BATCH_ROWS}
    if args.quick:
        args.output, args.fresh = args.output / "quick", True
        defaults = {"rows": [300], "files": [500], "draws": 100, "scores": 20, "screened": 100}
    for name, value in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    return args


def main(argv=None):
    """Run the benchmark and write its report."""
    args = parse(argv)
    path = args.output / "scale.csv"
    options = args.draws, args.scores, args.screened, args.quick
    cells = {("memory", str(n)): ("memory", n, *options) for n in args.rows}
    cells |= {("Parquet", str(n)): ("Parquet", n, *options) for n in args.files}
    if not args.summary_only:
        for count, row in measure_missing(path, KEY, cells, measure, fresh=args.fresh):
            figures = ", ".join(f"{name} {row[key]:{spec}}" for key, name, spec in FIGURES)
            print(f"{count} {row['source']}, {row['rows']:,} rows: {figures}", flush=True)
    command = "python -m benchmarks.scale" + " --quick" * args.quick
    print(f"Report in {write_report(path, command)}.")


if __name__ == "__main__":
    main()
