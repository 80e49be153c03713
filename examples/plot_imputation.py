"""
Missing cells: one value, or several
====================================

A table with gaps is learned as it is. Then its gaps are filled, by what is to be expected or by
draws, and it is checked on the cells that were taken out how far both can be trusted.
"""

# %%
# A table with gaps
# -----------------
#
# The diabetes table again: ten measurements of 442 patients and the course of their disease. A
# quarter of all cells is taken out, so that hardly a row is complete.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.impute import KNNImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdiffusion import DenoiserNet, DiffusionImputer, DiffusionManifoldSampler

SLATE, ORANGE, BLUE = "#35495e", "#f4743b", "#3a8fb7"

data = load_diabetes(scaled=False, as_frame=True)
X = data.frame.rename(columns={"target": "progression"})
X["sex"] = X["sex"].map({1.0: "a", 2.0: "b"}).astype("category")
rng = np.random.default_rng(0)
taken = rng.random(X.shape) < 0.25
X_gaps = X.mask(taken)
print(f"{X_gaps.notna().all(axis=1).sum()} of {len(X)} rows are complete")

# %%
# What is to be expected
# ----------------------
#
# By default the gaps are filled with the mean of several draws given the other cells of the
# row, and categories with the most frequent level. That has the smallest error. It is given here in
# standard deviations of a column, beside that of the mean of the column and of the nearest rows.

model = DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=10))
imputer = DiffusionImputer(sampler=model, n_draws=16, random_state=0).fit(X_gaps)
expected = imputer.transform(X_gaps)

numbers = [name for name in X if name != "sex"]
unit, gaps = X[numbers].std(), X_gaps[numbers].isna().to_numpy()


def error(filled):
    return np.sqrt(np.mean((((filled[numbers] - X[numbers]) / unit).to_numpy()[gaps]) ** 2))


neighbours = make_pipeline(StandardScaler(), KNNImputer(n_neighbors=10)).set_output(
    transform="pandas"
)
nearest = neighbours.fit_transform(X_gaps[numbers])
nearest = nearest * neighbours[0].scale_ + neighbours[0].mean_
print(f"mean of the column  {error(X_gaps[numbers].fillna(X_gaps[numbers].mean())):.2f}")
print(f"nearest rows        {error(nearest):.2f}")
print(f"expected value      {error(expected):.2f}")

unknown = X_gaps["sex"].isna()
right = np.mean(expected["sex"][unknown] == X["sex"][unknown])
most = X["sex"].value_counts(normalize=True).max()
print(f"sex: {right:.0%} right; the more frequent one makes {most:.0%}")

# %%
# Draws
# -----
#
# Expected values lie in the middle of what is possible. A table filled with them is too tidy: its
# columns vary too little, and their relations look too strong. Draws keep both.
# `sample_imputations` makes several tables; here is one cell beside another where either was taken
# out.

tables = imputer.sample_imputations(X_gaps, 20, random_state=0)
rows = X_gaps[["s5", "progression"]].isna().any(axis=1)
fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.4), sharex=True, sharey=True, layout="constrained")
shown = {"real": (X, SLATE), "expected": (expected, ORANGE), "one draw": (tables[0], BLUE)}
for ax, (name, (table, colour)) in zip(axes, shown.items(), strict=True):
    ax.scatter(table["s5"][rows], table["progression"][rows], s=9, color=colour)
    correlation = np.corrcoef(table["s5"][rows], table["progression"][rows])[0, 1]
    ax.set(title=f"{name}: correlation {correlation:.2f}", xlabel="s5, triglycerides")
axes[0].set_ylabel("progression")
plt.show()

# %%
# How far can they be trusted?
# ----------------------------
#
# If the 20 draws of a cell follow the same distribution as its true value, that value takes each
# place in the order of all 21 equally often: the middle one once in 21 times, one of the middle
# three in three of 21, and so on. This can be checked here, as the true values are known.

draws = np.stack([table[numbers].to_numpy()[gaps] for table in tables])
truth = X[numbers].to_numpy()[gaps]
# where values tie, as whole numbers do, any order among them is as good as another
rank = (draws < truth).sum(0) + rng.integers((draws == truth).sum(0) + 1)
fig, ax = plt.subplots(figsize=(4, 3.6), layout="constrained")
reach = np.arange(11)
inside = [np.mean(np.abs(rank - 10) <= k) for k in reach]
ax.axline((0, 0), slope=1, color=SLATE, linewidth=0.8, linestyle="--")
ax.plot((2 * reach + 1) / 21, inside, "o-", color=BLUE)
ax.set(xlabel="share that is due", ylabel="share of true values inside")
plt.show()
print(f"within the range of 20 draws: {inside[9]:.1%} of the true values, {19 / 21:.1%} are due")

# %%
# What the gaps leave open
# ------------------------
#
# An analysis of one filled table takes what was filled in for observed. Done on each of several
# drawn tables, its results differ by what the gaps leave open, and Rubin's rules put both kinds of
# uncertainty together. Here for the slope of the progression on the body mass index.


def slope(table):
    x, y = (table[name] for name in ("bmi", "progression"))
    r = np.corrcoef(x, y)[0, 1]
    return r * y.std() / x.std(), (1 - r**2) * y.var() / x.var() / (len(x) - 2)


estimates, variances = np.array([slope(table) for table in tables]).T
total = variances.mean() + (1 + 1 / len(tables)) * estimates.var(ddof=1)
for name, value, variance in (
    ("no gaps", *slope(X)),
    ("complete pairs", *slope(X_gaps[["bmi", "progression"]].dropna())),
    ("expected values", *slope(expected)),
    ("20 draws", estimates.mean(), total),
):
    print(f"{name:15} slope {value:5.2f}, standard error {np.sqrt(variance):.2f}")
