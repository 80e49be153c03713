"""Draw and score with Spark."""

from pyspark.sql.types import DoubleType, StructField, StructType


def draw(batches, spark):
    """Return drawn batches, frames, as a data frame of Spark."""
    shared = spark.sparkContext.broadcast(batches)

    def draw_each(frames):
        for frame in frames:
            for i in frame["id"]:
                yield shared.value[int(i)]

    schema = spark.createDataFrame(batches[0][:1]).schema
    return spark.range(len(batches), numPartitions=len(batches)).mapInPandas(draw_each, schema)


def score(model, rows):
    """Return rows, a data frame of Spark, with scores."""
    shared = rows.sparkSession.sparkContext.broadcast(model)

    def score_each(frames):
        for frame in frames:
            yield frame.assign(score=shared.value.score_samples(frame))

    schema = StructType([*rows.schema, StructField("score", DoubleType())])
    return rows.mapInPandas(score_each, schema)
