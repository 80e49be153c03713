"""Which columns are looked at together: halves of them, balanced, and whatever their order."""

import numpy as np
from scipy.linalg import hadamard

# More change nothing: 8, 16 and 32 rank anomalies alike
N_PATTERNS = 16
# Up to this many columns a half and the other half are both looked at
MAX_PAIRED = 7
# Digits of the moments by which columns are told apart, far more than rounding leaves
N_DIGITS = 6


def canonical_columns(Z, groups):
    """Return the columns in an order that depends on their cells alone, and their places in it."""
    bent = np.tanh(np.nan_to_num(Z))
    columns = np.unique(groups)
    parts = np.column_stack([bent[:, groups == column].sum(1) for column in columns])
    total = parts.sum(1, keepdims=True)
    moments = (parts**2, parts * total, parts * total**2, parts**2 * total, parts**3)
    keys = np.round([moment.mean(0) for moment in moments], N_DIGITS) + 0.0
    order = np.lexsort(keys)
    # columns that no moment tells apart, such as copies, share a place
    is_new = (np.diff(keys[:, order], axis=1) != 0).any(0)
    return columns[order], np.append(0, np.cumsum(is_new))


def canonical_rows(Z):
    """Return rows in an order that depends on their cells alone."""
    return np.lexsort(np.round(np.nan_to_num(Z), N_DIGITS).T)


def balanced_patterns(n_columns):
    """Return masks of shape (n_patterns, n_columns), each with about half of the columns."""
    if n_columns == 1:
        return np.ones((1, 1), dtype=bool)
    # any two columns are together in a quarter of the rows of such a matrix
    order = 2 ** int(n_columns).bit_length()
    masks = hadamard(order)[1:, 1 : n_columns + 1] > 0
    if n_columns <= MAX_PAIRED:
        masks = np.concatenate([masks, ~masks])
    elif len(masks) > N_PATTERNS:
        masks = masks[np.random.RandomState(0).permutation(len(masks))[:N_PATTERNS]]
    masks = np.unique(masks, axis=0)
    return masks[masks.any(1) & ~masks.all(1)]
