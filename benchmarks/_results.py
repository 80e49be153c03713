"""Files of results, one row for each cell, to which a run that was stopped can add."""

import csv


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
