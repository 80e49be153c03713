"""Draw into, and score from, Parquet files on one machine."""

import pyarrow as pa
import pyarrow.parquet as pq
from joblib import Parallel, delayed


def draw(batches, path, n_jobs=2):
    """Write drawn batches, frames, into a Parquet file, in their order."""
    schema = pa.Schema.from_pandas(batches[0], preserve_index=False)
    # a generator: no more than a few batches wait to be written
    parallel = Parallel(n_jobs, return_as="generator")
    with pq.ParquetWriter(path, schema) as writer:
        for rows in parallel(delayed(batches.__getitem__)(i) for i in range(len(batches))):
            writer.write_table(pa.Table.from_pandas(rows, schema, preserve_index=False))


def score(model, source, target, n_jobs=2, batch_size=100_000):
    """Write the scores of the rows of a Parquet file into another one, in their order."""

    def score_batch(batch):
        return pa.table({"score": model.score_samples(batch.to_pandas())})

    parallel = Parallel(n_jobs, return_as="generator")
    batches = pq.ParquetFile(source).iter_batches(batch_size)
    with pq.ParquetWriter(target, pa.schema({"score": pa.float64()})) as writer:
        for scores in parallel(delayed(score_batch)(batch) for batch in batches):
            writer.write_table(scores)
