"""`model_card`: what a fitted estimator is, as a page for those who are handed it."""

from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from numbers import Real
from operator import attrgetter
from platform import python_version
from typing import Any

from sklearn.utils.validation import check_is_fitted

from skdiffusion import __version__

HOMES = ("encoder", "model_.encoder", "sampler_.model_.encoder", "_encoder.table", "_encoder")
LIBRARIES = ("torch", "scikit-learn", "numpy")
LIMITS = """A fitted model holds rows, categories and quantiles of its table: guard it as the table.
Drawn rows are not anonymous by themselves: judge their privacy by a `fidelity_report`. Rare groups
are learned worse than others, and biases of the table are learned with it."""


def model_card(
    estimator: Any, *, X: Any = None, intended_use: str = "Not stated.", evaluation: Any = None
) -> str:
    """Describe a fitted estimator in Markdown, without any cell of its table.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator of this package.
    X : array-like or data frame of shape (n, n_features) or None, default=None
        The table of `fit`, for its number of rows.
    intended_use : str, default="Not stated."
        What the model is for, and what not.
    evaluation : FidelityReport, dict or None, default=None
        What was measured, of which numbers and grades are shown.

    Returns
    -------
    card : str
        Kind, data, parameters, what was fitted, evaluation, limits and versions.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdiffusion import RiemannianKernelSmoother, model_card
    >>> X = load_iris().data
    >>> smoother = RiemannianKernelSmoother(bandwidth=0.2, random_state=0).fit(X)
    >>> print(model_card(smoother, X=X).splitlines()[0])
    # Model card of RiemannianKernelSmoother
    """
    check_is_fitted(estimator)
    fitted = {key: value for key, value in vars(estimator).items() if key[-1] == "_" != key[0]}
    if losses := list(getattr(estimator, "history_", [])):
        last = {key: value for key, value in losses[-1].items() if key.endswith("_loss")}
        fitted |= {"epochs": len(losses), **last}
    libraries = [f"- {name}: {version(name)}" for name in LIBRARIES]
    # a file does not tell its length
    rows = f"{len(X):,} rows, " if hasattr(X, "shape") or isinstance(X, list) else ""
    parts = {
        "Data": [f"{rows}{estimator.n_features_in_} columns.\n", *_columns(estimator)],
        "Parameters": [f"```python\n{estimator!r}\n```"],
        "Fitted": _numbers(fitted),
        "Evaluation": [*_numbers(evaluation or {}), *_numbers(getattr(evaluation, "grades", {}))],
        "Intended use": [intended_use],
        "Limits": [LIMITS],
        "Versions": [f"- skdiffusion: {__version__}", f"- Python: {python_version()}", *libraries],
    }
    pages = ["\n".join([f"## {title}\n", *lines]) for title, lines in parts.items() if lines]
    what = (type(estimator).__doc__ or "").strip().splitlines()[0]
    return "\n\n".join([f"# Model card of {type(estimator).__name__}", what, *pages]) + "\n"


def _columns(estimator: Any) -> Iterator[str]:
    """Yield a table of the columns, and of their kinds as far as an encoder knows."""
    n, holder = estimator.n_features_in_, getattr(estimator, "models_", [estimator])[0]
    names = getattr(estimator, "feature_names_in_", [f"x{j}" for j in range(n)])
    kinds = getattr(estimator, "kinds_", ["number"] * n)
    for home in HOMES:
        with suppress(AttributeError):
            kinds = attrgetter(f"{home}.kinds_")(holder)
    yield "| column | kind |\n| --- | --- |"
    for name, kind in zip(names, kinds, strict=True):
        yield "| {} | {} |".format(str(name).replace("|", "\\|"), kind)


def _numbers(found: Any) -> list[str]:
    """Return the numbers and words among what was found, a line each."""
    shown = {key: x for key, x in found.items() if isinstance(x, Real | str)}
    return [f"- {key}: {x if isinstance(x, str) else format(x, '.5g')}" for key, x in shown.items()]
