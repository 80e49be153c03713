"""Trainings that go on where they were interrupted."""

import hashlib
import io
import json
import os
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from skorch.callbacks import Callback
from skorch.history import History

from skdiffusion._utils.whole_file import whole_file
from skdiffusion.training.batch_noise import generator_states, set_generator_states

# parameters that another fit may have and be the same training
MAY_DIFFER = ("callbacks", "device", "max_time", "random_state", "verbose")
N_KEPT = 2


class TrainingCheckpoint(Callback):
    """Saves a training after epochs, and resumes it in the next fit of the same rows.

    What is saved is all that training depends on: weights, their averages and the best of these,
    the optimiser, the learning rate, generators and losses. So on a CPU a training that was killed
    and resumed ends with the very weights of one that was not; a training that came to its end is
    not repeated. It is the same training where rows, parameters and seed are the same, for which
    the net, or the estimator around it, needs a `random_state`. Others start afresh, in files of
    their own, so that a search over parameters can share a folder.

    Parameters
    ----------
    dirname : str or Path
        The folder, made if need be. Remove it when the training is no longer needed.
    every : int, default=1
        Epochs between two checkpoints.

    Notes
    -----
    The last two checkpoints are kept. A file is complete or not there at all; one that was damaged
    since is passed over with a warning. Files hold no code. Other callbacks begin anew.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skdiffusion import DenoiserNet
    >>> from skdiffusion.training import TrainingCheckpoint
    >>> X = np.random.RandomState(0).normal(size=(64, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = TrainingCheckpoint(folder)
    ...     net = DenoiserNet(max_epochs=2, callbacks=[checkpoint], random_state=0).fit(X)
    """

    def __init__(self, dirname: str | os.PathLike, every: int = 1):
        self.dirname = dirname
        self.every = every

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Look for a checkpoint of the same training, and load it."""
        folder = Path(self.dirname)
        folder.mkdir(parents=True, exist_ok=True)
        self.name_, self.state_ = fingerprint(net, X, y), None
        own = sorted(folder.glob(f"{self.name_}-*.pt"), reverse=True)
        for path in own:
            self.state_ = self.state_ or read_checkpoint(path)
        if self.state_ is not None:
            set_state(net, self.state_)
        elif not (own or net.n_before_) and any(folder.glob("*.pt")):
            warnings.warn(
                f"The checkpoints in {folder} are of other rows, parameters or seeds: training "
                "starts afresh. Give a random_state for a training that can be resumed.",
                stacklevel=2,
            )

    def on_epoch_begin(self, net: Any, dataset_valid: Any = None, **kwargs: Any) -> None:
        """Draw from here on as the training that is resumed."""
        if self.state_ is None:
            return
        if dataset_valid is not None:
            set_generator_states(net, self.state_["before_fixed"])
            net.module_.eval()
            net.validation_noise(dataset_valid.X)
        set_generator_states(net, self.state_["now"])
        self.state_ = None

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Write a checkpoint, and remove those that are too old."""
        if len(net.history) % self.every:
            return
        state, folder = get_state(net), Path(self.dirname)
        if net.rank_ == 0:
            write_checkpoint(folder / f"{self.name_}-{len(net.history):06d}.pt", state)
            for path in sorted(folder.glob(f"{self.name_}-*.pt"))[:-N_KEPT]:
                path.unlink(missing_ok=True)


def fingerprint(net: Any, X: Any, y: Any) -> str:
    """Return the same word for the same rows, weights, initial network, seed and parameters."""
    params = {
        # functions and networks show an address
        name: getattr(value, "__qualname__", re.sub(" at 0x[0-9a-f]+", "", str(value)))
        for name, value in [*sorted(net.get_params(deep=False).items()), ("rows", net.fresh_rows_)]
        if not name.startswith(MAY_DIFFER)
    }
    # closed forms, and what is known of the columns, are part of the denoiser
    parts, setting = net.module_.state_dict(), net.setting_
    known = (params, [*parts], net.seed_, net.n_before_, net.n_processes_)
    digest = hashlib.sha256(repr(known).encode())
    for tensor in (X, y, setting.groups, setting.target, setting.given, *parts.values()):
        if tensor is not None:
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def get_state(net: Any) -> dict[str, Any]:
    """Return all that a training depends on."""
    callbacks = dict(net.callbacks_)
    return {
        "net": net.module_.net.state_dict(),
        "optimizer": net.optimizer_.state_dict(),
        "lr_scheduler": callbacks["lr_scheduler"].lr_scheduler_.state_dict(),
        "average": callbacks["average"].get_state(),
        "history": json.dumps(net.history.to_list(), default=lambda number: number.item()),
        "before_fixed": getattr(net, "before_fixed_", None),
        "now": generator_states(net),
    }


def set_state(net: Any, state: dict[str, Any]) -> None:
    """Go back to where a training was."""
    callbacks = dict(net.callbacks_)
    net.module_.net.load_state_dict(state["net"])
    net.optimizer_.load_state_dict(state["optimizer"])
    callbacks["lr_scheduler"].lr_scheduler_.load_state_dict(state["lr_scheduler"])
    callbacks["average"].set_state(state["average"])
    net.history_ = History(json.loads(state["history"]))


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a file whose first bytes are the digest of the others, under its name when complete."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    with whole_file(path) as partial:
        partial.write_bytes(hashlib.sha256(content).digest() + content)


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return what a file holds, or None, with a warning, if it is not what was written."""
    content = path.read_bytes()
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        warnings.warn(f"The checkpoint {path} is damaged and passed over.", stacklevel=2)
        return None
    return torch.load(io.BytesIO(content[32:]), map_location="cpu", weights_only=True)
