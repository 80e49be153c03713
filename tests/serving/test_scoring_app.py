"""The example that serves a detector, as a server of its own, asked by a client."""

import os
import pickle
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from skdiffusion import DiffusionAnomalyDetector

pd = pytest.importorskip("pandas")
pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
httpx = pytest.importorskip("httpx")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "serving"

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="runs without the source tree")


def make_rows(n, seed=0):
    rng = np.random.default_rng(seed)
    number = rng.normal(size=n)
    frame = pd.DataFrame({"size": number, "weight": number + 0.1 * rng.normal(size=n)})
    frame["count"] = rng.integers(0, 9, n)
    frame["kind"] = rng.choice(["x", "y"], n)
    return frame


@pytest.fixture(scope="module")
def detector():
    return DiffusionAnomalyDetector(random_state=0).fit(make_rows(80))


@pytest.fixture(scope="module")
def client(detector, tmp_path_factory):
    """A client of a server on the loopback address."""
    folder = tmp_path_factory.mktemp("serving")
    (folder / "detector.pickle").write_bytes(pickle.dumps(detector))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "MODEL": str(folder / "detector.pickle"),
        "PYTHONPATH": os.pathsep.join(paths),
    }
    command = [sys.executable, "-m", "uvicorn", "scoring_app:app", "--app-dir", str(FOLDER)]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)], env=environment, stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
                wait_for(client, server, folder / "log")
                yield client
        finally:
            server.terminate()
            server.wait(20)


def wait_for(client, server, log, seconds=120):
    """Wait until the server answers, or say why it does not."""
    end = time.monotonic() + seconds
    while True:
        try:
            assert client.get("/health").json() == {"status": "ok"}
            return
        except httpx.TransportError:
            if server.poll() is not None or time.monotonic() > end:
                raise AssertionError(log.read_text()) from None
            time.sleep(0.2)


def records(frame):
    """Rows as JSON has them: null for a missing cell."""
    return [
        {name: None if pd.isna(cell) else cell for name, cell in row.items()}
        for row in frame.to_dict("records")
    ]


def ask(client, frame, **options):
    answer = client.post("/score", json={"rows": records(frame), **options})
    assert answer.status_code == 200, answer.text
    return answer.json()


def assert_as_alone(answer, detector, frame):
    """The numbers are those of the estimator, to the last bit."""
    assert [row["score"] for row in answer] == detector.score_samples(frame).tolist()
    assert [row["pvalue"] for row in answer] == detector.predict_pvalue(frame).tolist()
    assert [row["label"] for row in answer] == detector.predict(frame).tolist()


class TestScores:
    def test_a_batch(self, client, detector):
        frame = make_rows(30, seed=1)
        assert_as_alone(ask(client, frame), detector, frame)

    def test_cells(self, client, detector):
        frame = make_rows(5, seed=2)
        frame.loc[3, "weight"] = frame.loc[3, "size"] + 3
        answer, alone = ask(client, frame, n_cells=2), detector.explain(frame)
        # the two are odd together
        assert {cell["column"] for cell in answer[3]["cells"]} == {"size", "weight"}
        assert answer[3]["label"] == -1
        for i, row in enumerate(answer):
            for cell in row["cells"]:
                name = cell["column"]
                assert cell["contribution"] == alone.contributions.at[i, name] > 0
                assert cell["expected"] == alone.expected.at[i, name]
        assert [row["cells"] for row in ask(client, frame, n_cells=0)] == [[]] * 5

    def test_missing_cells(self, client, detector):
        frame = make_rows(6, seed=3)
        frame.loc[1, "weight"] = frame.loc[2, "kind"] = None
        answer = ask(client, frame)
        assert_as_alone(answer, detector, frame)
        # left out, or null
        rows = records(frame)
        del rows[1]["weight"], rows[2]["kind"]
        assert client.post("/score", json={"rows": rows}).json() == answer

    def test_at_once(self, client, detector):
        frames = [make_rows(1 + seed % 3, seed=seed) for seed in range(24)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda frame: ask(client, frame), frames))
        for answer, frame in zip(answers, frames, strict=True):
            assert_as_alone(answer, detector, frame)


class TestRefusals:
    def refusal(self, client, rows):
        answer = client.post("/score", json={"rows": rows})
        assert answer.status_code == 422
        return answer.json()["detail"]

    def test_unknown_column(self, client):
        detail = self.refusal(client, [{"size": 1.0, "length": 2.0}])
        assert "['length']" in detail and "'weight'" in detail

    def test_text_for_a_number(self, client):
        row = records(make_rows(1))[0] | {"size": "large"}
        assert "Column 'size' held numbers in fit" in self.refusal(client, [row])

    def test_a_table_in_a_cell(self, client):
        assert self.refusal(client, [{"size": [1.0]}])

    def test_no_rows(self, client):
        assert "at least 1 item" in self.refusal(client, [])[0]["msg"]

    def test_still_answers_after_refusals(self, client, detector):
        frame = make_rows(2, seed=4)
        assert_as_alone(ask(client, frame), detector, frame)


def test_card(client):
    card = client.get("/card").json()
    assert card["model"] == "DiffusionAnomalyDetector"
    assert card["columns"] == ["size", "weight", "count", "kind"]
    assert card["training_rows"] == 80
    assert card["parameters"]["random_state"] == "0"
