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
# Two samplers learn the same 1,000 rows with the same short training, and draw 2,000; as many fresh
# rows stand beside them as what can be reached at best. How far a row is from a surface is measured
# by very many points of it without noise.

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import cKDTree
from sklearn.datasets import make_swiss_roll

from skdiffusion import DenoiserNet, DiffusionManifoldSampler
from skdiffusion.manifold import explore, interpolate
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

rng = np.random.default_rng(0)
centers = 1.5 * rng.normal(size=(10, 10))
planes = np.linalg.qr(rng.normal(size=(10, 10, 2)))[0]
weights = np.append(np.full(9, 0.11), 0.01)


def draw_discs(n):
    disc = rng.choice(10, size=n, p=weights)
    inside = np.einsum("nij,nj->ni", planes[disc], 0.4 * rng.normal(size=(n, 2)))
    return centers[disc] + inside + 0.03 * rng.normal(size=(n, 10))


def nearest_disc(Y):
    """The disc that each row is most likely from, and the distance from its plane."""
    apart = Y[:, None] - centers
    inside = (np.einsum("nki,kij->nkj", apart, planes) ** 2).sum(axis=2)
    across = (apart**2).sum(axis=2) - inside
    disc = (inside / 0.4**2 + across / 0.03**2).argmin(axis=1)
    return disc, np.sqrt(across[np.arange(len(Y)), disc])


X, fresh, other = draw_discs(1000), draw_discs(2000), draw_discs(2000)
samplers = fit(X)
rows = draw(samplers, fresh)
far = np.quantile(nearest_disc(other)[1], 0.999)

