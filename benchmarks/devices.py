"""What a device, half precision, compilation and a second process do to speed and to loss.

    python -m benchmarks.devices
    python -m benchmarks.devices --parts processes

``devices``: rows trained on in a second, rows drawn in a second, and the best validation loss, mean
of three seeds, on the CPU and, where there is one, on a GPU: plain, in bfloat16 and compiled. The
first epoch, in which networks are compiled, is not timed.

``processes``: rows trained on in a second by two processes of one thread, beside one of them, with
as many rows a batch in each, what of a step is the all-reduce of gradients, and losses. The machine
needs two idle cores.

Every training is a process of its own, since precision is chosen once in each. The table is
written to ``devices.md``.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, median
from typing import ClassVar

import numpy as np
import torch
from skorch.callbacks import Callback

N_ROWS, N_DRAWS = 20_000, 2_000
VARIANTS = {
    "plain": {},
    "bfloat16": {"mixed_precision": "bf16"},
    "compiled": {"compile": True},
}
LAUNCH = (
    "-m torch.distributed.run --nproc_per_node 2 --rdzv_backend c10d --rdzv_endpoint localhost:0"
)
FOLDER = Path(__file__).parent / "results"


def make_rows(n=N_ROWS):
    """Return rows on a curved surface with noise, of unit variance."""
    rng = np.random.RandomState(0)
    surface = np.tanh(rng.normal(size=(n, 3)) @ rng.normal(size=(3, 8)))
    rows = surface + 0.1 * rng.normal(size=surface.shape)
    return ((rows - rows.mean(0)) / rows.std(0)).astype(np.float32)


class Clock(Callback):
    """Notes the seconds that the steps of each epoch take."""

    # callbacks are copied with their net
    seconds: ClassVar[list] = []

    def on_epoch_begin(self, net, **kwargs):
        self.start, self.running = time.perf_counter(), True

    def on_batch_begin(self, net, training=False, **kwargs):
        if not training and self.running:
            self.seconds.append(time.perf_counter() - self.start)
            self.running = False


def train(options):
    """Train, and return rows a second, losses, and what else there is to time."""
    from skdiffusion import DiffusionManifoldSampler
    from skdiffusion.training import DistributedDenoiserNet

    torch.set_num_threads(1)
    draws, clock = options.pop("draws"), Clock()
    net = DistributedDenoiserNet(patience=None, callbacks=[clock], **options)
    sampler = DiffusionManifoldSampler(denoiser=net, manifold=None, dcr_ratio=None, random_state=0)
    if draws:
        sampler.fit(make_rows())
        start = time.perf_counter()
        sampler.sample(draws, random_state=0)
        draws /= time.perf_counter() - start
        losses, n_processes = sampler.history_[:, "valid_loss"], 1
    else:
        net.fit(make_rows())
        losses, n_processes = net.history[:, "valid_loss"], net.n_processes_
    seconds = median(clock.seconds[1:]) / options["steps_per_epoch"]
    return {
        "rows": n_processes * options["batch_size"] / seconds,
        "step": 1e3 * seconds,
        "draws": draws,
        "losses": [float(loss) for loss in losses],
        "reduce": 1e3 * seconds_of_a_reduction(net) if n_processes > 1 else 0.0,
    }


def seconds_of_a_reduction(net, n=50):
    """Return how long gradients take to be averaged, when nobody waits for a slower one."""
    gradients = torch.zeros(sum(weight.numel() for weight in net.module_.net.parameters()))
    torch.distributed.barrier()
    start = time.perf_counter()
    for _ in range(n):
        torch.distributed.all_reduce(gradients)
    return (time.perf_counter() - start) / n


def run(options, launch=""):
    """Train in a process of its own, or in two; return what the first says."""
    command = [sys.executable, *launch.split(), __file__, "--one", json.dumps(options)]
    root = str(Path(__file__).parent.parent)
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, cwd=root, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def devices(quick):
    """Yield lines of the table of devices."""
    yield "| device | training | rows trained on/s | rows drawn/s | best validation loss |"
    yield "|---|---|---:|---:|---:|"
    settings = {
        "batch_size": 512,
        "steps_per_epoch": 10 if quick else 40,
        "max_epochs": 3 if quick else 8,
    }
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        for name, variant in VARIANTS.items():
            found = []
            for seed in range(1 if quick else 3):
                options = settings | variant | {"device": device, "random_state": seed}
                found.append(run(options | {"draws": N_DRAWS}))
            rows, draws = (median(one[key] for one in found) for key in ("rows", "draws"))
            losses = [min(one["losses"]) for one in found]
            loss = f"{mean(losses):.4f} +- {np.std(losses):.4f}"
            yield f"| {device} | {name} | {rows:,.0f} | {draws:,.0f} | {loss} |"


def processes(quick):
    """Yield lines of the table of processes."""
    yield "| rows a batch | processes | rows/s | ms a step | of these all-reduce | losses |"
    yield "|---:|---:|---:|---:|---:|---|"
    for batch_size in (256,) if quick else (256, 1024, 4096, 16_384):
        n_steps = max(4, (1024 if quick else 65_536) // batch_size)
        options = {"batch_size": batch_size, "steps_per_epoch": n_steps, "max_epochs": 5}
        options |= {"device": "cpu", "random_state": 0, "draws": 0}
        for n, launch in ((1, ""), (2, LAUNCH)):
            one = run(options, launch)
            losses = ", ".join(f"{loss:.3f}" for loss in one["losses"])
            speed = f"{one['rows']:,.0f} | {one['step']:.1f} | {one['reduce']:.1f}"
            yield f"| {batch_size} | {n} | {speed} | {losses} |"


PARTS = {"devices": devices, "processes": processes}


def main():
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS])
    parser.add_argument("--quick", action="store_true", help="does it run?")
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        found = json.dumps(train(json.loads(args.one)))
        # lines of two processes would run into one another
        if os.environ.get("RANK", "0") == "0":
            print(found, flush=True)
        return
    lines = ["# Devices and processes"]
    for part in args.parts:
        lines += ["", f"## {part.title()}", ""]
        for line in PARTS[part](args.quick):
            lines.append(line)
            print(line, flush=True)
    if not args.quick:
        (args.output / "devices.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
