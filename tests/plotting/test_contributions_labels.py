"""Labels of the bars do not run into one another."""

import itertools

import matplotlib.pyplot as plt
import pytest

from skdiffusion.plotting import FeatureContributionDisplay

COLUMNS = [f"column {j}" for j in range(10)]


@pytest.mark.parametrize(("n_features", "height"), [(6, 3.6), (10, 3.6), (10, None), (1, 2.0)])
def test_labels_are_apart(n_features, height):
    display = FeatureContributionDisplay(
        contributions=dict.fromkeys(COLUMNS, 1.0),
        row=0,
        observed=dict.fromkeys(COLUMNS, 2.0),
        expected=dict.fromkeys(COLUMNS, 3.0),
        n_features=n_features,
    )
    ax = height and plt.subplots(1, 2, figsize=(10.5, height), layout="constrained")[1][0]
    figure = display.plot(ax).figure_
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in display.ax_.get_yticklabels()]
    assert len(boxes) == n_features
    assert all(above.y0 >= below.y1 for above, below in itertools.pairwise(boxes))