fig, ax = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
for k, (name, Y) in enumerate(rows.items()):
    disc, distance = nearest_disc(Y)
    found = np.bincount(disc[distance < far], minlength=10) / len(Y)
    ax.bar(np.arange(10) + 0.27 * (k - 1), found / weights, 0.25, color=COLOURS[name], label=name)
    coverage, _ = coverage_density(other, Y)
    print(
        f"{name:10} coverage {coverage:.2f}, lost {1 - found.sum():.0%}, "
        f"rare mode {found[-1] / weights[-1]:.2f} of its weight"
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

axes_of_roll = np.linalg.qr(rng.normal(size=(50, 3)))[0]


def draw_roll(n, noise=NOISE):
    """Rows of the roll, and the angle of each along the spiral."""
    points, angle = make_swiss_roll(n, random_state=rng.integers(2**31))
    return points / 7 @ axes_of_roll.T + noise * rng.normal(size=(n, 50)), angle


surface, angle_of_surface = draw_roll(30_000, noise=0)
tree = cKDTree(surface @ axes_of_roll)


def distance_from_roll(Y):
    """Distance of each row from the roll, and the angle of the nearest point."""
    inside = Y @ axes_of_roll
    distance, nearest = tree.query(inside)
    across = np.linalg.norm(Y - inside @ axes_of_roll.T, axis=1)
    return np.hypot(distance, across), angle_of_surface[nearest]


def section(Y):
    return (Y @ axes_of_roll)[:, [0, 2]].T


X_roll, angle_of_rows = draw_roll(1000)
(fresh, _), (other, _) = draw_roll(2000), draw_roll(2000)
roll_samplers = fit(X_roll)
rows = draw(roll_samplers, fresh)

fig, axes = plt.subplots(1, 3, figsize=(9, 3.2), sharex=True, sharey=True, layout="constrained")
for ax, (name, Y) in zip(axes, rows.items(), strict=True):
    coverage, _ = coverage_density(other, Y)
    ax.scatter(*section(Y), s=3, color=COLOURS[name], linewidths=0)
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

waves, phases = rng.normal(scale=1.3, size=(2, 50)), rng.uniform(0, 2 * np.pi, size=50)


def draw_sheet(n, noise=NOISE):
    U = rng.uniform(-1, 1, size=(n, 2))
    return np.sin(U @ waves + phases) + noise * rng.normal(size=(n, 50)), U


surface, U_of_surface = draw_sheet(30_000, noise=0)
sheet = cKDTree(surface)
X, fresh = draw_sheet(1000)[0], draw_sheet(2000)[0]
rows = draw(fit(X), fresh)


def angles(Y, n=300):
    """Largest angle between the plane of the sheet and that of neighbours, in degrees."""
    U = U_of_surface[sheet.query(Y[:n])[1]]
    tangents = np.cos(U @ waves + phases)[:, :, None] * waves.T
    neighbours = Y[cKDTree(Y).query(Y[:n], 10)[1]]
    centred = neighbours - neighbours.mean(axis=1, keepdims=True)
    found = np.linalg.svd(centred, full_matrices=False)[2][:, :2]
    cosines = np.linalg.svd(found @ np.linalg.qr(tangents)[0], compute_uv=False)[:, -1]
    return np.degrees(np.arccos(np.clip(cosines, 0, 1)))


fig, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for name, Y in rows.items():
    distance, angle = sheet.query(Y)[0], angles(Y)
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

X, _ = draw_roll(1000, noise=0.05)
samplers = fit(X, data_noise="auto")
rows = {"noisy rows": X}
rows |= {name: sampler.sample(1000, random_state=0) for name, sampler in samplers.items()}

fig, axes = plt.subplots(1, 3, figsize=(9, 3.2), sharex=True, sharey=True, layout="constrained")
for ax, (name, Y) in zip(axes, rows.items(), strict=True):
    ax.scatter(*section(Y), s=4, color=COLOURS.get(name, COLOURS["fresh rows"]), linewidths=0)
    ax.set_title(f"{name}: distance {distance_from_roll(Y)[0].mean():.2f}", fontsize="small")
    ax.set_aspect("equal")
plt.show()
for name, sampler in samplers.items():
    print(f"{name:10} noise {sampler.model_.noise.mean():.3f} in units of the encoded rows")

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

noisy, angle = draw_roll(4000)
X = np.concatenate([noisy[angle < 10][:950], noisy[angle >= 10][:50]])
limit = 2 * np.quantile(distance_from_roll(noisy)[0], 0.999)

fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), sharex=True, sharey=True, layout="constrained")
for ax, (name, sampler) in zip(axes, fit(X).items(), strict=True):
    ax.scatter(*section(X), s=3, color="lightgrey")
    for how, Y in {
        "sample": sampler.sample(30, random_state=0),
        "explore": explore(sampler, 30, random_state=0),
    }.items():
        distance, angle = distance_from_roll(Y)
        near = distance < limit
        outer = near & (angle > 10)
        print(f"{name:10} {how:8} {near.sum():2} of 30 near the roll, {outer.sum():2} outside")
    ax.scatter(*section(Y), s=25, color=COLOURS[name])
    ax.set(title=f"{name}: explore", aspect="equal")
plt.show()

# %%
# These are rare rows and not the best ones: some lie off the roll. Nor do they cover more than
# chance does where rows are spread evenly: on such a roll 30 random draws leave no larger gaps.
#
# A manifold also says how to get from one row to another. `interpolate` looks for the shortest path
# on it, here between the two ends of the first roll.

first, last = (np.abs(angle_of_rows - at).argmin() for at in (5.5, 13))
a, b = X_roll[[first]], X_roll[[last]]
fig, ax = plt.subplots(figsize=(4, 3.8), layout="constrained")
ax.scatter(*section(X_roll), s=3, color="lightgrey")
for name, sampler in roll_samplers.items():
    path = interpolate(sampler, a, b, 60)
    length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    ax.plot(*section(path), color=COLOURS[name], linewidth=2, label=f"{name}: length {length:.2f}")
# unrolled, the roll is a rectangle, where the shortest path is straight
along = np.diff([(t * np.hypot(1, t) + np.arcsinh(t)) / 14 for t in angle_of_rows[[first, last]]])
up = np.diff(((X_roll @ axes_of_roll)[:, 1])[[first, last]])
ax.set(aspect="equal", title=f"geodesic: length {np.hypot(along, up)[0]:.2f}")
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
# :doc:`The guide </embed>` says how it decides.
