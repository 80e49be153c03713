"""Draw and score with Ray Data."""

import ray


def draw(batches, n_workers=None):
    """Return drawn batches, frames, as a data set of Ray."""

    def draw_batch(numbers):
        (i,) = numbers["id"]
        return batches[int(i)]

    numbers = ray.data.range(len(batches), override_num_blocks=len(batches))
    return numbers.map_batches(draw_batch, batch_size=1, concurrency=n_workers)


def score(model, rows, n_workers=None, batch_size=10_000):
    """Return rows, a data set of Ray, with scores."""

    def add_scores(batch):
        return batch.assign(score=model.score_samples(batch))

    options = {"batch_size": batch_size, "batch_format": "pandas", "concurrency": n_workers}
    return rows.map_batches(add_scores, **options)
