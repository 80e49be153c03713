"""A worker that is killed in a search: the parent lives, says so, and goes on searching."""

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal
import numpy as np
from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
from skdiffusion import DenoiserNet, DiffusionManifoldSampler

class Kill(Callback):
    def on_batch_end(self, net, **kwargs):
        os.kill(os.getpid(), signal.SIGKILL)

X = np.random.RandomState(0).normal(size=(60, 2))
net = DenoiserNet(max_epochs=1, steps_per_epoch=3, module__width=8, module__depth=1)
model = DiffusionManifoldSampler(denoiser=net, n_likelihood_steps=2, random_state=0)

def search(callbacks):
    grid = {"denoiser__callbacks": [callbacks], "denoiser__lr": [0.001, 0.003]}
    return GridSearchCV(model, grid, cv=2, n_jobs=2).fit(X)

try:
    search([Kill()])
except TerminatedWorkerError as error:
    print("told", "SIGKILL" in str(error))
print("searched", np.isfinite(search([]).best_score_))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
def test_the_next_search_works():
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == "told True\nsearched True\n"
