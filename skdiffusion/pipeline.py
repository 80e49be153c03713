"""Samples from a fitted :class:`~sklearn.pipeline.Pipeline`, in the units of its input."""

import inspect
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import MetaEstimatorMixin
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectorMixin
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

__all__ = ["sample_from"]


def sample_from(
    pipeline, n_samples: int = 1, *, return_y=False, add_residuals=True, **sample_params: Any
) -> Any:
    """Draw samples from a pipeline that ends in a sampler, or from a search over such ones.

    Draws of the last step are taken back through the earlier ones: by ``sample_inverse``, as
    :class:`~skdiffusion.manifold.InvertibleEmbedding` has, or else ``inverse_transform``. A
    manifold learner that keeps its training rows but has no inverse, as Isomap, is given one by
    :meth:`InvertibleEmbedding.from_fitted
    <skdiffusion.manifold.InvertibleEmbedding.from_fitted>`, at every call; so is UMAP, whose own is
    slow and for two dimensions only. Imputers are the identity, but that their indicators are
    dropped and columns that they dropped come back empty. A search is its best estimator.

    Parameters
    ----------
    pipeline : Pipeline, search or estimator
        A fitted pipeline whose last step has a ``sample`` method, such as
        :class:`~skdiffusion.DiffusionManifoldSampler` or
        :class:`~sklearn.neighbors.KernelDensity`; or a fitted estimator of that kind alone.
    n_samples : int, default=1
        How many rows to draw.
    return_y : bool, default=False
        Whether to return the target that the sampler draws with the rows, or the mixture component
        for :class:`~sklearn.mixture.GaussianMixture`.
    add_residuals : bool, default=True
        Whether an embedding adds to a row what it leaves out of rows nearby, so that samples are as
        noisy as the data. False takes its mean rows, which lie closer together than the data do.
    **sample_params : dict
        Further parameters of the last step's ``sample``, for example ``random_state``, from which
        the earlier steps' randomness comes too. A mixture draws with its own.

    Returns
    -------
    X : array or frame of shape (n_samples, n_features)
        Rows in the space of the pipeline's input, in the container that the first step's
        ``inverse_transform`` returns: mostly an array.
    y : array of shape (n_samples,)
        What was drawn with the rows; only with ``return_y=True``.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the pipeline is not fitted.
    TypeError
        If the last step has no ``sample``, an earlier one drops columns or has no inverse, or
        ``return_y=True`` and the sampler draws rows alone.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.neighbors import KernelDensity
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdiffusion import sample_from
    >>> X, _ = load_iris(return_X_y=True)
    >>> pipeline = make_pipeline(PCA(n_components=2), KernelDensity(bandwidth=0.2)).fit(X)
    >>> sample_from(pipeline, 3, random_state=0).shape
    (3, 4)
    """
    steps = list(_flat([("sampler", pipeline)]))
    name, sampler = steps.pop()
    if not hasattr(sampler, "sample"):
        raise TypeError(
            f"The last step {name!r} ({type(sampler).__name__}) has no method 'sample'. "
            "End the pipeline in a sampler such as DiffusionManifoldSampler or KernelDensity, and "
            "fit a search with refit=True."
        )
    check_is_fitted(sampler)
    seed = sample_params.get("random_state")
    inverses = [
        _inverse(name, step, add_residuals, _seed_of(seed, position))
        for position, (name, step) in enumerate(steps)
        if step not in (None, "passthrough")
    ]
    known = inspect.signature(sampler.sample).parameters
    if "return_y" in known:
        sample_params["return_y"] = return_y
    if "random_state" not in known and hasattr(sampler, "random_state"):
        # a mixture draws with its own
        sample_params.pop("random_state", None)
    drawn = sampler.sample(n_samples, **sample_params)
    # a mixture returns the components whether wanted or not
    rows, y = drawn if isinstance(drawn, tuple) else (drawn, None)
    if return_y and y is None:
        raise TypeError(
            f"return_y=True, but {type(sampler).__name__}.sample returns rows alone; "
            "leave return_y at False."
        )
    for inverse in reversed(inverses):
        rows = inverse(rows)
    return (rows, y) if return_y else rows


