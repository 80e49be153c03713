"""New rows column by column, each cell from a row that a tree finds alike in the columns before."""

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

# of a leaf, as in synthpop
MIN_ROWS = 5

Rows = NDArray[np.float64]
Index = NDArray[np.intp]


def draw_by_trees(Z: Rows, groups: Index, rng: np.random.RandomState) -> Rows:
    """Draw as many rows as there are, whose features `groups` (d,) puts into columns, in order.

    Nowok, Raab and Dibben (2016), "synthpop", Journal of Statistical Software 74(11).
    """
    drawn = Z[rng.permutation(len(Z))]
    for column in range(1, groups.max() + 1):
        own, before = groups == column, groups < column
        # squared errors of the vertices of categories are their Gini impurity
        tree = DecisionTreeRegressor(min_samples_leaf=MIN_ROWS, random_state=rng)
        leaf = tree.fit(Z[:, before], Z[:, own]).apply(Z[:, before])
        order, wanted = np.argsort(leaf, kind="stable"), tree.apply(drawn[:, before])
        first, last = (np.searchsorted(leaf[order], wanted, side) for side in ("left", "right"))
        donors = order[rng.randint(first, last)]
        drawn[:, own] = Z[donors][:, own]
    return drawn
