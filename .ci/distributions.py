"""Build the distributions into a folder, and raise unless they hold what they should."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
# what a source distribution has beside the package, to be tested and documented from
BESIDE = ("benchmarks", "docs", "examples", "tests")
FILES = ("CHANGELOG.md", "LICENSE", "constraints.txt", "constraints-oldest.txt", ".ci/run")


def sources(folder):
    """The files of a folder that a build has to take along."""
    kinds = {".py", ".md", ".rst", ".html", ".typed", ".css"}
    made = ("_build", "auto_examples", "generated", "quick", "__pycache__")
    paths = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*"))
    return {str(p) for p in paths if p.suffix in kinds and not set(made) & set(p.parts)}


def check(there, wanted, name):
    if missing := sorted(wanted - there):
        raise SystemExit(f"{name} lacks {missing}.")


def main(folder):
    build = ["-m", "build", "--outdir", folder, str(ROOT)]
    done = subprocess.run([sys.executable, *build], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    [source], [wheel] = Path(folder).glob("*.tar.gz"), Path(folder).glob("*.whl")
    with tarfile.open(source) as archive:
        there = {name.partition("/")[2] for name in archive.getnames()}
    check(there, set(FILES).union(*map(sources, ("skdiffusion", *BESIDE))), source.name)
    with zipfile.ZipFile(wheel) as archive:
        there = {name for name in archive.namelist() if ".dist-info/" not in name}
    check(there, sources("skdiffusion"), wheel.name)
    if others := sorted(name for name in there if not name.startswith("skdiffusion/")):
        raise SystemExit(f"{wheel.name} holds {others} beside the package.")
    for path in (source, wheel):
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1])
