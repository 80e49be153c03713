"""
Five ways manifold learning helps diffusion
===========================================

Rows of many columns often lie near a surface of few dimensions. A sampler that takes account of it
should miss no mode, draw rows that are new, keep to the local geometry, see through noise and find
its way along the surface. Each of these is put to the test here, on surfaces that are known, with
`manifold=None` and with `manifold="auto"`, which is the default.
"""

# %%
# The comparison
# --------------
#
# A :class:`~skdiffusion.datasets.Manifold` draws rows and knows how far any row is from it. Two
# samplers learn the same 1,000 rows with the same short training, and draw 2,000; as many fresh
# rows stand beside them as what can be reached at best.

import matplotlib.pyplot as plt
import numpy as np

from skdiffusion import DenoiserNet, DiffusionManifoldSampler
from skdiffusion.datasets._embedded import CurvedSheet, Embedded
from skdiffusion.datasets._manifolds import SwissRoll
from skdiffusion.datasets._unions import RareModes
from skdiffusion.geometry.geodesics import path_length
from skdiffusion.geometry.planes import local_planes
from skdiffusion.metrics import coverage_density, dcr_ratio

COLOURS = {"fresh rows": "#35495e", "None": "#f4743b", "auto": "#3a8fb7"}
NOISE = 0.02


def fit(X, **params):
    samplers = {}
    for manifold in (None, "auto"):
        sampler = DiffusionManifoldSampler(
            manifold=manifold, denoiser=DenoiserNet(max_epochs=8), random_state=0, **params
        )
        samplers[str(manifold)] = sampler.fit(X)
    return samplers


def draw(samplers, fresh):
    drawn = {name: sampler.sample(2000, random_state=0) for name, sampler in samplers.items()}
    return {"fresh rows": fresh} | drawn


# %%
# Mode coverage
# -------------
#
# Ten flat discs in ten columns, of which one holds a hundredth of the rows: ten of the 1,000. Each
# drawn row is given to the disc that it is most likely from, and counts as lost if it is farther
# from it than nearly all real rows are.

modes = RareModes(random_state=7)
X = modes.sample(1000, noise=0.03, random_state=0)
fresh, other = (modes.sample(2000, noise=0.03, random_state=seed) for seed in (1, 2))
samplers = fit(X)
rows = draw(samplers, fresh)
far = np.quantile(modes.distance(other), 0.999)

fig, ax = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
for k, (name, Y) in enumerate(rows.items()):
    found = np.bincount(modes.mode(Y)[modes.distance(Y) < far], minlength=10) / len(Y)
    ax.bar(
        np.arange(10) + 0.27 * (k - 1), found / modes.weights, 0.25, color=COLOURS[name], label=name
    )
    coverage, _ = coverage_density(other, Y)
    print(
        f"{name:10} coverage {coverage:.2f}, lost {1 - found.sum():.0%}, "
        f"rare mode {found[-1] / modes.rare_weight:.2f} of its weight"
    )
ax.axhline(1, color="grey", linewidth=0.8, linestyle="--")
ax.set(xlabel="disc; the last one is rare", ylabel="rows on it, over its weight")
ax.set_xticks(np.arange(10))
ax.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
plt.show()

# %%
# Without the manifold nearly every second row ends between the discs. What helps here is the unit
# alone: `manifold="auto"` measures all columns in one, where a transform of each column by itself
# bends the discs. It lays no planes, as drawn rows come close enough without. The rare disc has
# about 20 of 2,000 rows, so that its bar is off by a fifth by chance, for fresh rows too.

print("coupling:", samplers["auto"].coupling_)

# %%
# Diversity
# ---------
#
# A Swiss roll, turned into 50 columns with noise on each. A varied sample has rows near every real
# one, which coverage measures, and repeats none of those that were learned: the ratio of the
# distances to the closest record (DCR) is 1 if drawn rows are as far from them as fresh ones. Shown
# is the roll from its end.

roll = Embedded(SwissRoll(), 50)
X_roll = roll.sample(1000, noise=NOISE, random_state=0)
fresh, other = (roll.sample(2000, noise=NOISE, random_state=seed) for seed in (1, 2))
roll_samplers = fit(X_roll)
rows = draw(roll_samplers, fresh)

fig, axes = plt.subplots(1, 3, figsize=(9, 3.2), sharex=True, sharey=True, layout="constrained")
for ax, (name, Y) in zip(axes, rows.items(), strict=True):
    section = (Y @ roll.axes)[:, [0, 2]]
    coverage, _ = coverage_density(other, Y)
    ax.scatter(*section.T, s=3, color=COLOURS[name], linewidths=0)
    title = f"{name}: coverage {coverage:.2f}, DCR {dcr_ratio(X_roll, other, Y):.2f}"
    ax.set_title(title, fontsize="small")
    ax.set_aspect("equal")
plt.show()

# %%
# Rows drawn without the manifold are new, but for the wrong reason: they lie off the roll. With it
# they are about as close to the learned rows, and as far from them, as fresh ones.

# %%
# Local geometry
# --------------
#
# A sheet whose 50 columns are waves of different lengths, so that no few directions hold it. Left,
# how far rows are from it. Right, the angle between the planes through drawn rows and their nearest
# drawn neighbours, and the tangent planes of the sheet.

sheet = CurvedSheet(frequency=1.3)
X = sheet.sample(1000, noise=NOISE, random_state=0)
fresh = sheet.sample(2000, noise=NOISE, random_state=1)
rows = draw(fit(X), fresh)


