"""All or nothing: a fit that fails leaves no trace."""

from contextlib import contextmanager

# what users and scikit-learn have set: output containers, metadata requests, callbacks
KEPT = ("_sklearn", "_metadata", "_parent_callback", "_callback", "_skl")


@contextmanager
def all_or_nothing(estimator):
    """Remove an estimator's fitted attributes before a fit, and again if it fails."""
    parameters = set(estimator.get_params(deep=False))

    def forget():
        for name in set(vars(estimator)) - parameters:
            if not name.startswith(KEPT):
                delattr(estimator, name)

    forget()
    try:
        yield
    except BaseException:
        forget()
        raise
