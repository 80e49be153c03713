"""The relations of a table in the order in which they are decoded."""

import numpy as np

from skdiffusion.tables.amounts import Difference


class Recoding:
    """The relations of a table, in an order in which parents are decoded first."""

    def __init__(self, relations, coders):
        by_column = {}
        for relation in relations:
            for j in relation.coded:
                other = by_column.pop(j, None)
                if isinstance(other, Difference) and isinstance(relation, Difference):
                    lows = dict.fromkeys((*other.parents, *relation.parents))
                    relation = Difference(j, lows, coders)
                elif other is not None:
                    raise ValueError(
                        f"Two constraints determine column {coders[j].name!r}: leave one out."
                    )
                by_column[j] = relation
        self.relations, waiting = [], list(dict.fromkeys(by_column.values()))
        while waiting:
            pending = {j for relation in waiting for j in relation.coded}
            ready = [relation for relation in waiting if not pending & set(relation.parents)]
            if not ready:
                names = [coders[j].name for j in sorted(pending)]
                raise ValueError(f"Constraints on columns {names} go round in a circle.")
            self.relations += ready
            waiting = [relation for relation in waiting if relation not in ready]

    def encode(self, columns):
        """Return the columns to encode in place of those of the table."""
        coded = list(columns)
        for relation in self.relations:
            for j, column in relation.encode(columns).items():
                coded[j] = column
        return coded

    def decode(self, cells, settled):
        """Return the cells of the table, some of them settled: cells, and in which rows."""
        cells = list(cells)
        coded = {j for relation in self.relations for j in relation.coded}
        for j in settled.keys() - coded:
            cells[j] = np.where(settled[j][1], settled[j][0], cells[j])
        for relation in self.relations:
            relation.decode(cells, settled)
            for j in settled.keys() & set(relation.coded):
                cells[j] = np.where(settled[j][1], settled[j][0], cells[j])
        return cells
