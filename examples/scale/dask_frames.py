"""Draw and score with dask."""

import dask.dataframe as dd
from dask import delayed


def draw(batches):
    """Return drawn batches, frames, as a data frame of dask with a partition for each."""
    draw_batch = delayed(batches.__getitem__, pure=False)
    return dd.from_delayed([draw_batch(i) for i in range(len(batches))], meta=batches[0][:0])


def score(model, rows):
    """Return rows, a data frame of dask, with scores."""

    def add_scores(part):
        return part.assign(score=model.score_samples(part))

    return rows.map_partitions(add_scores, meta=rows._meta.assign(score=0.0))
