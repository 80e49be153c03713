"""All or nothing: a fit that fails leaves no trace."""

from contextlib import contextmanager

__all__ = ["all_or_nothing"]


@contextmanager
def all_or_nothing(estimator):
    """Remove an estimator's fitted attributes before a fit, and again if it fails."""

    def forget():
        for name in [n for n in vars(estimator) if n.endswith("_") and not n.startswith("_")]:
            delattr(estimator, name)

    forget()
    try:
        yield
    except BaseException:
        forget()
        raise
