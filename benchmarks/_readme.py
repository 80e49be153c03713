"""The summaries of the scoreboard and of mixed tables, as they stand in the README.

    python -m benchmarks._readme

Takes them from the reports in ``results`` and puts them between the two markers of the README.
"""

from pathlib import Path

from benchmarks._report import markdown_table

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- benchmarks -->\n", "<!-- end of benchmarks -->"
NAMES = {
    "ours": "`DiffusionManifoldSampler`",
    "smoother": "`RiemannianKernelSmoother`",
    "copy": "training rows, copied",
    "smote": "SMOTE",
    "kde": "kernel density",
    "gmm": "Gaussian mixture",
    "cart": "sequential CART",
    "vine": "vine copula",
}
COLUMNS = {
    "scoreboard": [
        *("W1 test", "coverage test", "F1", "R2", "class score", "C2ST", "median DCR ratio"),
        "median fit s",
    ],
    "mixed_tables": ["shape error, %", "trend error, %", "C2ST", "copies", "fit s"],
}


def summary(name):
    """Return the summary of a report, of some columns, with the systems that were published."""
    text = (RESULTS / f"{name}.md").read_text(encoding="utf-8").split("## Summary")[1]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    stop = next(k for k, row in enumerate(rows) if row[0] == "table")
    header, body = rows[0], rows[2:stop]
    kept = [header.index(column) for column in COLUMNS[name]]
    lines = [
        [NAMES.get(row[0], row[0]), *(row[k].split(" (")[0] for k in kept)]
        for row in sorted(body, key=lambda row: [*NAMES, row[0]].index(row[0]))
        # not on all tables
        if row[kept[0]] != "–"
    ]
    return markdown_table(["method", *COLUMNS[name]], lines)


def table():
    """Return what stands between the markers."""
    parts = [
        "Sixteen small tables of a public scoreboard, three splits (W1: exact distance to held-out",
        "rows; F1, R2: of learners trained on drawn rows; C2ST: .5 where boosting cannot tell):",
        "",
        *summary("scoreboard"),
        "",
        "Large and mixed tables:",
        "",
        *summary("mixed_tables"),
    ]
    return "\n".join(parts) + "\n"


def main():
    """Write the summaries into the README."""
    path = ROOT / "README.md"
    head, rest = path.read_text(encoding="utf-8").split(BEGIN)
    tail = rest.split(END)[1]
    path.write_text(f"{head}{BEGIN}{table()}{END}{tail}", encoding="utf-8")
    print(f"Summaries in {path.name}.")


if __name__ == "__main__":
    main()
