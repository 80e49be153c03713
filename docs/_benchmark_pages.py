"""Pages of the benchmarks, written from the reports at every build: ``benchmarks/*.md``.

A page is the report as it stands, its losses included, with the day of the report, the versions
where it does not say them itself, and how it is measured, which is a section of the README.
"""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "benchmarks" / "README.md"
PAGES = ROOT / "docs" / "benchmarks"

QUESTIONS = {
    "scoreboard": "Generated tables beside published systems: alike, useful, and no copies?",
    "mixed_tables": "Generated tables with categories, integers and spikes: alike, and no copies?",
    "imputation": "Missing cells: how wrong is a completed table, and how honest are its draws?",
    "augmentation": "Classifiers and regressors with synthetic rows: do they get better?",
    "anomaly": "Anomalies: found, explained, and with honest p-values?",
    "smoother": "Densities without a network: how likely are held-out rows?",
    "manifold": "Rows near a manifold: how near, how varied, how new, by which coupling?",
    "dimension": "Intrinsic dimension: how far from the true one?",
    "dependence": "Conditional dependences: is a known graph found?",
    "networks": "Regularisers of the network: does one gain, on which table?",
    "images": "Images: drawn, restored, and drawn by levels",
    "operator": "Operator-informed score matching: what is left for a network?",
    "training_overhead": "Training through skorch: what does it cost?",
    "scale": "Large tables: how long, and how much memory?",
    "devices": "Half precision, compilation, a second process: how fast, at what loss?",
    "first_steps": "A newcomer's first steps: how long do they take?",
    "serving": "A served detector: how many requests a second?",
}
NAMED = "numpy|scipy|scikit-learn|torch|skorch"
COMMAND = re.compile(r"python -m benchmarks\.\w+")
VERSIONS = re.compile(r"^(?:Versions: |Python [\d.]+, ).*$", flags=re.MULTILINE)


def git(*arguments):
    """What git says of this repository, or nothing where it cannot."""
    try:
        return subprocess.run(
            ["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def measured(path):
    """The day on which a report was last written, and the versions that were pinned then."""
    day, _, commit = git("log", "-1", "--format=%cs %H", "--", path).partition(" ")
    pins = git("show", f"{commit}:constraints.txt") if commit else ""
    pinned = re.findall(rf"^({NAMED})==(\S+)$", pins, flags=re.MULTILINE)
    return day or "not recorded", ", ".join(" ".join(pin) for pin in pinned) or "not recorded"


def how_it_is_measured(name):
    """The first section of the README that speaks of a benchmark, one heading lower."""
    for section in README.read_text(encoding="utf-8").split("\n## ")[1:]:
        if re.search(rf"benchmarks\.{name}\b", section):
            _, _, body = section.partition("\n")
            # the page is beside the guides, the README is not
            return f"## How it is measured\n{body.replace('](../docs/', '](../')}"
    return ""


def page(path):
    """One report as a page."""
    name, text = path.stem, path.read_text(encoding="utf-8")
    title, _, report = text.partition("\n")
    day, pinned = measured(path)
    figures = sorted(RESULTS.glob(f"{name}.csv")) + sorted(RESULTS.glob(f"{name}_*.csv"))
    links = ", ".join(f"[{csv.name}](path:../../benchmarks/results/{csv.name})" for csv in figures)
    facts = {
        "Reported on": day,
        "Versions": "" if VERSIONS.search(text) else f"{pinned}, as pinned then",
        "Command": "" if COMMAND.search(text) else f"`python -m benchmarks.{name}`",
        "Figures of every run": links,
    }
    lines = [title, "", *([QUESTIONS[name], ""] if name in QUESTIONS else [])]
    lines += [f"- {fact}: {told}" for fact, told in facts.items() if told]
    return "\n".join([*lines, "", report.strip(), "", how_it_is_measured(name)])


def index(paths):
    """The page that lists the others."""
    lines = [
        "# Benchmarks",
        "",
        "What was measured, with its rivals in the same run. These pages are the reports as the",
        "runs wrote them, what was lost included: where a rival is better, its figure is there.",
        "The day is that of the report.",
        "",
    ]
    for path in paths:
        title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        question = f": {QUESTIONS[path.stem]}" if path.stem in QUESTIONS else ""
        lines.append(f"- [{title}]({path.name}), {measured(path)[0]}{question}")
    lines += ["", "Data that a command needs (`--data FOLDER`) are described on its page.", ""]
    return "\n".join([*lines, "```{toctree}", ":hidden:", "", *(p.stem for p in paths), "```", ""])


def write(folder=PAGES):
    """Write all pages; those that are as before are left alone, so that builds stay short."""
    folder.mkdir(exist_ok=True)
    reports = {path.stem: path for path in RESULTS.glob("*.md")}
    order = [*QUESTIONS, *sorted(reports.keys() - QUESTIONS.keys())]
    paths = [reports[name] for name in order if name in reports]
    pages = {path.name: page(path) for path in paths} | {"index.md": index(paths)}
    for name, text in pages.items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
    for file in folder.glob("*.md"):
        if file.name not in pages:
            file.unlink()


if __name__ == "__main__":
    write()
