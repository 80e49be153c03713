"""
One denoiser, many schedules
============================

DDPM, score-based models, EDM and rectified flow are usually told as different models. Here they
are schedules over one and the same denoiser. A mixture of Gaussians has a denoiser in closed form,
so all of this can be seen exactly, with no network at all.
"""

# %%
# The same flow in different clothes
# ----------------------------------
#
# A schedule moves ``z = alpha(t) x0 + sigma(t) eps``. We follow the same rows from noise to data
# once, and look at them in the units of each schedule: the paths look different, their ends are
# the same.

import matplotlib.pyplot as plt
import torch

from skdiffusion.diffusion import (
    SOLVERS,
    Conditioned,
    MixtureDenoiser,
    ddim,
    dpmpp_2m,
    heun,
    karras,
    run,
)
from skdiffusion.diffusion.schedule import SCHEDULES

SLATE, ORANGE, BLUE = "#35495e", "#f4743b", "#3a8fb7"

line = MixtureDenoiser(
    weights=torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64),
    means=torch.tensor([[-1.5], [0.0], [1.2]], dtype=torch.float64),
    covs=torch.tensor([[[0.02]], [[0.01]], [[0.05]]], dtype=torch.float64),
)
sigmas = karras(0.02, 100.0, 121)[:-1]
generator = torch.Generator().manual_seed(0)
start = sigmas[0] * torch.randn(60, 1, generator=generator, dtype=torch.float64)
paths = torch.stack(list(heun(line, start, sigmas)))

# the names of three processes, and the signal alpha that each has at a noise level sigma / alpha
processes = {
    "VP (DDPM)": ("vp", 1 / torch.sqrt(1 + sigmas**2)),
    "cosine (DDPM)": ("cosine", 1 / torch.sqrt(1 + sigmas**2)),
    "rectified flow": ("flow", 1 / (1 + sigmas)),
}
fig, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained", sharey=True)
for ax, (title, (name, alpha)) in zip(axes, processes.items(), strict=True):
    t = SCHEDULES[name].time(sigmas)
    z = alpha.reshape(-1, 1, 1) * paths
    ax.plot(t, z[..., 0], color=SLATE, linewidth=0.7, alpha=0.7)
    ax.set(title=title, xlabel="t", xlim=(1, 0))
axes[0].set_ylabel("z")
plt.show()

# %%
# Solvers
# -------
#
# In two columns: a ring of eight Gaussians. Twelve steps from noise to data, by four solvers; the
# lines are the paths of some of the rows.

angles = torch.arange(8, dtype=torch.float64) * torch.pi / 4
ring = MixtureDenoiser(
    weights=torch.full((8,), 1 / 8, dtype=torch.float64),
    means=2 * torch.stack([angles.cos(), angles.sin()], dim=1),
    covs=(0.03 * torch.eye(2, dtype=torch.float64)).repeat(8, 1, 1),
)
grid = karras(0.02, 20.0, 12)
start = grid[0] * torch.randn(400, 2, generator=generator, dtype=torch.float64)

solvers = {"DDIM": ddim, "Heun": heun, "DPM-Solver++(2M)": dpmpp_2m, "DDPM": SOLVERS["ancestral"]}
fig, axes = plt.subplots(1, 4, figsize=(11, 3.1), layout="constrained")
for ax, (title, solver) in zip(axes, solvers.items(), strict=True):
    states = torch.stack(list(solver(ring, start, grid, generator=generator)))
    ax.plot(*states[:, :40].permute(2, 0, 1), color=BLUE, linewidth=0.5, alpha=0.6)
    ax.scatter(*states[-1].T, s=5, color=ORANGE, zorder=3, linewidths=0)
    ax.set(title=title, xlim=(-4, 4), ylim=(-4, 4), xticks=[], yticks=[], aspect="equal")
plt.show()

# %%
# How far a solver gets in few steps is a matter of its order: twice the steps halve the error of
# DDIM (which is Euler's method, seen in these units), and quarter that of the two of second order.

few = start[:100]
exact = run(heun(ring, few, karras(0.02, 20.0, 2001)[:-1]))
counts = [16, 32, 64, 128, 256]
fig, ax = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
deterministic = {"DDIM": ddim, "Heun": heun, "DPM-Solver++(2M)": dpmpp_2m}
for (title, solver), colour in zip(deterministic.items(), (SLATE, ORANGE, BLUE), strict=True):
    ends = [run(solver(ring, few, karras(0.02, 20.0, n + 1)[:-1])) for n in counts]
    errors = [(end - exact).norm(dim=1).median() for end in ends]
    ax.loglog(counts, errors, marker="o", color=colour, label=title)
ax.set(xlabel="steps", ylabel="median error of a row")
ax.set_xticks(counts, counts)
ax.minorticks_off()
ax.legend(frameon=False)
plt.show()

# %%
# A condition is a noise level
# ----------------------------
#
# To draw the second column given that the first is 1.4, keep the first at hardly any noise. Any
# solver then draws from the conditional distribution, which for a mixture is known: the curve.

given = torch.tensor([1.4, 0.0], dtype=torch.float64)
known = torch.tensor([True, False])
grid = karras(0.01, 20.0, 40)
start = grid[0] * torch.randn(4000, 2, generator=generator, dtype=torch.float64)
drawn = run(heun(Conditioned(ring, known, given, sigma_min=0.01), start, grid))[:, 1]

x = torch.linspace(-3, 3, 400, dtype=torch.float64)
pairs = torch.stack([given[0].expand(400), x], dim=1)
density = ring.log_prob(pairs, torch.tensor(0.0, dtype=torch.float64)).exp()
fig, ax = plt.subplots(figsize=(5.5, 3.2), layout="constrained")
ax.hist(drawn, bins=80, range=(-3, 3), density=True, color=ORANGE, alpha=0.45, label="drawn")
ax.plot(x, density / torch.trapezoid(density, x), color=SLATE, label="exact")
ax.set(xlabel="second column, given 1.4 in the first", yticks=[])
ax.legend(frameon=False)
plt.show()
