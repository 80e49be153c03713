"""
Anomalies in a breast-cancer table, explained
=============================================

A detector that has seen benign tumours alone is asked which tumours are unlike them, how surely,
and because of which measurements. :class:`~skdiffusion.DiffusionAnomalyDetector` has its default
parameters here, up to the last section.
"""

# %%
# Benign rows to learn from, others to judge
# ------------------------------------------
#
# The table has 30 measurements of 569 tumours. The detector gets 70 % of the benign ones. It judges
# the rest of them, and all malignant ones. As in scikit-learn, high scores are normal, and labels
# are 1 for normal rows and -1 for anomalies.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdiffusion import DiffusionAnomalyDetector
from skdiffusion.plotting import AnomalyScoreDisplay, FeatureContributionDisplay

SLATE, ORANGE, BLUE = "#35495e", "#f4743b", "#3a8fb7"

X, target = load_breast_cancer(return_X_y=True, as_frame=True)
benign, malignant = X[target == 1], X[target == 0]
X_train, held_out = train_test_split(benign, test_size=0.3, random_state=0)
X_test = pd.concat([held_out, malignant], ignore_index=True)
y_test = np.repeat([1, -1], [len(held_out), len(malignant)])

detector = DiffusionAnomalyDetector().fit(X_train)
scores = detector.score_samples(X_test)

# %%
# Two rivals: the distance to the nearest training row, which is hard to beat on tables, and the
# isolation forest. Malignant tumours tend to be far out in single measurements, which all three
# notice.

scaler = StandardScaler().fit(X_train)
neighbours = NearestNeighbors(n_neighbors=1).fit(scaler.transform(X_train))
forest = IsolationForest(random_state=0).fit(X_train)
score_functions = {
    "detector": detector.score_samples,
    "1-NN": lambda rows: -neighbours.kneighbors(scaler.transform(rows))[0][:, 0],
    "isolation forest": forest.score_samples,
}


def compare(normal, anomalous):
    judged = np.repeat([1, -1], [len(normal), len(anomalous)])
    for name, score in score_functions.items():
        area = roc_auc_score(judged, np.concatenate([score(normal), score(anomalous)]))
        print(f"{name:17} area under the ROC curve: {area:.3f}")


compare(held_out, malignant)

# %%
# Values that are strange only beside the rest of their row are another matter. Here the mean areas
# of the held-out benign tumours are shuffled, as if a column had slipped: every value is a normal
# one, in the wrong row.

shuffled = np.random.default_rng(0).permutation(held_out["mean area"])
wrong = held_out.assign(**{"mean area": shuffled})
compare(held_out, wrong)

# %%
# The line is the detector's threshold. It knows of no anomaly, so it is where one in twenty rows
# like the training rows is reported.

AnomalyScoreDisplay.from_estimator(detector, X_test, y=y_test).plot()
plt.show()

# %%
# How surely
# ----------
#
# A p-value is the share of normal rows that are at least as anomalous. Those of benign rows are
# about uniform, however good or bad the scores: their cumulative share follows the diagonal. Below
# it they err to the safe side.

pvalues = detector.predict_pvalue(X_test)
fig, ax = plt.subplots(figsize=(4.2, 3.6), layout="constrained")
for label, name, colour in ((1, "benign", SLATE), (-1, "malignant", ORANGE)):
    ax.ecdf(pvalues[y_test == label], color=colour, label=name)
ax.axline((0, 0), slope=1, color=BLUE, linewidth=0.8, linestyle="--")
ax.set(xlabel="p-value", ylabel="share of rows with at most this p-value")
ax.legend(frameon=False)
plt.show()

# %%
# `select` picks out rows such that on average at most the given share of them is normal.

for fdr in (0.05, 0.1):
    picked = detector.select(X_test, fdr=fdr)
    print(
        f"fdr={fdr}: {picked.sum()} rows picked, {picked[y_test == -1].sum()} of the "
        f"{len(malignant)} malignant ones, {np.mean(y_test[picked] == 1):.1%} of them benign"
    )

# %%
# Because of what
# ---------------
#
# `explain` says how much each cell adds to the anomaly, and what value was to be expected. The most
# anomalous tumour is on the left, far out in many cells. On the right is the first of the rows with
# a foreign mean area.

fig, axes = plt.subplots(1, 2, figsize=(10.5, 3.6), layout="constrained")
most = int(np.argmin(scores))
FeatureContributionDisplay.from_estimator(detector, X_test, row=most, n_features=6).plot(axes[0])
FeatureContributionDisplay.from_estimator(detector, wrong, row=0, n_features=6).plot(axes[1])
plt.show()

blamed = detector.explain(wrong).contributions.idxmax(axis=1)
print(f"the mean area contributes most in {np.mean(blamed == 'mean area'):.0%} of these rows")
print(f"true value of the first: {held_out['mean area'].iloc[0]:.1f}")

# %%
# A profile for the model that follows
# ------------------------------------
#
# `transform` gives the scores that are added up, one by one. With a few labelled
# malignant rows, a classifier can use this profile beside the measurements. Training rows get the
# profile found without them, so the classifier is not misled. These are means over 20 draws of ten
# labelled rows; the other malignant rows, and the benign ones held out, are judged.

print(", ".join(detector.get_feature_names_out()))
profiles = [detector.transform(part) for part in (X_train, held_out, malignant)]
tables = [scaler.transform(part) for part in (X_train, held_out, malignant)]
both = [np.hstack(pair) for pair in zip(tables, profiles, strict=True)]


def classify(train, normal, anomalous, seed, n_labels=10):
    order = np.random.default_rng(seed).permutation(len(anomalous))
    labelled, unseen = anomalous[order[:n_labels]], anomalous[order[n_labels:]]
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    model.fit(np.vstack([train, labelled]), np.repeat([0, 1], [len(train), n_labels]))
    judged = np.repeat([0, 1], [len(normal), len(unseen)])
    return roc_auc_score(judged, model.decision_function(np.vstack([normal, unseen])))


for name, parts in {"measurements": tables, "with the profile": both}.items():
    areas = [classify(*parts, seed) for seed in range(20)]
    print(f"{name:17} area under the ROC curve: {np.mean(areas):.4f}")

# %%
# Anomalies among the training rows
# ---------------------------------
#
# Now nobody has sorted the rows: forty malignant tumours are among the benign ones, unlabelled, and
# the task is to find them. One switch changes the methods to ones that withstand this.

mixed = pd.concat([benign, malignant.sample(40, random_state=0)])
truth = np.repeat([1, -1], [len(benign), 40])
for contamination in ("auto", 0.1):
    detector = DiffusionAnomalyDetector(contamination=contamination)
    labels = detector.fit_predict(mixed)
    area = roc_auc_score(truth, detector.training_scores_)
    found, reported = np.sum(labels[truth == -1] == -1), np.sum(labels == -1)
    print(
        f"contamination={contamination!r}: area under the ROC curve {area:.3f}, "
        f"{found} malignant among {reported} reported"
    )
