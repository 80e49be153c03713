"""Training through skorch against a bare PyTorch loop over the same steps.

    python -m benchmarks.training_overhead

Claim: skorch, with its callbacks and history, costs at most 1.2 times a hand-written loop. Both
draw the same numbers from the same seed, so their validation losses must agree in every epoch:
that is checked, and proves that the two do the same work. They run alternately on one thread, and
the ratio is the median over the pairs. The network has no closed-form baseline beside it, which
would take equal time in both.
"""

import argparse
import platform
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np
import torch
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from skdiffusion.closed_forms.baselines import fit_gaussian
from skdiffusion.diffusion.preconditioning import Preconditioned
from skdiffusion.nets import ResidualMLP
from skdiffusion.training import DenoisingLoss
from skdiffusion.training.lengths import steps_per_epoch
from skdiffusion.training.net import N_BATCHES, N_PATTERNS, N_VALIDATION, DenoiserNet
from skdiffusion.training.noise import NoiseLevels

LIMIT = 1.2
N_ROWS, N_COLUMNS = 20_000, 16
BATCH_SIZE = 512
LEARNING_RATE = 3e-3
SEED = 0


def make_rows():
    """Rows on a curved surface with noise, each column of mean 0 and variance 1."""
    rng = np.random.RandomState(SEED)
    surface = np.tanh(rng.normal(size=(N_ROWS, 4)) @ rng.normal(size=(4, N_COLUMNS)))
    rows = surface + 0.1 * rng.normal(size=surface.shape)
    return (rows - rows.mean(0)) / rows.std(0)


def with_skorch(rows, gaussian, n_epochs):
    """Train by DenoiserNet; return the validation losses and the number of steps."""
    net = DenoiserNet(
        batch_size=BATCH_SIZE,
        lr=LEARNING_RATE,
        max_epochs=n_epochs,
        patience=None,
        device="cpu",
        random_state=SEED,
    )
    net.fit(rows, gaussian=gaussian)
    return net.history[:, "valid_loss"], sum(net.history[:, "train_batch_count"])


