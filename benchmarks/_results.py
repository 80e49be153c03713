"""Files of results, one row for each cell, to which a run that was stopped can add."""

import csv

from joblib import Parallel, delayed


def read_results(path):
    """Return the rows of a results file, none if there is no file yet."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def append_results(path, rows, mode="a"):
    """Append rows of results, under a header if the file is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = mode == "w" or not path.exists()
    if not is_new and list(read_results(path)[0]) != list(rows[0]):
        raise ValueError(f"{path} has other columns: take it away, or give another --output.")
    with path.open(mode, newline="") as file:
        writer = csv.DictWriter(file, fieldnames=rows[0])
        if is_new:
            writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})


def forget(path, key, cells):
    """Drop some cells from a results file."""
    rows = read_results(path)
    kept = [row for row in rows if tuple(row[k] for k in key) not in cells]
    if kept:
        append_results(path, kept, mode="w")
    else:
        path.unlink(missing_ok=True)


def measure_missing(path, key, cells, measure, *, fresh=False, jobs=1):
    """Measure the cells that a results file lacks; yield a counter and each row as it is added.

    `cells` maps what identifies a row, as text, to the arguments of `measure`.
    """
    if fresh:
        forget(path, key, set(cells))
    done = {tuple(row[k] for k in key) for row in read_results(path)}
    wanted = [arguments for cell, arguments in cells.items() if cell not in done]
    rows = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(measure)(*arguments) for arguments in wanted
    )
    for i, row in enumerate(rows, start=1):
        append_results(path, [row])
        yield f"[{i}/{len(wanted)}]", row
