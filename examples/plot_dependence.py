"""
Which column tells of which
===========================

A correlation says that two columns go together, and not whether it is by way of others. Nor does it
see what is not linear. :func:`~skdiffusion.inspection.conditional_dependence` reads from a fitted
model what two columns say about one another given all others; its matrix is put beside that of
correlations, where the truth is known and where it is not.
"""

# %%
# A table whose graph is known
# ----------------------------
#
# A greenhouse, made up: the sun makes it warm, warmth dries the soil, watering wets it. Plants grow
# best where it is neither dry nor wet, and those that have grown are sold. The price of oil has to
# do with none of it.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.patches import Patch
from sklearn.datasets import load_diabetes

from skdiffusion import DiffusionManifoldSampler
from skdiffusion.inspection import conditional_dependence
from skdiffusion.plotting import DependenceDisplay

SLATE, ORANGE = "#35495e", "#f4743b"

rng = np.random.default_rng(0)
sun, water, oil, *noise = rng.normal(size=(7, 1500))
warmth = 0.8 * sun + 0.5 * noise[0]
moisture = 0.8 * water - 0.8 * warmth + 0.5 * noise[1]
growth = 2 - moisture**2 + 0.6 * noise[2]
sold = np.where(growth + 0.5 * noise[3] > 1, "yes", "no")
X = pd.DataFrame(
    {
        "sun": 6 + 2 * sun,
        "warmth": 20 + 4 * warmth,
        "water": 3 + water,
        "moisture": 40 + 10 * moisture,
        "growth": growth,
        "sold": sold,
        "oil": 70 + 5 * oil,
    }
)
X.head(4)

# %%
# Two columns that both act on a third say something about one another once the third is known: a
# moist soil on a warm day has been watered. So there is an edge between water and warmth, too.

EDGES = [
    ("sun", "warmth"),
    ("warmth", "moisture"),
    ("water", "moisture"),
    ("warmth", "water"),
    ("moisture", "growth"),
    ("growth", "sold"),
]
names = list(X.columns)
truth = pd.DataFrame(0.0, index=names, columns=names)
for one, other in EDGES:
    truth.loc[one, other] = truth.loc[other, one] = 1.0


def correlations(table):
    numbers = table.assign(sold=table["sold"] == "yes") if "sold" in table else table
    found = numbers.astype(float).corr().abs().to_numpy()
    return found - np.eye(len(found))


# %%
# The model
# ---------
#
# The sampler is fitted as ever, and read at 300 rows.

sampler = DiffusionManifoldSampler(random_state=0).fit(X)
dependence = conditional_dependence(sampler, X[:300])
matrices = {
    "edges of the graph": truth.to_numpy(),
    "absolute correlation": correlations(X),
    "dependence given all others": dependence,
}
fig, axes = plt.subplots(1, 3, figsize=(13.5, 3.8), layout="constrained")
for ax, (label, matrix) in zip(axes, matrices.items(), strict=True):
    DependenceDisplay(matrix=matrix, names=names, label=label).plot(ax)
plt.show()

# %%
# The sun is correlated with moisture, by way of warmth alone. Moisture and growth are not
# correlated, as too little is as bad as too much. Sorted, the six edges ought to come first.

pairs = np.triu_indices(len(names), 1)
is_edge = truth.to_numpy()[pairs] == 1
fig, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
for ax, (label, matrix) in zip(axes, list(matrices.items())[1:], strict=True):
    order = np.argsort(matrix[pairs])[-12:]
    texts = [f"{names[pairs[0][k]]} and {names[pairs[1][k]]}" for k in order]
    ax.barh(texts, matrix[pairs][order], color=np.where(is_edge[order], SLATE, ORANGE))
    ax.set_xlabel(label)
    ax.spines[["top", "right"]].set_visible(False)
handles = [Patch(color=SLATE, label="an edge"), Patch(color=ORANGE, label="no edge")]
axes[1].legend(handles=handles, frameon=False, loc="lower right")
plt.show()

# %%
# A table whose graph is not known
# --------------------------------
#
# Ten measurements of 442 patients, and how far their diabetes has progressed after a year. The six
# values of blood serum are known by their names here.

serum = {
    "s1": "cholesterol",
    "s2": "LDL",
    "s3": "HDL",
    "s4": "cholesterol / HDL",
    "s5": "triglycerides",
    "s6": "glucose",
    "bp": "blood pressure",
    "target": "progression",
}
patients = load_diabetes(as_frame=True, scaled=False).frame.rename(columns=serum)
model = DiffusionManifoldSampler(random_state=0).fit(patients)
found = pd.DataFrame(
    conditional_dependence(model, patients), index=patients.columns, columns=patients.columns
)

matrices = {
    "absolute correlation": correlations(patients),
    "dependence given all others": found.to_numpy(),
}
fig, axes = plt.subplots(1, 2, figsize=(11.5, 5), layout="constrained")
for ax, (label, matrix) in zip(axes, matrices.items(), strict=True):
    DependenceDisplay(matrix=matrix, names=list(found), label=label).plot(ax)
plt.show()

# %%
# Of the many correlations of blood serum those are left by which values are reckoned from one
# another: LDL is estimated from cholesterol, HDL and triglycerides, and cholesterol is divided by
# HDL. Nearly all columns are correlated with the progression. Given the others, body mass and blood
# pressure are left most clearly; the ratio, correlated as much as the latter, is not.

progression = pd.DataFrame(
    {
        "correlation": correlations(patients)[-1],
        "dependence": found["progression"].to_numpy(),
    },
    index=patients.columns,
).drop("progression")
progression.sort_values("dependence", ascending=False).round(2)

# %%
# There is no test behind these numbers, and small ones may be errors of the network: fits with
# other seeds say which of them stay.
