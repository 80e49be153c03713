"""All or nothing: a fit that fails leaves no trace."""

from contextlib import contextmanager
from threading import get_ident

# what users and scikit-learn have set: output containers, metadata requests, callbacks
KEPT = ("_sklearn", "_metadata", "_parent_callback", "_callback", "_skl")
# estimators and the threads that fit them
FITTING = {}


def say(estimator, step):
    """Print what an estimator is about to do, if it is verbose."""
    if estimator.verbose:
        print(f"[{type(estimator).__name__}] {step}", flush=True)


def speak_up(part, verbose):
    """Let an unfitted part be as verbose as the whole, if it knows how."""
    if part.get_params(deep=False).get("verbose", verbose) < verbose:
        part.set_params(verbose=verbose)
    return part


@contextmanager
def all_or_nothing(estimator):
    """Remove an estimator's fitted attributes before a fit, and again if it fails."""
    parameters, thread = set(estimator.get_params(deep=False)), get_ident()
    if FITTING.setdefault(id(estimator), thread) != thread:
        name = type(estimator).__name__
        raise RuntimeError(f"This {name} is being fitted by another thread: fit a clone of it.")

    def forget():
        for name in set(vars(estimator)) - parameters:
            if not name.startswith(KEPT):
                delattr(estimator, name)

    try:
        forget()
        yield
    except BaseException:
        forget()
        raise
    finally:
        FITTING.pop(id(estimator), None)
