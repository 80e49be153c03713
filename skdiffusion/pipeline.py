"""Samples from a fitted :class:`~sklearn.pipeline.Pipeline`, in the units of its input."""

import inspect
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

__all__ = ["sample_from"]


def sample_from(
    pipeline: Any, n_samples: int = 1, *, return_y: bool = False, **sample_params: Any
) -> Any:
    """Draw samples from a pipeline that ends in a sampler.

    A :class:`~sklearn.pipeline.Pipeline` has no ``sample`` method. This function draws from the
    last step and takes the rows back through ``inverse_transform`` of the earlier steps, last
    one first, so that they come out in the units of the pipeline's input. Steps that are
    ``"passthrough"`` or ``None`` are skipped.

    Parameters
    ----------
    pipeline : Pipeline or estimator
        A fitted pipeline whose last step has a ``sample`` method, such as
        :class:`~skdiffusion.DiffusionManifoldSampler`,
        :class:`~sklearn.neighbors.KernelDensity` or
        :class:`~sklearn.mixture.GaussianMixture`; or a fitted estimator of that kind alone.
    n_samples : int, default=1
        How many rows to draw.
    return_y : bool, default=False
        Whether to return what the sampler draws beside the rows: the target for
        :class:`~skdiffusion.DiffusionManifoldSampler`, the mixture component for
        :class:`~sklearn.mixture.GaussianMixture`.
    **sample_params : dict
        Further parameters of the last step's ``sample``, for example ``random_state``.

    Returns
    -------
    X : array or frame of shape (n_samples, n_features)
        Rows in the space of the pipeline's input, in the container that the first step's
        ``inverse_transform`` returns. Most transformers return an array;
        ``pipeline.feature_names_in_`` holds the names of its columns.
    y : array of shape (n_samples,)
        What was drawn beside the rows; only with ``return_y=True``.

    Raises
    ------
    TypeError
        If the last step has no ``sample``, if an earlier step cannot be inverted, or if
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
    steps = pipeline.steps if isinstance(pipeline, Pipeline) else [("sampler", pipeline)]
    name, sampler = steps[-1]
    inverses = [_inverse(*step) for step in reversed(steps[:-1]) if not _is_skipped(step[1])]
    rows, drawn_beside = _draw(name, sampler, n_samples, return_y, sample_params)
    for inverse in inverses:
        rows = inverse(rows)
    return (rows, drawn_beside) if return_y else rows


def _is_skipped(step: Any) -> bool:
    return step is None or (isinstance(step, str) and step == "passthrough")


def _inverse(name: str, step: Any) -> Any:
    # Without inverse_func a FunctionTransformer hands its input back unchanged: rows would
    # silently come out in the wrong units.
    forgets = (
        isinstance(step, FunctionTransformer)
        and step.func is not None
        and step.inverse_func is None
    )
    if forgets or not hasattr(step, "inverse_transform"):
        missing = "inverse_func" if forgets else "inverse_transform"
        raise TypeError(
            f"Step {name!r} ({type(step).__name__}) has no {missing}, so samples cannot be taken "
            "back to the pipeline's input. Use an invertible transformer, or draw in the last "
            "step's own space with pipeline[-1].sample(...)."
        )
    return step.inverse_transform


def _draw(name: str, sampler: Any, n_samples: int, return_y: bool, params: dict[str, Any]) -> Any:
    if isinstance(sampler, Pipeline):
        drawn = sample_from(sampler, n_samples, return_y=return_y, **params)
    elif not hasattr(sampler, "sample"):
        raise TypeError(
            f"The last step {name!r} ({type(sampler).__name__}) has no method 'sample'. "
            "End the pipeline in a sampler such as DiffusionManifoldSampler or KernelDensity."
        )
    else:
        if return_y and "return_y" in inspect.signature(sampler.sample).parameters:
            params = {**params, "return_y": True}
        drawn = sampler.sample(n_samples, **params)
    if isinstance(drawn, tuple):
        return drawn
    if return_y:
        raise TypeError(
            f"return_y=True, but {type(sampler).__name__}.sample returns rows alone; "
            "leave return_y at False."
        )
    return drawn, None
