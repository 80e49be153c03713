"""`DrawnBatches`: more drawn rows than fit into memory, by any number of workers."""

from collections.abc import Sequence
from numbers import Integral
from operator import index
from typing import Any

import numpy as np

from skdiffusion._utils.checks import Seed, check_count, take_rows
from skdiffusion.pipeline import sample_from

__all__ = ["DrawnBatches"]


class DrawnBatches(Sequence):
    """Draws of a fitted model, as a sequence of batches of which each is made when it is asked for.

    A batch has random numbers of its own, so it does not depend on which batches were drawn before,
    nor by which process. A sequence can be pickled, and takes the memory of one batch at a time.

    Parameters
    ----------
    model : estimator or Pipeline
        What draws rows: anything fitted that :func:`~skdiffusion.sample_from` takes and whose
        ``sample`` has a ``random_state``. To fill gaps, a model that has ``impute``, or a
        :class:`~skdiffusion.DiffusionImputer`.
    rows : int or array-like or data frame of shape (n, n_features)
        How many rows to draw; or rows whose missing cells are filled by draws.
    batch_size : int, default=100_000
        Rows of a batch; the last one may have fewer. Other sizes give other draws.
    random_state : int, RandomState instance or None, default=None
        Source of randomness. Batch ``i`` draws with child ``i`` of a
        :class:`numpy.random.SeedSequence`; None takes another one for each object.
    **params : dict
        Further parameters of ``sample_from`` or ``impute``, such as conditions; not tables of them
        with a row for each row to draw, which are rows with gaps.

    Raises
    ------
    ValueError
        If a number is not positive, or, in drawing, a parameter has entries for single rows.
    TypeError
        If gaps are to be filled by a model that cannot.

    See Also
    --------
    sample_from : Draw all rows at once.

    Notes
    -----
    Scores need no helper: they are deterministic by row, so any split of the rows gives the same.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import DrawnBatches, RiemannianKernelSmoother
    >>> X = np.random.RandomState(0).normal(size=(50, 2))
    >>> model = RiemannianKernelSmoother(random_state=0).fit(X)
    >>> batches = DrawnBatches(model, 250, batch_size=100, random_state=0)
    >>> [len(batch) for batch in batches]
    [100, 100, 50]
    >>> bool((batches[2] == batches[-1]).all())
    True
    """

    def __init__(
        self,
        model: Any,
        rows: Any,
        *,
        batch_size: int = 100_000,
        random_state: Seed = None,
        **params: Any,
    ):
        check_count(batch_size, "batch_size")
        if isinstance(rows, Integral):
            check_count(rows, "rows")
        elif not (hasattr(model, "impute") or hasattr(model, "sample_imputations")):
            raise TypeError(
                f"{type(model).__name__} cannot fill gaps: give a number of rows to draw, or a "
                "model with 'impute', such as DiffusionManifoldSampler."
            )
        self.model = model
        self.rows = rows
        self.batch_size = batch_size
        self.params = params
        if isinstance(random_state, np.random.RandomState):
            random_state = random_state.randint(2**32, size=4, dtype=np.uint32)
        self._entropy = np.random.SeedSequence(random_state).entropy

    def __len__(self) -> int:
        return -(-self._n_rows // self.batch_size)

    def __getitem__(self, position: Any) -> Any:
        i = range(len(self))[index(position)]
        # child i of `SeedSequence.spawn`, without those before it
        child = np.random.SeedSequence(self._entropy, spawn_key=(i,))
        rng = np.random.RandomState(child.generate_state(4))
        start = i * self.batch_size
        stop = min(start + self.batch_size, self._n_rows)
        if not isinstance(self.rows, Integral):
            return self._fill(take_rows(self.rows, slice(start, stop)), rng)
        return sample_from(self.model, stop - start, random_state=rng, **self.params)

    @property
    def _n_rows(self):
        return self.rows if isinstance(self.rows, Integral) else len(self.rows)

    def _fill(self, rows, rng):
        """Return rows without gaps, by `impute` or as a `DiffusionImputer` does."""
        if hasattr(self.model, "impute"):
            return self.model.impute(rows, strategy="draw", random_state=rng, **self.params)
        return self.model.sample_imputations(rows, 1, random_state=rng, **self.params)[0]
