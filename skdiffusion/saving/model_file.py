"""Estimators in files of safetensors: arrays, and a tree of JSON, which is an array of bytes too.

The header, which may have 100 MB at most and so holds no tree, tells the format, the versions of
libraries, and the SHA-256 of the file with zeros in its place.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import skdiffusion
from skdiffusion._utils.checks import needs
from skdiffusion._utils.whole_file import whole_file
from skdiffusion.saving.known_names import find
from skdiffusion.saving.object_graph import Reader, Writer

#: Files have this format; all up to it can be read.
FORMAT = 1
BLANK = b"0" * 64
BEGINNING = b'{"__metadata__":{"skdiffusion":'
OTHERS = {
    (
        b"\x80\2",
        b"\x80\3",
        b"\x80\4",
        b"\x80\5",
    ): "it seems to be a pickle, which runs code where it is loaded: if you trust it, load "
    "it with pickle or joblib and save what it holds by skdiffusion.save",
    b"PK\x03\x04": "it is an archive, such as torch.save and skops write: load it with these",
    b"skdiffusion model": "it is a model of an earlier command line: fit it again",
}


def save(estimator: Any, path: str | os.PathLike) -> None:
    """Write an estimator, fitted or not, to a file that holds no code.

    Parameters
    ----------
    estimator : object
        One of skdiffusion or scikit-learn, also a pipeline or a search of them. Classes and
        functions of your own have to be those of a module.
    path : str or path-like
        The file. One that is there is replaced once all is written, or stays as it is.

    Raises
    ------
    TypeError
        If the estimator holds what cannot be saved, such as a lambda.

    Warns
    -----
    UserWarning
        If `load` has to be told to trust a class or function, as it is not known: one of your own,
        and of scikit-learn some internal ones, such as those of histograms of gradient boosting.

    See Also
    --------
    load : The way back.

    Examples
    --------
    >>> import os, tempfile
    >>> import skdiffusion
    >>> encoder = skdiffusion.TableEncoder().fit([[1.0, 2.0], [3.0, 5.0], [4.0, 1.0]])
    >>> path = os.path.join(tempfile.mkdtemp(), "encoder.skd")
    >>> skdiffusion.save(encoder, path)
    >>> skdiffusion.load(path)
    TableEncoder()
    """
    with needs("save", "Saving needs safetensors"):
        import safetensors.numpy
    writer = Writer()
    tree = {"root": writer.refer(estimator), "nodes": writer.nodes}
    names = {node[1] for node in writer.nodes if node[0] == "name"}
    if unknown := sorted(name.rpartition(":")[2] for name in names if find(name) is None):
        own = ", ".join(unknown)
        warnings.warn(f"{path} can be loaded by load(path, trusted=[{own}]) alone.", stacklevel=2)
    text = np.frombuffer(json.dumps(tree, allow_nan=False).encode(), np.uint8)
    versions = {"skdiffusion": skdiffusion.__version__}
    versions |= {name: version(name) for name in ("scikit-learn", "torch", "numpy")}
    about = json.dumps({"format": FORMAT, "versions": versions, "sha256": BLANK.decode()})
    data = safetensors.numpy.save(writer.arrays | {"tree": text}, {"skdiffusion": about})
    digest = hashlib.sha256(data).hexdigest().encode()
    start, _, end = data.partition(BLANK)
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.writelines([start, digest, end])


def load(path: str | os.PathLike, *, trusted: Sequence[Any] = ()) -> Any:
    """Read an estimator that :func:`save` has written, without running code of the file.

    Parameters
    ----------
    path : str or path-like
        The file.
    trusted : sequence of classes and functions, default=()
        What the file may name besides classes of skdiffusion, and those of scikit-learn, PyTorch,
        skorch, NumPy, SciPy and pandas that estimators consist of.

    Returns
    -------
    estimator : object
        The estimator, which gives the numbers of the one that was saved. It warns where the file
        is of another version of skdiffusion, or has objects of another version of scikit-learn.

    Raises
    ------
    ValueError
        If the file was not written by `save` or by that of a later version, was changed since, or
        names what is not trusted.

    Examples
    --------
    >>> import skdiffusion
    >>> skdiffusion.load(".")
    Traceback (most recent call last):
    ValueError: . is a folder: give the file that skdiffusion.save has written.
    """
    with needs("save", "Loading needs safetensors"):
        import safetensors.numpy
    if Path(path).is_dir():
        raise ValueError(f"{path} is a folder: give the file that skdiffusion.save has written.")
    data = Path(path).read_bytes()
    versions = _checked_versions(path, data)
    arrays = safetensors.numpy.load(data)
    written = f"{path} was written by {' '.join(f'{k} {v},' for k, v in versions.items())}"
    try:
        tree = json.loads(arrays.pop("tree").tobytes())
        estimator = Reader(tree["nodes"], arrays, trusted).build(tree["root"])
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(f"{written} and cannot be loaded: {error}.") from error
    if versions["skdiffusion"] != skdiffusion.__version__:
        words = f"{written} and this is skdiffusion {skdiffusion.__version__}: numbers may differ."
        warnings.warn(words, stacklevel=2)
    return estimator


def is_saved(path):
    """Return whether a file begins as those of `save`, or of others that `load` tells apart."""
    with Path(path).open("rb") as file:
        start = file.read(99)
    return start[8:].startswith(BEGINNING) or any(map(start.startswith, OTHERS))


def _checked_versions(path, data):
    """Return the versions that wrote a file, or raise where it is not as `save` has written it."""
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        about = json.loads(header["__metadata__"]["skdiffusion"])
        form, versions, digest = about["format"], about["versions"], about["sha256"].encode()
        is_later, start = form > FORMAT, data.index(digest)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        kinds = [words for first, words in OTHERS.items() if data.startswith(first)]
        kind = (*kinds, "its header cannot be read: save the estimator again")[0]
        raise ValueError(f"{path} is no file of skdiffusion.save, or not whole: {kind}.") from error
    if is_later:
        raise ValueError(
            f"{path} has format {form}, and this version of skdiffusion reads up to {FORMAT}: it "
            f"takes at least skdiffusion {versions.get('skdiffusion')}."
        )
    found = hashlib.sha256(data[:start] + BLANK)
    found.update(memoryview(data)[start + 64 :])
    if found.hexdigest().encode() != digest:
        raise ValueError(f"{path} was changed or cut short since it was written: save it again.")
    return versions
