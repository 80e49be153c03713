"""Rows to fit on, of tables that hold more than a fit can use: a random sample of them."""

from pathlib import Path

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.random import sample_without_replacement

from skdiffusion._utils.checks import check_weights, needs
from skdiffusion._utils.fitting import say
from skdiffusion.tables.frames import take, validate_table
from skdiffusion.tables.reading import as_frame
from skdiffusion.tables.vocabulary import MAX_CATEGORIES

# rows of which cells are looked through at once
CHUNK_ROWS = 65_536


def rows_to_fit(estimator, X, y, sample_weight, most, rng):
    """Validate a table for a fit; return its rows that have weight, a sample of more than `most`.

    Of Parquet only these are read; target and weights may then be the names of columns.
    """
    data = _open(X)
    if data is not None:
        n, X, y, sample_weight = _read(data, y, sample_weight, most, rng)
    X = validate_table(estimator, X, reset=True, allow_missing=estimator._allow_missing)
    if y is not None:
        check_consistent_length(X, y)
    sample_weight = check_weights(sample_weight, len(X))
    kept = None if sample_weight is None else np.flatnonzero(sample_weight)
    if data is None:
        n = len(X) if kept is None else len(kept)
        if most is not None and n > most:
            positions = np.arange(n) if kept is None else kept
            kept = _sample(positions, most, _columns(X, y, positions), rng)
    if kept is not None:
        X, y, sample_weight = take(kept, X, y, sample_weight)
    if most is not None:
        estimator.n_rows_used_ = len(X)
        if n > most:
            say(estimator, f"fitting {len(X):,} of {n:,} rows, drawn at random")
    return X, y, sample_weight


def _read(data, y, sample_weight, most, rng):
    """Return the length of a data set, and about so many rows with target and weights."""
    n = data.count_rows()
    positions = np.arange(n)
    if most is not None and n > most:
        positions = _sample(positions, most, _columns_of_file(data, y), rng)
    with needs("parquet", "Reading Parquet needs pandas"):
        import pandas  # noqa: F401
    frame, parts = data.scanner(**_options(data)).take(positions).to_pandas(), []
    for part in (y, sample_weight):
        if isinstance(part, str):
            if part not in frame:
                raise ValueError(f"{part!r} is no column of the file, which has {list(frame)}.")
            part = frame.pop(part)
        elif part is not None:
            check_consistent_length(part, np.broadcast_to(0, n))
            part = np.asarray(part)[positions]
        parts.append(part)
    return n, frame, *parts


def _sample(positions, n_rows, columns, rng):
    """Return a random sample of positions, and of each category in `columns` the first row."""
    drawn = sample_without_replacement(len(positions), n_rows, random_state=rng)
    # of a category that no row of the sample has, nothing would be known
    first = np.array([k for column in columns for k in _one_of_each(column)], dtype=int)
    return positions[np.union1d(drawn, first)]


def _one_of_each(chunks):
    """Return the position of the first of each distinct cell, of none where they are too many."""
    first, start = {}, 0
    for chunk in chunks:
        cells = chunk.to_list() if hasattr(chunk, "to_list") else chunk.tolist()
        places = range(start, start + len(cells))
        try:
            first = dict(zip(reversed(cells), reversed(places), strict=True)) | first
        except TypeError:  # what has no hash is no category
            return []
        if len(first) > MAX_CATEGORIES:
            return []
        start += len(cells)
    return list(first.values())


def _open(X):
    """Return Parquet, a file or a folder, as a data set of pyarrow; None for anything else."""
    if isinstance(X, str | Path):
        with needs("parquet", "Reading Parquet needs pyarrow"):
            from pyarrow.dataset import dataset
        return dataset(X, format="parquet", partitioning="hive")
    return X if hasattr(X, "count_rows") and hasattr(X, "scanner") else None


def _columns(X, y, positions):
    """Return the columns that are no numbers, and the target, at positions, each in chunks."""
    frame = as_frame(X)
    if frame is None:
        columns = [] if X.dtype.kind in "iuf" else list(X.T)
    else:
        columns = [each for each in frame.iter_columns() if not each.dtype.is_numeric()]
    for column in [*columns, *([] if y is None else [np.ravel(y)])]:
        yield (column[positions[k : k + CHUNK_ROWS]] for k in range(0, len(positions), CHUNK_ROWS))


def _columns_of_file(data, y):
    """Return the columns of text, of booleans, and of the target, each in chunks."""
    from pyarrow import types

    for field in data.schema:
        is_apt = types.is_dictionary(field.type) or types.is_boolean(field.type)
        is_apt |= types.is_string(field.type) or types.is_large_string(field.type)
        if is_apt or (isinstance(y, str) and field.name == y):
            batches = data.to_batches(columns=[field.name], **_options(data))
            yield (batch.column(0) for batch in batches)


def _options(data):
    """Return how a data set is read: what pyarrow reads ahead would fill the memory."""
    from pyarrow.dataset import ParquetFileFormat, ParquetFragmentScanOptions

    options = {"batch_size": CHUNK_ROWS, "batch_readahead": 1, "fragment_readahead": 1}
    if isinstance(getattr(data, "format", None), ParquetFileFormat):
        options["fragment_scan_options"] = ParquetFragmentScanOptions(pre_buffer=False)
    return options
