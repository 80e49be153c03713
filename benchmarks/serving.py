"""Requests a second of the example that serves a detector.

    python -m benchmarks.serving

A server of one process and its clients share the machine. 1,000 rows of 10 columns are learned,
and each row asked for is scored and explained.
"""

import argparse
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks._report import markdown_table
from skdiffusion import DiffusionAnomalyDetector

ROOT = Path(__file__).parent.parent
HEADER = ["rows a request", "clients", "requests a second", "rows a second", "median ms"]


@contextmanager
def serve(detector, seconds=120):
    """Yield the address of a server of a detector, when it answers."""
    import httpx

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.NamedTemporaryFile(suffix=".pickle") as file:
        file.write(pickle.dumps(detector))
        file.flush()
        app = ["scoring_app:app", "--app-dir", str(ROOT / "examples" / "serving")]
        command = [sys.executable, "-m", "uvicorn", *app, "--port", str(port)]
        environment = os.environ | {"MODEL": file.name, "PYTHONPATH": str(ROOT)}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = subprocess.Popen(command, env=environment, **quiet)
        try:
            url, end = f"http://127.0.0.1:{port}", time.monotonic() + seconds
            while time.monotonic() < end and server.poll() is None:
                try:
                    httpx.get(f"{url}/health", trust_env=False)
                    break
                except httpx.TransportError:
                    time.sleep(0.2)
            yield url
        finally:
            server.terminate()
            server.wait(20)


def measure(url, records, n_clients, seconds):
    """Return requests a second, and the median of their milliseconds."""
    import httpx

    end = time.perf_counter() + seconds

    def ask(_):
        taken = []
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            while (start := time.perf_counter()) < end:
                client.post("/score", json={"rows": records}).raise_for_status()
                taken.append(1e3 * (time.perf_counter() - start))
        return taken

    start = time.perf_counter()
    with ThreadPoolExecutor(n_clients) as pool:
        taken = [ms for one in pool.map(ask, range(n_clients)) for ms in one]
    return len(taken) / (time.perf_counter() - start), float(np.median(taken))


def main(argv=None):
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--quick", action="store_true", help="a moment each: does it run?")
    args = parser.parse_args(argv)
    folder = args.output / "quick" if args.quick else args.output
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(1_100, 10)), columns=list("abcdefghij"))
    rows = []
    with serve(DiffusionAnomalyDetector(random_state=0).fit(X[:1_000])) as url:
        for n in (1, 100):
            for n_clients in (1, 4):
                records = X[1_000 : 1_000 + n].to_dict("records")
                rate, ms = measure(url, records, n_clients, 0.5 if args.quick else 10)
                rows.append([str(n), str(n_clients), f"{rate:.1f}", f"{n * rate:.0f}", f"{ms:.1f}"])
                print(*rows[-1], sep=", ", flush=True)
    lines = [
        "# Serving",
        "",
        "`examples/serving/scoring_app.py` in one process of uvicorn, scores and explanations,",
        f"clients on the same {os.cpu_count()} cores, 1,000 training rows of 10 columns. By",
        f"`python -m benchmarks.serving{' --quick' * args.quick}`; load of the machine meanwhile "
        f"{os.getloadavg()[0]:.0f}.",
        "",
        *markdown_table(HEADER, rows),
    ]
    (folder / "serving.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
