"""
Images as rows
==============

Images of digits are rows of 64 numbers. A network that knows of neighbouring pixels learns them and
draws new ones of a given class; kernels, which need no training, fill in what is missing and make
small images larger.
"""

# %%
# A U-Net in the place of the default
# -----------------------------------
#
# The pixels share a unit, and one scale for all of them, here 4, leaves them so. The network gets
# eighteen short epochs. ``dcr_ratio=None`` makes all draws start from noise, so that what is seen
# is what the network has learned; by default they start between rows of `fit`.

import matplotlib.pyplot as plt
import numpy as np
from skimage.transform import resize
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skdiffusion import (
    DenoiserNet,
    DiffusionManifoldSampler,
    RiemannianKernelSmoother,
    TableEncoder,
)
from skdiffusion.manifold import trajectory
from skdiffusion.nets import UNet
from skdiffusion.plotting import RowDisplay
from skdiffusion.tables import LinearMeasurement

X, y = load_digits(return_X_y=True)  # 8 times 8 pixels, from 0 to 16
X, X_test, y, y_test = train_test_split(X, y, test_size=297, random_state=0)
pixels = TableEncoder(numeric_transform=4.0)

sampler = DiffusionManifoldSampler(
    denoiser=DenoiserNet(
        module=UNet, module__image_shape=(8, 8), batch_size=128, max_epochs=18, verbose=0
    ),
    encoder=pixels,
    manifold=None,
    dcr_ratio=None,
    random_state=0,
)
sampler.fit(X, y)

# %%
# Draws of a class, and guidance
# ------------------------------
#
# Each digit twenty times, of which four are shown. A ``guidance_scale`` above 1 exaggerates what
# the class changes: digits are plainer, and more alike. Whether a draw is what it should be is
# judged by a classifier that has seen the real digits.

digits = np.tile(np.arange(10), 20)
classifier = KNeighborsClassifier(3).fit(X, y)


def spread(rows, labels):
    return np.sqrt(np.mean([rows[labels == k].var(axis=0).sum() for k in range(10)]))


print(f"spread within a class: {spread(X, y):.1f}")
for scale in (1.0, 2.0):
    sampler.set_params(guidance_scale=scale)
    drawn = sampler.sample(y=digits, random_state=0)
    display = RowDisplay.from_rows(drawn[:40], (8, 8), n_columns=10, limits=(0, 16)).plot()
    display.figure_.suptitle(f"guidance_scale={scale:g}")
    share = np.mean(classifier.predict(drawn) == digits)
    print(f"guidance {scale:g}: {share:.0%} recognised, spread {spread(drawn, digits):.1f}")
plt.show()

# %%
# How noise becomes digits
# ------------------------
#
# The states of the solver for 16 draws of any class, each at the noise level of its step.

sampler.set_params(guidance_scale=1.0)
states, _ = trajectory(sampler, 16, random_state=0)
decode = sampler.model_.encoder.inverse_transform
frames = np.stack([decode(state) for state in states])
animation = RowDisplay.from_rows(frames, (8, 8), limits=(0, 16)).animate(interval=150)
plt.show()

# %%
# Lower halves, filled in
# -----------------------
#
# The smoother has no network: its kernels are at the rows, and conditions on any pixels are in
# closed form. Its bandwidths are given here; with the default, ``"cv"``, they are searched for,
# which takes a minute and finds about these. The imputer of the nearest neighbours, and the mean
# given the upper half, are blurred where they are in doubt; draws are digits.

smoother = RiemannianKernelSmoother(
    bandwidth=(0.75, 0.18),
    n_neighbors=40,
    background=None,
    known_noise=0.4,
    encoder=pixels,
    random_state=0,
)
smoother.fit(X)

half = X_test.copy()
half[:, 32:] = np.nan
neighbours = KNNImputer(n_neighbors=5).fit(X).transform(half)
mean = smoother.impute(half)
draws = [smoother.impute(half, strategy="draw", random_state=seed) for seed in range(3)]


def show(lines):
    """Draw the same test digits as lines of a grid, one above the other."""
    rows = np.vstack([line[shown] for line in lines.values()])
    display = RowDisplay.from_rows(rows, (8, 8), n_columns=len(shown), limits=(0, 16)).plot()
    for name, image in zip(lines, display.artists_[:: len(shown)], strict=True):
        image.axes.set_ylabel(name, rotation=0, ha="right", va="center")


shown = [int(np.flatnonzero(y_test == digit)[0]) for digit in range(10)]
lines = {"truth": X_test, "given": half, "neighbours": neighbours, "mean": mean}
show(lines | {f"draw {i + 1}": rows for i, rows in enumerate(draws)})
plt.show()


def error(rows, truth):
    return np.sqrt(np.mean((rows - truth) ** 2))


for name, rows in {"KNNImputer": neighbours, "mean": mean, "one draw": draws[0]}.items():
    print(f"{name:10} root mean square error {error(rows[:, 32:], X_test[:, 32:]):.2f}")

# %%
# From 4 times 4 pixels to 8 times 8
# ----------------------------------
#
# The means of blocks of four pixels are known: a :class:`~skdiffusion.tables.LinearMeasurement`.
# Digits that measure so are drawn from the kernels exactly, but for rounding to whole numbers
# and the range of the pixels. Bicubic interpolation does not know what digits look like.

pair = np.kron(np.eye(4), [0.5, 0.5])
matrix = np.kron(pair, pair)  # (16, 64)
coarse = X_test @ matrix.T

n_draws = 8
measured = LinearMeasurement(matrix, np.repeat(coarse, n_draws, axis=0))
fine = smoother.sample(conditions=measured, random_state=0).reshape(-1, n_draws, 64)
bicubic = np.stack([resize(image, (8, 8), order=3).ravel() for image in coarse.reshape(-1, 4, 4)])

lines = {
    "measured": 4 * coarse @ matrix,
    "bicubic": bicubic,
    "draw 1": fine[:, 0],
    "draw 2": fine[:, 1],
}
show(lines | {"mean of draws": fine.mean(axis=1), "truth": X_test})
plt.show()

for name, rows in {"bicubic": bicubic, "draw": fine[:, 0], "mean": fine.mean(axis=1)}.items():
    print(f"{name:10} root mean square error {error(rows, X_test):.2f}")
