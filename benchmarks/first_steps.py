"""A newcomer's path: how long the first steps of the README take.

    python -m benchmarks.first_steps

Each step is a script as a user would type it, of at most ten lines, on a table that comes with
scikit-learn and with the defaults of the estimators. It runs in a fresh process, whose wall time
counts imports and the fit.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks._report import markdown_table

STEPS = {
    "first synthetic rows": """\
from sklearn.datasets import load_wine
from skdiffusion import DiffusionManifoldSampler

X, y = load_wine(return_X_y=True, as_frame=True)
sampler = DiffusionManifoldSampler(random_state=0).fit(X, y)
X_new, y_new = sampler.sample(5, return_y=True)
print(X_new.assign(target=y_new))
""",
    "first explained anomaly": """\
from sklearn.datasets import load_wine
from skdiffusion import DiffusionAnomalyDetector

X = load_wine(as_frame=True).data
X.loc[7, "alcohol"] = 11.0  # a rich wine with the alcohol of a light one
detector = DiffusionAnomalyDetector(contamination=0.05).fit(X)
explanation = detector.explain(X.loc[[7]])
print(detector.predict_pvalue(X.loc[[7]]), explanation.contributions.idxmax(axis=1))
print(explanation.expected["alcohol"])
""",
    "first imputed table": """\
from sklearn.datasets import load_wine
from skdiffusion import DiffusionImputer

X = load_wine(as_frame=True).data
X_with_gaps = X.mask(X.sample(frac=1, random_state=0).rank(pct=True) < 0.1)
filled = DiffusionImputer(random_state=0).fit_transform(X_with_gaps)
print(X_with_gaps.isna().sum().sum(), "gaps before,", filled.isna().sum().sum(), "after")
""",
    "first report": """\
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from skdiffusion import RiemannianKernelSmoother
from skdiffusion.metrics import fidelity_report

train, test = train_test_split(load_wine(as_frame=True).data, random_state=0)
fake = RiemannianKernelSmoother(random_state=0).fit(train).sample(len(train), random_state=0)
report = fidelity_report(train, test, fake, random_state=0)
report.to_html("report.html")
print(report)
""",
}


def run(code):
    """Return wall and CPU seconds of a script in a process of its own, in an empty folder."""
    root = str(Path(__file__).parent.parent)
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as folder:
        start, before = time.perf_counter(), os.times()
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": paths},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        after = os.times()
        cpu = after.children_user + after.children_system
        return (
            time.perf_counter() - start,
            cpu - before.children_user - before.children_system,
        )


def main(argv=None):
    """Time each step; write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_steps", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="of which the median is taken")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--quick", action="store_true", help="once: does it run?")
    args = parser.parse_args(argv)
    folder = args.output / "quick" if args.quick else args.output
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, code in STEPS.items():
        taken = [run(code) for _ in range(1 if args.quick else args.repeats)]
        wall, cpu = (f"{median(seconds):.1f}" for seconds in zip(*taken, strict=True))
        rows.append([name, str(code.count("\n")), wall, cpu])
        print(*rows[-1], sep=", ", flush=True)
    header = ["step", "lines", "wall s", "CPU s"]
    with (folder / "first_steps.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    lines = [
        "# First steps",
        "",
        "Medians of a script in a fresh process, imports included, with the defaults, on the",
        f"178 x 13 wines of scikit-learn; {os.cpu_count()} cores, load of the machine meanwhile "
        f"{os.getloadavg()[0]:.0f}. By `python -m benchmarks.first_steps"
        f"{' --quick' * args.quick}`.",
        "",
        *markdown_table(header, rows),
    ]
    (folder / "first_steps.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
