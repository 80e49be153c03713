"""
Embeddings with a way back
==========================

Manifold learners place rows in a few coordinates, and most of them cannot return. With a way back
they become part of a sampler: rows are drawn in the coordinates and taken back to all columns.
"""

# %%
# A way back
# ----------
#
# The digits of scikit-learn, 64 pixels each. Isomap finds eight coordinates for them;
# :class:`~skdiffusion.manifold.InvertibleEmbedding` adds the inverse, by linear maps over the
# nearest digits. `inverse_transform` returns the expected image, from which a third of the variance
# is averaged away. `sample_inverse` draws: it adds what the mean leaves out of a digit nearby.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from sklearn.datasets import load_digits, make_swiss_roll
from sklearn.manifold import TSNE, Isomap
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdiffusion import DenoiserNet, DiffusionManifoldSampler, sample_from
from skdiffusion.manifold import InvertibleEmbedding, interpolate, trajectory, traverse
from skdiffusion.plotting import ManifoldDisplay, TrajectoryDisplay

X, digit = load_digits(return_X_y=True)
X_train, X_test = X[:1200], X[1200:]
embedding = InvertibleEmbedding(Isomap(n_neighbors=10, n_components=8), random_state=0)
embedding.fit(X_train)
W = embedding.transform(X_test)
images = {
    "held-out digits": X_test,
    "inverse_transform": embedding.inverse_transform(W),
    "sample_inverse": embedding.sample_inverse(W, random_state=0),
}
fig, axes = plt.subplots(3, 10, figsize=(7.5, 2.6), layout="constrained")
for line, (name, rows) in zip(axes, images.items(), strict=True):
    for ax, image in zip(line, rows, strict=False):
        ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize="small")
plt.show()

rest = X_test - images["inverse_transform"]
print(f"{1 - rest.var(axis=0).sum() / X_test.var(axis=0).sum():.0%} of the variance comes back")

# %%
# A learner that cannot place new rows, such as t-SNE, gets a way there as well. The held-out digits
# land among those of their kind.

map_of_digits = InvertibleEmbedding(TSNE(random_state=0), random_state=0).fit(X_train[:600])
display = ManifoldDisplay.from_samples(
    X_test, embedding=map_of_digits, values=digit[1200:], value_label="digit"
).plot()
display.ax_.set_title("t-SNE of digits that it was not fitted to", fontsize="medium")
plt.show()

# %%
# In a pipeline
# -------------
#
# A Swiss roll in ten columns of different units. The pipeline scales them and embeds the rows, and
# the sampler learns the two coordinates. :func:`~skdiffusion.sample_from` draws and takes the rows
# back through each step, and where a step is a plain Isomap, it finds the inverse. With
# `add_residuals=False` it takes the mean rows, which are closer to the roll than the noisy ones of
# `fit`.

rng = np.random.default_rng(0)
turn = np.linalg.qr(rng.normal(size=(10, 3)))[0].T
units = 10.0 ** np.arange(-2, 3).repeat(2)
roll, t = make_swiss_roll(1500, random_state=0)
X = (roll / 7 @ turn + 0.02 * rng.normal(size=(1500, 10))) * units
surface = cKDTree(make_swiss_roll(50_000, random_state=1)[0] / 7 @ turn)


def distance(rows):
    """Mean distance from the roll, in one unit for all columns."""
    return surface.query(rows / units)[0].mean()


pipeline = make_pipeline(
    StandardScaler(),
    Isomap(n_components=2, n_neighbors=12),
    DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=10), random_state=0),
).fit(X)
drawn = sample_from(pipeline, 1500, random_state=0)
mean_rows = sample_from(pipeline, 1500, add_residuals=False, random_state=0)
for name, rows in (("real", X), ("drawn", drawn), ("drawn, mean rows", mean_rows)):
    print(f"{name:16} mean distance from the roll: {distance(rows):.3f}")

# %%
# The number of coordinates is a parameter of the pipeline like any other and can be searched. Here
# are real and drawn rows, in the columns and in the coordinates of Isomap.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
ManifoldDisplay.from_samples(X, drawn).plot(axes[0])
ManifoldDisplay.from_samples(X, drawn, embedding=pipeline[:-1]).plot(axes[1])
axes[1].get_legend().remove()
axes[1].set(xlabel="Isomap 1", ylabel="Isomap 2")
plt.show()

# %%
# In the sampler
# --------------
#
# The same without a pipeline: the sampler takes a manifold learner as `manifold`, gives it a way
# back, and learns its coordinates (`coupling="latent"`). Rows go in and come out, and the columns
# need no scaling.

sampler = DiffusionManifoldSampler(
    manifold=Isomap(n_components=2, n_neighbors=12),
    denoiser=DenoiserNet(max_epochs=10),
    random_state=0,
).fit(X)
drawn = sampler.sample(1500, random_state=0)
print(f"{sampler.coupling_}, {sampler.dimension_} coordinates, mean distance {distance(drawn):.3f}")

# %%
# On the way from noise
# ---------------------
#
# `trajectory` returns the states of the solver, here in the two coordinates. A row keeps the colour
# of where it ends. Noise becomes a rectangle, which is what a Swiss roll is.

TrajectoryDisplay.from_states(*trajectory(sampler, 600, random_state=0)).plot()
plt.show()

# %%
# From row to row
# ---------------
#
# `interpolate` leads from one row to another along the manifold, here from one end of the roll to
# the other, and `traverse` follows a direction of the manifold to both sides of a row. In the
# coordinates both are all but straight; in the columns they wind with the roll.

a, b, middle = (X[[i]] for i in (t.argmin(), t.argmax(), np.abs(t - np.median(t)).argmin()))
path = interpolate(sampler, a, b, 60)
walk = traverse(sampler, middle, 0, 31)
fig, axes = plt.subplots(5, 2, figsize=(9, 4.5), sharex="col", layout="constrained")
for side, (name, rows) in zip(axes.T, {"interpolate": path, "traverse": walk}.items(), strict=True):
    pd.DataFrame(rows[:, :5]).plot(subplots=True, ax=side, legend=False)
    side[0].set_title(name, fontsize="medium")
plt.show()

arc = [(s * np.hypot(1, s) + np.arcsinh(s)) / 2 / 7 for s in (t.min(), t.max())]
print(f"path: mean distance from the roll {distance(path):.3f}")
length = np.linalg.norm(np.diff(path / units, axis=0), axis=1).sum()
print(f"length {length:.2f}, that of the spiral alone {arc[1] - arc[0]:.2f}")