def _flat(steps):
    """Yield the steps, and those of pipelines among them."""
    for name, step in steps:
        if isinstance(step, MetaEstimatorMixin) and hasattr(step, "refit"):
            # a search
            check_is_fitted(step)
            step = getattr(step, "best_estimator_", step)
        if isinstance(step, Pipeline):
            yield from _flat(step.steps)
        else:
            yield name, step


def _seed_of(seed, position):
    """Return the seed of a step, which is not that of the sampler: their draws must not agree."""
    if seed is None or isinstance(seed, np.random.RandomState):
        return seed
    return np.random.RandomState([int(seed), position])


def _refuse_lost_columns(name, step):
    """Raise if a selector dropped columns: its own inverse fills them with zeros."""
    lost = np.flatnonzero(~step.get_support())
    if len(lost):
        names = getattr(step, "feature_names_in_", None)
        shown = ", ".join(f"x{j}" if names is None else repr(names[j]) for j in lost[:5])
        raise TypeError(
            f"Step {name!r} ({type(step).__name__}) dropped columns ({shown}"
            f"{', ...' if len(lost) > 5 else ''}), which samples cannot be given back. Select "
            "columns before the pipeline, or leave the step out: samplers take constant columns."
        )


def _unfill(step, rows):
    """Return rows in the columns that an imputer was given: those that were empty are empty."""
    if not hasattr(step, "get_feature_names_out"):
        return rows
    n_inputs = step.n_features_in_
    names = list(getattr(step, "feature_names_in_", [f"x{j}" for j in range(n_inputs)]))
    # behind them are the indicators
    kept = [names.index(out) for out in step.get_feature_names_out() if out in names]
    rows = rows[rows.columns[: len(kept)]] if hasattr(rows, "columns") else rows[:, : len(kept)]
    if len(kept) == n_inputs:
        return rows
    whole = np.full((len(rows), n_inputs), np.nan, dtype=np.result_type(np.asarray(rows), float))
    whole[:, kept] = rows
    return whole


def _inverse(name, step, add_residuals, seed):
    """Return the way back through a step."""
    if hasattr(step, "add_indicator") or hasattr(step, "sample_imputations"):
        check_is_fitted(step)
        return partial(_unfill, step)
    if isinstance(step, SelectorMixin):
        _refuse_lost_columns(name, step)
    # without inverse_func a FunctionTransformer hands its input back unchanged: rows would
    # silently come out in the wrong units
    is_function = isinstance(step, FunctionTransformer)
    missing = "inverse_func" if is_function else "inverse_transform"
    try:
        if is_function and step.func is not None and step.inverse_func is None:
            raise TypeError("The inverse of a function is not known.")
        # KernelPCA has the method in any case, and only refuses when it is called; that of UMAP
        # needs two dimensions and seconds, and is farther off than local maps
        is_off = getattr(step, "fit_inverse_transform", True) is False or hasattr(step, "_raw_data")
        if is_off or not hasattr(step, "inverse_transform"):
            # imported here, as it loads the networks
            from skdiffusion.manifold import InvertibleEmbedding

            step = InvertibleEmbedding.from_fitted(step, random_state=0)
    except (TypeError, NotFittedError) as error:
        raise TypeError(
            f"Step {name!r} has no {missing}, so samples cannot be taken back to the pipeline's "
            "input. Use an invertible transformer, or InvertibleEmbedding around a manifold "
            "learner, or draw in the last step's own space with pipeline[-1].sample(...)."
        ) from error
    if add_residuals and hasattr(step, "sample_inverse"):
        return lambda rows: step.sample_inverse(rows, random_state=seed)
    return partial(_undo, name, step)


def _undo(name, step, rows):
    """Return rows from before a step, or say that there are none."""
    try:
        return step.inverse_transform(rows)
    except (ValueError, IndexError) as error:
        raise ValueError(
            f"Step {name!r} ({type(step).__name__}) has no rows for samples that differ from those "
            f"of fit ({error}). Leave it out: samplers take tables as they are."
        ) from error
