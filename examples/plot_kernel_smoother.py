"""
From KDE to Riemannian smoothing on a spiral
============================================

A kernel density estimate puts the same round kernel on every row. Where rows lie along a curve it
has to choose: narrow kernels leave gaps, wide ones leave the curve.
:class:`~skdiffusion.RiemannianKernelSmoother` lets each row diffuse under a metric that its
neighbours suggest, in which the way along the curve is short, so that its kernel is long there and
thin across.
"""

# %%
# Two hundred rows along a spiral
# -------------------------------
#
# Both estimates choose their bandwidths by the likelihood of held-out rows.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity

from skdiffusion import RiemannianKernelSmoother

SLATE, ORANGE, BLUE = "#35495e", "#f4743b", "#3a8fb7"


def make_spiral(n, noise, seed):
    rng = np.random.default_rng(seed)
    angle = 4.5 * np.pi * np.sqrt(rng.uniform(0.05, 1, n))
    curve = angle[:, None] * np.c_[np.cos(angle), np.sin(angle)] / 7
    return curve + noise * rng.normal(size=(n, 2))


X, X_new = make_spiral(200, 0.03, seed=0), make_spiral(2000, 0.03, seed=1)
search = GridSearchCV(KernelDensity(), {"bandwidth": np.geomspace(0.02, 1, 40)}, cv=5)
kde = search.fit(X).best_estimator_
smoother = RiemannianKernelSmoother(random_state=0).fit(X)
print(f"bandwidth of KDE: {kde.bandwidth:.2f}")
print("eps and h of the smoother: {:.2f}, {:.3f}".format(*smoother.bandwidth_))

# %%
# The densities, with the mean log-density of 2000 new rows above them: higher is better.

grid = np.linspace(-2.2, 2.2, 220)
points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.6), layout="constrained")
axes[0].scatter(*X.T, s=6, color=SLATE)
axes[0].set_title("rows")
for ax, (name, model) in zip(axes[1:], {"KDE": kde, "smoother": smoother}.items(), strict=True):
    density = np.exp(model.score_samples(points)).reshape(len(grid), -1)
    ax.pcolormesh(grid, grid, np.sqrt(density), cmap="bone_r", shading="gouraud")
    ax.set_title(f"{name}: {np.mean(model.score_samples(X_new)):.2f} nats")
for ax in axes:
    ax.set(xticks=[], yticks=[], aspect="equal", xlim=(-2.2, 2.2), ylim=(-2.2, 2.2))
plt.show()

# %%
# What each row becomes
# ---------------------
#
# The kernels themselves, as ellipses of one standard deviation: round ones
# (``metric="euclidean"``, which is KDE) and local covariances.

metrics = ["euclidean", "local"]
turn = np.linspace(0, 2 * np.pi, 40)
circle = np.stack([np.cos(turn), np.sin(turn)])
fig, axes = plt.subplots(1, 2, figsize=(7.0, 3.6), layout="constrained")
for ax, metric in zip(axes, metrics, strict=True):
    model = RiemannianKernelSmoother(metric=metric, background=None, random_state=0).fit(X)
    kernels = model.model_.denoiser
    for x, F, floor in zip(kernels.means, kernels.factors, kernels.floors, strict=True):
        values, vectors = np.linalg.eigh((F @ F.T).numpy() + np.diag(np.full(2, floor)))
        ellipse = (vectors * np.sqrt(values)) @ circle + x.numpy()[:, None]
        ax.plot(*ellipse, color=BLUE, linewidth=0.5, alpha=0.7)
    ax.set_title(f"{metric}: {model.score(X_new):.2f} nats")
    ax.set(xticks=[], yticks=[], aspect="equal")
plt.show()

# %%
# A diffusion model without training
# ----------------------------------
#
# The estimate is a Gaussian mixture, and so is the distribution of rows that have diffused. Its
# score points towards the spiral near it, and towards the middle when little of the rows is left.

coarse = np.linspace(-2.1, 2.1, 22)
points = np.stack(np.meshgrid(coarse, coarse), axis=-1).reshape(-1, 2)
fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.6), layout="constrained")
for ax, t in zip(axes, [0.005, 0.05, 1.0], strict=True):
    field = smoother.score_field(points, t)
    field /= np.linalg.norm(field, axis=1, keepdims=True) ** 0.7
    ax.scatter(*X.T, s=3, color=ORANGE)
    ax.quiver(*points.T, *field.T, color=SLATE, width=0.003)
    ax.set(title=f"t = {t}", xticks=[], yticks=[], aspect="equal")
plt.show()

# %%
# Draws, denoising, missing cells
# -------------------------------
#
# New rows between the rows, as near to them as ``dcr_ratio`` says; and in closed form, rows with
# noise taken back to the spiral, which is Tweedie's formula, and what the second cell may be when
# the first is 1.

drawn = smoother.sample(500, random_state=0)
noisy = make_spiral(150, 0.12, seed=2)
clean = smoother.denoise(noisy, noise=0.12)
given = smoother.sample(2000, conditions={0: 1.0}, random_state=0)

fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.6), layout="constrained")
axes[0].scatter(*drawn.T, s=5, color=BLUE)
axes[0].set_title("drawn")
axes[1].plot(*np.stack([noisy, clean], axis=1).T, color=SLATE, linewidth=0.6)
axes[1].scatter(*clean.T, s=6, color=ORANGE, zorder=3)
axes[1].set_title("denoised")
axes[2].scatter(*X.T, s=4, color=SLATE, alpha=0.5)
axes[2].axvline(1.0, color=SLATE, linewidth=0.5)
counts, edges = np.histogram(given[:, 1], bins=150, range=(-2.2, 2.2), density=True)
axes[2].fill_betweenx(edges[:-1], 1.0, 1.0 + counts / 4, color=ORANGE, step="post")
axes[2].set_title("second cell, given the first")
for ax in axes:
    ax.set(xticks=[], yticks=[], aspect="equal", xlim=(-2.2, 2.2), ylim=(-2.2, 2.2))
plt.show()