def angles(Y, n=300):
    """Largest angle between two planes, in degrees."""
    truth = sheet.tangent_basis(Y[:n])
    found = local_planes(Y, 2, n_neighbors=20, queries=Y[:n]).bases
    cosines = np.linalg.svd(np.swapaxes(truth, 1, 2) @ found, compute_uv=False)[:, -1]
    return np.degrees(np.arccos(np.clip(cosines, 0, 1)))


fig, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for name, Y in rows.items():
    distance, angle = sheet.distance(Y), angles(Y)
    options = {"color": COLOURS[name], "histtype": "step", "linewidth": 1.5, "density": True}
    axes[0].hist(distance, np.geomspace(0.08, 4, 60), label=name, **options)
    axes[1].hist(angle, np.linspace(0, 90, 46), **options)
    print(f"{name:10} distance {distance.mean():.2f}, angle {np.median(angle):.0f} degrees")
axes[0].set(xlabel="distance from the sheet", xscale="log", yticks=[])
axes[1].set(xlabel="angle to the tangent plane", yticks=[])
axes[0].legend(frameon=False)
plt.show()

# %%
# Robustness to noise
# -------------------
#
# The roll with more noise. With `data_noise="auto"` a sampler estimates the noise, and draws rows
# without it, although it has seen none.

X = roll.sample(1000, noise=0.05, random_state=0)
samplers = fit(X, data_noise="auto")
rows = {"noisy rows": X}
rows |= {name: sampler.sample(1000, random_state=0) for name, sampler in samplers.items()}

fig, axes = plt.subplots(1, 3, figsize=(9, 3.2), sharex=True, sharey=True, layout="constrained")
for ax, (name, Y) in zip(axes, rows.items(), strict=True):
    section = (Y @ roll.axes)[:, [0, 2]]
    ax.scatter(*section.T, s=4, color=COLOURS.get(name, COLOURS["fresh rows"]), linewidths=0)
    ax.set_title(f"{name}: distance {roll.distance(Y).mean():.2f}", fontsize="small")
    ax.set_aspect("equal")
plt.show()
for name, sampler in samplers.items():
    print(f"{name:10} noise {sampler.noise_.mean():.3f} in units of the codes")

# %%
# This has its limit: the noise has to be seen for what it is. With twice as much, a seventh of
# the variance of all columns, no floor of noise is told from the roll, and rows drawn with
# `manifold="auto"` are no nearer to it than those without, 0.53 either way.

# %%
# Efficient exploration
# ---------------------
#
# A roll of which the outer half has a twentieth of the rows. Random draws hardly get there.
# `explore` chooses among draws those that are far from the learned rows and from one another: with
# a manifold that leads to where rows are few, without to where there should be none.

clean, U = roll.sample(4000, return_coordinates=True, random_state=2)
inner = U[:, 0] < 10
noisy = clean + NOISE * np.random.default_rng(0).normal(size=clean.shape)
X = np.concatenate([noisy[inner][:950], noisy[~inner][:50]])
limit = 2 * np.quantile(roll.distance(noisy), 0.999)

fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), sharex=True, sharey=True, layout="constrained")
for ax, (name, sampler) in zip(axes, fit(X).items(), strict=True):
    ax.scatter(*(X @ roll.axes)[:, [0, 2]].T, s=3, color="lightgrey")
    for how, Y in {
        "sample": sampler.sample(30, random_state=0),
        "explore": sampler.explore(30, random_state=0),
    }.items():
        near = roll.distance(Y) < limit
        outer = near & (roll.coordinates(Y)[:, 0] > 10)
        print(f"{name:10} {how:8} {near.sum():2} of 30 near the roll, {outer.sum():2} outside")
    ax.scatter(*(Y @ roll.axes)[:, [0, 2]].T, s=25, color=COLOURS[name])
    ax.set(title=f"{name}: explore", aspect="equal")
plt.show()

# %%
# These are rare rows and not the best ones: some lie off the roll. Nor do they cover more than
# chance does where rows are spread evenly: on such a roll 30 random draws leave no larger gaps.
#
# A manifold also says how to get from one row to another. `interpolate` looks for the shortest path
# on it, here between the two ends of the first roll.

t, height = roll.coordinates(X_roll).T
first, last = (np.argmin(np.abs(t - at) + np.abs(height - 10)) for at in (5.5, 13))
a, b = X_roll[[first]], X_roll[[last]]
fig, ax = plt.subplots(figsize=(4, 3.8), layout="constrained")
ax.scatter(*(X_roll @ roll.axes)[:, [0, 2]].T, s=3, color="lightgrey")
for name, sampler in roll_samplers.items():
    path = sampler.interpolate(a, b, 60)
    label = f"{name}: length {path_length(path):.2f}"
    ax.plot(*(path @ roll.axes)[:, [0, 2]].T, color=COLOURS[name], linewidth=2, label=label)
ax.set(aspect="equal", title=f"geodesic: length {roll.geodesic_distance(a, b)[0]:.2f}")
ax.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.08))
plt.show()

# %%
# What is left
# ------------
#
# These are easy surfaces: smooth, of two dimensions, well covered by their rows. Where a table
# shows no such thing, `manifold="auto"` leaves the model as it is. On some of these sets its gain
# comes from planes, to which the denoiser keeps, and on others from the unit of the columns and
# from a floor of noise that the network need not learn; `coupling_` tells whether there are planes.
# :doc:`The guide </manifolds>` says how it decides.
