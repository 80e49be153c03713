"""Draw the picture of the landing page: ``python docs/landing_picture.py``.

From noise to rows of a table of 31 columns, two of which are shown, beside real rows.
"""

from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer

from skdiffusion import DiffusionManifoldSampler
from skdiffusion.manifold import trajectory

N_ROWS = 400
COLUMNS = "mean radius", "mean concave points"
COLORS = {"benign": "#2f7fb8", "malignant": "#d1603d"}
# noise levels at which rows are shown on their way, in standard deviations of a column
NOISE = 1.5, 0.7, 0.3


def draw_frames():
    """Return titles and frames: drawn rows on their way from noise, and real ones."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    table = X.assign(diagnosis=y.map({0: "malignant", 1: "benign"}).astype("category"))
    sampler = DiffusionManifoldSampler(random_state=0).fit(table)
    states, sigmas = trajectory(sampler, N_ROWS, random_state=0)
    decode = sampler.model_.encoder.inverse_transform
    steps = [int(abs(sigmas - noise).argmin()) for noise in NOISE]
    frames = [decode(states[step]) for step in [*steps, -1]]
    titles = [f"noise {float(sigmas[step]):.1f}" for step in steps] + ["drawn rows"]
    return [*titles, "real rows"], [*frames, table.sample(N_ROWS, random_state=0)]


def main():
    """Write ``landing.png`` beside this file."""
    titles, frames = draw_frames()
    figure, axes = plt.subplots(1, len(frames), figsize=(12, 2.7), sharex=True, sharey=True)
    for axis, title, frame in zip(axes, titles, frames, strict=True):
        for name, color in COLORS.items():
            rows = frame[frame["diagnosis"] == name]
            axis.scatter(*(rows[c] for c in COLUMNS), s=7, color=color, alpha=0.7, lw=0, label=name)
        axis.set_title(title, fontsize=11)
        axis.set_xlabel(COLUMNS[0])
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel(COLUMNS[1])
    axes[-1].legend(frameon=False, fontsize=8, markerscale=2, loc="upper left")
    figure.tight_layout()
    figure.savefig(Path(__file__).with_name("landing.png"), dpi=100, facecolor="white")


if __name__ == "__main__":
    main()
