"""
How good is a synthetic table, and who may see it?
==================================================

Four synthetic tables of the same tumours: two drawn by diffusion models, one with each column drawn
on its own, and one that gives the real rows away. A report says of each how alike it is, what it is
good for, and what it tells of the real rows.
"""

# %%
# Four synthetic tables
# ---------------------
#
# A third of the rows is kept apart. No generator sees them, and what they differ from the others by
# is chance: the yardstick for all that follows. By default draws lie nearer to the training rows
# than fresh rows would (``dcr_ratio=0.75``), which serves those best who learn from them; with
# ``dcr_ratio=None`` they start from noise alone.

import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from skdiffusion import DiffusionManifoldSampler

data = load_breast_cancer(as_frame=True)
tumours = data.data.iloc[:, :10].assign(
    tumour=data.target.map({0: "malignant", 1: "benign"}).astype("category")
)
train, test = train_test_split(tumours, test_size=0.3, stratify=tumours["tumour"], random_state=0)


def draw(sampler):
    return sampler.fit(train).sample(len(train), random_state=0)


tables = {
    "near rows (default)": draw(DiffusionManifoldSampler(random_state=0)),
    "from noise": draw(DiffusionManifoldSampler(dcr_ratio=None, random_state=0)),
    "columns apart": pd.DataFrame(
        {name: train[name].sample(frac=1, random_state=k).array for k, name in enumerate(train)}
    ),
    "copied rows": train.sample(frac=1, replace=True, random_state=0),
}

# %%
# What the report says
# --------------------
#
# Each question has a grade. Columns that were drawn apart pass as columns and fail as a table.
# Copied rows are good for nearly everything but privacy, which is the grade to look at before a
# table leaves the house.

from skdiffusion.metrics import fidelity_report

reports = {
    name: fidelity_report(train, test, fake, target="tumour", random_state=0)
    for name, fake in tables.items()
}
pd.DataFrame({name: report.grades for name, report in reports.items()})

# %%
# The words behind the grades name the evidence.

print("\n".join(reports["near rows (default)"].verdict))

# %%
# Figures, and what is within reach
# ---------------------------------
#
# Can a classifier tell synthetic rows from held-out ones (C2ST; 0.5 is a guess)? What share of the
# held-out rows has a synthetic neighbour (coverage)? How far are synthetic rows from those of the
# training (DCR ratio; fresh real rows have 1, copies 0)? No single figure is enough: columns apart
# are private, copied rows cover everything.

import matplotlib.pyplot as plt

shown = [("c2st_boosting", "C2ST", 0.5), ("coverage", "coverage", 1), ("dcr_ratio", "DCR ratio", 1)]
fig, axes = plt.subplots(1, 3, figsize=(9, 2.4), sharey=True, layout="constrained")
for ax, (figure, label, ideal) in zip(axes, shown, strict=True):
    ax.barh(list(reports), [report[figure] for report in reports.values()], color="#3a8fb7")
    ax.axvline(ideal, color="#f4743b", linestyle="--")
    ax.set_title(f"{label} (line: ideal)", fontsize=10)
axes[0].invert_yaxis()
plt.show()

# %%
# Where a table gives itself away
# -------------------------------
#
# How much worse does the classifier get if it may not use a column? Large values name the columns
# to look at first. The report also knows the pair of columns whose relation is most wrong.

report = reports["columns apart"]
giveaways = pd.Series(report.giveaways).sort_values().tail(5)
fig, ax = plt.subplots(figsize=(6, 2.4), layout="constrained")
ax.barh(giveaways.index, giveaways, color="#3a8fb7")
ax.set_xlabel("AUC lost without the column")
plt.show()

first, second, error, chance = report.pairs[0]
print(f"{first} and {second} hang together wrongly by {error:.0f} % (chance: {chance:.0f} %)")

# %%
# Seen in two directions, and in the columns that match least, the draws of the model lie where the
# real rows lie.

from skdiffusion.plotting import SyntheticComparisonDisplay

display = SyntheticComparisonDisplay.from_samples(tumours, tables["near rows (default)"]).plot()

# %%
# ``report.to_html("report.html")`` writes all of it as one page, to be read and sent.
