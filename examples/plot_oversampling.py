"""
Rare targets: more rows where there are few
===========================================

A regressor that has seen few old people takes them for younger than they are, and a classifier
that has seen few rows of a class overlooks it. Synthetic rows of rare targets shift attention to
them. What that gains, and what it costs elsewhere, is shown on tables whose truth is known.
"""

# %%
# Old ages
# --------
#
# Age is to be told from five measurements. Most of the 800 people to learn from are young, as in
# many collections. The 20,000 to judge by come from the same distribution.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import make_moons
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import balanced_accuracy_score

from skdiffusion import DenoiserNet, DiffusionManifoldSampler, DiffusionOversampler

SLATE, ORANGE, BLUE = "#35495e", "#f4743b", "#3a8fb7"


def make_people(n, seed):
    rng = np.random.default_rng(seed)
    age = np.clip(20 + rng.gamma(2, 9, size=n), 20, 95)
    a = (age - 20) / 75
    table = {
        "pressure": 110 + 35 * a + rng.normal(scale=9, size=n),
        "lens": np.exp(1 + 1.8 * a + rng.normal(scale=0.25, size=n)),
        "hearing": 5 + 60 * a**2 + rng.normal(scale=6, size=n),
        "grip": 45 - 18 * a**1.5 + rng.normal(scale=5, size=n),
        "clearance": 110 - 60 * a + rng.normal(scale=12, size=n),
    }
    return pd.DataFrame(table), pd.Series(age, name="age")


X, y = make_people(800, seed=0)
X_test, y_test = make_people(20_000, seed=1)

# %%
# Which ages are rare is decided by the boxplot: relevance rises from 0 at the median to 1 where
# outliers begin. People of a relevance above one half are varied until there are as many of them as
# of the others: their rows are noised a little and denoised given the age.

model = DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=12))
oversampler = DiffusionOversampler(sampler=model, random_state=0)
X_more, y_more = oversampler.fit_resample(X, y)
rare = oversampler.relevance_ >= 0.5
print(f"{rare.sum()} rare people, from {y[rare].min():.0f} years on")
print(f"{oversampler.n_synthetic_} synthetic ones")

fig, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
bins = np.arange(20, 100, 5)
axes[0].hist([y, y_more[oversampler.is_synthetic_]], bins, stacked=True, color=[SLATE, ORANGE])
axes[0].set(xlabel="age", ylabel="rows to learn from")
new = X_more[oversampler.is_synthetic_]
axes[1].scatter(y_more[oversampler.is_synthetic_], new["hearing"], s=7, color=ORANGE)
axes[1].scatter(y, X["hearing"], s=7, color=SLATE)
axes[1].set(xlabel="age", ylabel="hearing")
fig.legend(["real", "synthetic"], loc="outside upper center", ncols=2, frameon=False)
plt.show()

# %%
# Error by age
# ------------
#
# The same forest on three tables: the real rows; those and repeats of the rare ones; those and
# synthetic ones. The figure has the mean absolute error in each tenth of the range of ages.

repeats = oversampler.sample_indices_[oversampler.is_synthetic_]
tables = {
    "real rows": (X, y),
    "rare rows repeated": (pd.concat([X, X.iloc[repeats]]), pd.concat([y, y.iloc[repeats]])),
    "synthetic rows": (X_more, y_more),
}
edges = np.linspace(20, 95, 11)
tenth = np.clip(np.digitize(y_test, edges) - 1, 0, 9)
fig, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
for (name, table), colour in zip(tables.items(), [SLATE, BLUE, ORANGE], strict=True):
    forest = RandomForestRegressor(min_samples_leaf=5, random_state=0).fit(*table)
    error = (y_test - forest.predict(X_test)).abs()
    by_tenth = error.groupby(tenth).mean()
    ax.plot((edges[1:] + edges[:-1]) / 2, by_tenth, "o-", color=colour, label=name)
    old = error[y_test >= y[rare].min()].mean()
    print(f"{name:18} error of all {error.mean():.2f} years, of the old {old:.2f}")
ax.set(xlabel="age", ylabel="mean absolute error in years", ylim=(0, None))
ax.legend(frameon=False)
plt.show()

# %%
# Nothing is free: the rare ages gain, the common ones lose a little, and over all people, most of
# whom are young, the error stays about the same or grows. Oversample if the rare values are what
# matters.

# %%
# A rare class
# ------------
#
# Two half moons, of which one has twelve rows. The noise level says how far synthetic rows go from
# the real ones that they start from: a little noise varies them, and with None they are drawn
# afresh from all that the model knows of the class.

P, label = make_moons(1000, noise=0.12, random_state=0)
kept = np.r_[np.flatnonzero(label == 0)[:300], np.flatnonzero(label == 1)[:12]]
P_test, label_test = make_moons(10_000, noise=0.12, random_state=1)
small = DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=6))

fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.6), sharex=True, sharey=True, layout="constrained")
accuracies = {"real rows": (P[kept], label[kept])}
for ax, sigma in zip(axes, [0.3, None], strict=True):
    oversampler = DiffusionOversampler(sampler=small, sigma=sigma, random_state=0)
    P_more, label_more = oversampler.fit_resample(P[kept], label[kept])
    accuracies[f"sigma={sigma}"] = P_more, label_more
    ax.scatter(*P_more[oversampler.is_synthetic_].T, s=6, color=ORANGE)
    ax.scatter(*P[kept].T, s=8, color=np.where(label[kept] == 1, BLUE, SLATE))
    ax.set(title=f"sigma={sigma}", xticks=[], yticks=[])
plt.show()

for name, table in accuracies.items():
    forest = RandomForestClassifier(min_samples_leaf=2, random_state=0).fit(*table)
    accuracy = balanced_accuracy_score(label_test, forest.predict(P_test))
    print(f"{name:17} balanced accuracy {accuracy:.3f}")
