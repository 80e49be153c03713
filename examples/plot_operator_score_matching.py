"""
Operator-informed score matching in one dimension
=================================================

The noise of a diffusion model is a process that we choose, and a process has eigenfunctions: a
cosine of a diffusing row shrinks on average by a known factor. So the means of a few cosines over
the data tell their means at every noise level, and with them the best approximation of the score in
their span, by linear equations. No network, no training, and no data needed afterwards.
"""

# %%
# Cosines for the score
# ---------------------
#
# Three hundred numbers around two modes. Rows diffuse in a box with reflecting walls, by
# default the range of the data and a little more. We fit with 2, 6 and 24 cosines and look at the
# score, the slope of the log-density, at two times of the process. In this unit the box has length
# pi: the noise has a standard deviation of 0.14 at the earlier time and 0.45 at the later one.

import matplotlib.pyplot as plt
import numpy as np
import torch

from skdiffusion import OperatorScoreMatching
from skdiffusion.diffusion import MixtureDenoiser, score

SLATE, ORANGE, BLUE, GREY = "#35495e", "#f4743b", "#3a8fb7", "#b5bcc4"

truth = MixtureDenoiser(
    weights=torch.tensor([0.35, 0.65], dtype=torch.float64),
    means=torch.tensor([[-1.5], [1.0]], dtype=torch.float64),
    covs=torch.tensor([[[0.09]], [[0.25]]], dtype=torch.float64),
)
X = truth.sample(300, torch.Generator().manual_seed(0)).numpy()
held_out = truth.sample(2000, torch.Generator().manual_seed(1)).numpy()

degrees = {2: GREY, 6: BLUE, 24: ORANGE}
models = {k: OperatorScoreMatching(degree=k, random_state=0).fit(X) for k in degrees}
largest = models[24]
scale = largest.model_.encoder.codecs_[0].scale
box = (X.min() + X.max() + scale * np.array([-np.pi, np.pi])) / 2
x = np.linspace(*box, 400)[:, None]

fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for ax, t in zip(axes, (0.01, 0.1), strict=True):
    sigma = torch.tensor(np.sqrt(2 * t) * scale)
    ax.plot(x, score(truth, torch.from_numpy(x), sigma), color=SLATE, linewidth=3, label="exact")
    for k, colour in degrees.items():
        ax.plot(x, models[k].score_field(x, t), color=colour, label=f"{k} cosines")
    ax.set(title=f"t = {t}", xlabel="x", ylim=(-9, 9))
axes[0].set_ylabel("score")
axes[1].legend(frameon=False)
plt.show()

# %%
# The exact score here is that of noise without walls. It differs at the walls, where the reflected
# process has score zero, and the more the longer the process runs: in the end the rows are
# uniform on the box. Samples start from there and never see the difference.
#
# From uniform rows to the data
# -----------------------------
#
# The probability flow carries uniform rows to rows like the data, and gives each its density. It
# stops a little before time zero, because what the fit says about the finest detail is the noise of
# three hundred rows. That time is chosen by cross-validation.

fig, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained", sharey=True)
density = truth.log_prob(torch.from_numpy(x), torch.tensor(0.0)).exp()
for ax, (k, colour) in zip(axes, degrees.items(), strict=True):
    model = models[k]
    drawn = model.sample(4000, random_state=0)[:, 0]
    ax.hist(drawn, bins=80, range=tuple(box), density=True, color=colour, alpha=0.4, label="drawn")
    ax.plot(x, np.exp(model.score_samples(x)), color=colour, label="density")
    ax.plot(x, density, color=SLATE, linewidth=1, linestyle="--", label="exact")
    ax.set(title=f"{k} cosines, log-likelihood {model.score(held_out):.2f}", xlabel="x")
    ax.legend(frameon=False, fontsize="small")
exact = truth.log_prob(torch.from_numpy(held_out), torch.tensor(0.0)).mean()
print(f"held-out log-likelihood of the exact distribution: {exact:.2f}")
plt.show()

# %%
# How many cosines
# ----------------
#
# The loss is a quadratic form too, and that of other rows needs only their means. On the rows of
# the fit it falls without end: with ever more cosines the score tends to that of the rows
# themselves, whose samples are copies. On new rows it turns, and the sooner the less noise there
# is. Hence the smoothing: it leaves those times out.

counts = np.arange(1, 41)
fits = [OperatorScoreMatching(degree=int(k), smoothing=0.0).fit(X) for k in counts]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for ax, t in zip(axes, (0.0005, 0.005), strict=True):
    ax.plot(counts, [fit.loss(X, t) for fit in fits], color=GREY, label="rows of the fit")
    ax.plot(counts, [fit.loss(held_out, t) for fit in fits], color=ORANGE, label="new rows")
    ax.set(title=f"t = {t}", xlabel="cosines")
axes[0].set_ylabel("loss")
axes[0].legend(frameon=False)
plt.show()

# %%
# What it can do and what it cannot
# ---------------------------------
#
# In one or two columns this is a density estimate on a par with a kernel density, whose cost does
# not depend on the number of rows once it is fitted. The number of functions grows exponentially
# with the columns: in five of them, four frequencies each make five hundred. Beyond, the columns
# are taken as independent, which is coarse. Edges finer than the shortest wave stay blurred,
# and rows outside the box are outside the model.
