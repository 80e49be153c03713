"""
Synthetic rows of a mixed table
===============================

Learn a table of patients with whole numbers, a category and measurements, draw new patients, ask
for patients of a given outcome, and see which real ones are unusual.
"""

# %%
# The table
# ---------
#
# Ten measurements of 442 diabetes patients, and how far the disease had progressed a year later.
# One column is a category, some hold whole numbers only.

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

data = load_diabetes(scaled=False, as_frame=True)
X = data.data.astype({"age": int})
X["sex"] = X["sex"].map({1.0: "a", 2.0: "b"}).astype("category")
y = data.target.rename("progression")
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
X_train.head(3)

# %%
# Fit and sample
# --------------
#
# The target is learned as one more column, so rows can be drawn with it and given it. Columns,
# dtypes and categories are those of the table that was fitted.

from skdiffusion import DiffusionManifoldSampler

sampler = DiffusionManifoldSampler(random_state=0).fit(X_train, y_train)
X_new, y_new = sampler.sample(len(X), return_y=True, random_state=0)
X_new.head(3)

# %%
# Are they alike? On the left all columns at once, on the right those that match *least*.

from skdiffusion.plotting import SyntheticComparisonDisplay

real = X.assign(progression=y)
synthetic = X_new.assign(progression=np.asarray(y_new))
display = SyntheticComparisonDisplay.from_samples(real, synthetic).plot()

# %%
# Patients of a given outcome
# ---------------------------
#
# Ask for a mild and for a severe course. Real patients with an outcome nearby are shown beneath:
# the body mass index and the triglycerides (`s5`) move as they do in reality.

import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for progression, colour in [(75, "#3a8fb7"), (275, "#f4743b")]:
    drawn = sampler.sample(300, y=np.full(300, float(progression)), random_state=1)
    nearby = X[(y - progression).abs() < 25]
    for ax, column in zip(axes, ["bmi", "s5"], strict=True):
        bins = np.linspace(X[column].min(), X[column].max(), 18)
        ax.hist(nearby[column], bins, density=True, color=colour, alpha=0.25)
        ax.hist(
            drawn[column],
            bins,
            density=True,
            histtype="step",
            color=colour,
            linewidth=2,
            label=f"drawn for {progression}",
        )
        ax.set_xlabel(column)
        ax.set_yticks([])
axes[0].legend(frameon=False)
fig.suptitle("given progression: real patients nearby (filled), drawn ones (lines)")
plt.show()

# %%
# Which rows are unusual?
# -----------------------
#
# Held-out patients score like the training ones, so nothing was learned by heart. Patients whose
# columns were shuffled among each other are possible column by column, and impossible as a whole.

from skdiffusion.plotting import LogDensityDisplay

rng = np.random.default_rng(0)
shuffled = pd.DataFrame({name: X_test[name].array[rng.permutation(len(X_test))] for name in X})
display = LogDensityDisplay.from_estimator(
    sampler, {"training": X_train, "held out": X_test, "synthetic": X_new, "shuffled": shuffled}
).plot()
