"""Numbers and times that look like codes for missing cells."""

import numpy as np

from skdiffusion._utils.gross import far_out
from skdiffusion.tables.reading import NUMERIC, TEMPORAL

# fewer cells tell nothing
MIN_ROWS, MIN_DISTINCT = 20, 10
LAST_DAY = np.datetime64("9999-12-31", "D")


def hint_at_codes(columns):
    """Return what to tell the user about columns that seem to have codes for missing cells."""
    found = [f"{code} in column {column.name!r}" for column in columns for code in _codes(column)]
    if not found:
        return []
    return [
        f"{', '.join(found)}: far from the other cells, as codes for missing ones are. If it is "
        "one, replace it before fit, by NaN or None."
    ]


def _codes(column):
    """Return the extreme cells of a column that seem to be codes."""
    if column.kind not in (*NUMERIC, *TEMPORAL):
        return []
    values, counts = np.unique(column.observed, return_counts=True)
    if counts.sum() < MIN_ROWS or len(values) < MIN_DISTINCT:
        return []
    cells = values if column.clock is None else values.view(column.clock.dtype)
    far = far_out(values.astype(np.float64), counts)
    codes = []
    for place, others in ((0, values[1:]), (-1, values[:-1])):
        gap = abs(float(values[place]) - float(others[place]))
        is_apart = gap > 0.5 * (float(others[-1]) - float(others[0]))
        # below counts and amounts there is nothing
        is_apart |= values[place] == -1 and others[0] >= 0 and counts[place] > 1
        is_repeated = far[place] and counts[place] > 1
        if is_repeated or (is_apart and _is_known(cells[place])):
            codes.append(f"{cells[place]:g}" if column.clock is None else str(cells[place]))
    return codes


def _is_known(cell):
    """Return whether a cell is all nines, -1, or the last day of year 9999."""
    if isinstance(cell, np.datetime64):
        return cell.astype("M8[D]") >= LAST_DAY or cell.astype("M8[D]").astype(int) == 0
    if isinstance(cell, np.timedelta64):
        return False
    digits = f"{abs(cell):g}".replace(".", "")
    return cell == -1 or (len(digits) > 1 and set(digits) == {"9"})
