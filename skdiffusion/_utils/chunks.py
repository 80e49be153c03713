"""Long work in parts: so that it needs little memory, and shows how far it is."""

from collections.abc import Iterable, Iterator
from typing import Any

from sklearn import get_config
from sklearn.utils import gen_batches

# arrays of the size of the encoded rows that are held while rows are scored
N_ARRAYS = 32


def row_blocks(n: int, n_numbers: int) -> list[slice]:
    """Split rows into blocks that scikit-learn's `working_memory` holds, by numbers in a row."""
    size = get_config()["working_memory"] * 2**20 // (8 * N_ARRAYS * max(n_numbers, 1))
    return list(gen_batches(n, max(1, int(size))))


def progress(parts: Iterable[Any], verbose: int) -> Iterator[Any]:
    """Yield parts, beside a bar if there are several and it is wanted."""
    parts = list(parts)
    if verbose and len(parts) > 1:
        from tqdm import tqdm

        parts = tqdm(parts, leave=False)
    yield from parts