def bare(rows, gaussian, n_epochs):
    """Train by a loop without skorch; return the validation losses and the number of steps."""
    X = torch.from_numpy(rows.astype(np.float32))
    n, d = X.shape
    torch.manual_seed(check_random_state(SEED).randint(2**31 - 1))
    denoiser = Preconditioned(ResidualMLP(d, d), gaussian)
    criterion, levels = DenoisingLoss(), NoiseLevels(0.005, 20.0)
    groups, target = torch.arange(d), torch.zeros(d, dtype=torch.bool)
    weights = list(denoiser.net.parameters())
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, fused=True)
    order, n_valid = torch.randperm(n), n // 10
    train, valid = X[order[n_valid:]], X[order[:n_valid]][: 2 * N_VALIDATION]
    n_steps = steps_per_epoch(DenoiserNet(batch_size=BATCH_SIZE), n)
    policy = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=LEARNING_RATE, total_steps=n_epochs * n_steps + 1, pct_start=0.1
    )
    averages, count = [weight.detach().clone() for weight in weights], 0

    patterns, n_batches = None, 0

    def add_noise(x0):
        nonlocal patterns, n_batches
        if n_batches % N_BATCHES == 0:
            patterns = levels.draw(N_PATTERNS, groups, target).to(x0)
        n_batches += 1
        sigma = patterns.repeat_interleave(-(-len(x0) // N_PATTERNS), dim=0)[: len(x0)]
        with torch.no_grad():
            return denoiser.prepare(x0 + sigma * torch.randn_like(x0), sigma)

    fixed, best, losses = None, None, []
    for _ in range(n_epochs):
        denoiser.train()
        needed = n_steps * BATCH_SIZE
        shuffled = torch.cat([torch.randperm(len(train)) for _ in range(-(-needed // len(train)))])
        for index in shuffled[:needed].split(BATCH_SIZE):
            x0 = train[index]
            optimizer.zero_grad()
            prepared = add_noise(x0)
            loss = criterion(x0, denoiser, prepared, denoiser.correction(prepared))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            policy.step()
            decay = min(0.995, (1 + count) / (10 + count))
            with torch.no_grad():
                torch._foreach_lerp_(averages, weights, 1 - decay)
            count += 1
        denoiser.eval()
        with torch.no_grad():
            own = [weight.clone() for weight in weights]
            torch._foreach_copy_(weights, averages)
            fixed = fixed or add_noise(valid)
            losses.append(criterion(valid, denoiser, fixed, denoiser.correction(fixed)).item())
            torch._foreach_copy_(weights, own)
        if losses[-1] == min(losses):
            best = [average.clone() for average in averages]
    with torch.no_grad():
        torch._foreach_copy_(weights, best)
    return losses, count


def clock(train, *args):
    """Return CPU seconds, wall seconds and what a training returned."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = train(*args)
    return time.process_time() - cpu, time.perf_counter() - wall, result


def measure(n_epochs, n_repeats):
    """Train both ways in turn.

    Returns
    -------
    dict
        ``"skorch"`` and ``"bare"``: arrays of shape (n_repeats, 2) of CPU and wall seconds;
        ``"n_steps"`` of each training.
    """
    rows = make_rows()
    gaussian = fit_gaussian(rows)
    ways = {"skorch": with_skorch, "bare": bare}
    seconds = {name: [] for name in ways}
    for train in ways.values():  # the first steps of a process load code
        train(rows, gaussian, 1)
    for repeat in range(n_repeats):
        losses = {}
        # whoever goes first changes from pair to pair, as processors warm up and slow down
        for name in sorted(ways, reverse=bool(repeat % 2)):
            cpu, wall, (losses[name], n_steps) = clock(ways[name], rows, gaussian, n_epochs)
            seconds[name].append((cpu, wall))
        np.testing.assert_allclose(losses["skorch"], losses["bare"], rtol=1e-4)
    return {name: np.array(pairs) for name, pairs in seconds.items()} | {"n_steps": n_steps}


def report(measured, n_repeats, command):
    """Return the Markdown report and the ratio of CPU seconds."""
    ratios = measured["skorch"] / measured["bare"]
    cpu_ratio, wall_ratio = (median(column) for column in ratios.T)
    spread = f"{ratios[:, 0].min():.2f} to {ratios[:, 0].max():.2f}"
    n_steps = measured["n_steps"]
    lines = [
        "# Training overhead benchmark",
        "",
        f"Training through skorch costs {cpu_ratio:.2f} times the CPU seconds of a bare PyTorch",
        f"loop over the same {n_steps} steps ({N_ROWS:,} x {N_COLUMNS}, batch {BATCH_SIZE}).",
        f"The limit is {LIMIT}. Medians of {n_repeats} alternating pairs on one thread; single",
        f"pairs range from {spread}. Both have the same validation losses. Command:",
        "",
        f"    {command}",
        "",
        "| loop | CPU seconds | wall seconds | CPU milliseconds per step |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, label in (("skorch", "`DenoiserNet.fit`"), ("bare", "bare PyTorch loop")):
        cpu, wall = (median(column) for column in measured[name].T)
        lines.append(f"| {label} | {cpu:.2f} | {wall:.2f} | {1e3 * cpu / n_steps:.2f} |")
    lines.append(f"| ratio | {cpu_ratio:.2f} | {wall_ratio:.2f} | {cpu_ratio:.2f} |")
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "skorch"))
    lines += ["", f"Python {platform.python_version()}, {versions}.", ""]
    return "\n".join(lines), cpu_ratio


def parse(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training_overhead", description=__doc__
    )
    parser.add_argument("--repeats", type=int, help="pairs of trainings (default 7)")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--quick", action="store_true", help="few steps: does it run?")
    args = parser.parse_args(argv)
    if args.repeats is None:
        args.repeats = 2 if args.quick else 7
    if args.quick:
        args.output = args.output / "quick"
    return args


def main(argv=None):
    """Run the benchmark and write its report."""
    args = parse(argv)
    n_epochs = 1 if args.quick else 6
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1), torch.random.fork_rng():
            measured = measure(n_epochs, args.repeats)
    finally:
        torch.set_num_threads(n_threads)
    command = f"python -m benchmarks.training_overhead --repeats {args.repeats}"
    command += " --quick" if args.quick else ""
    text, ratio = report(measured, args.repeats, command)
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / "training_overhead.md"
    path.write_text(text, encoding="utf-8")
    verdict = "within" if ratio <= LIMIT else "above"
    print(f"skorch / bare: {ratio:.3f} in CPU seconds, {verdict} {LIMIT}. Report in {path}.")


if __name__ == "__main__":
    main()
