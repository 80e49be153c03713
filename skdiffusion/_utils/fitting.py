"""All or nothing: a fit that fails leaves no trace."""

from contextlib import contextmanager

__all__ = ["all_or_nothing"]


@contextmanager
def all_or_nothing(estimator):
    """Remove an estimator's fitted attributes before a fit, and again if it fails."""
    parameters = set(estimator.get_params(deep=False))

    def forget():
        for name in set(vars(estimator)) - parameters:
            # the output container and the metadata requests are set by the user
            if not name.startswith(("_sklearn", "_metadata")):
                delattr(estimator, name)

    forget()
    try:
        yield
    except BaseException:
        forget()
        raise
