"""Training by several processes, and in mixed precision."""

import atexit
from importlib import import_module
from typing import Any, Self

import torch
from skorch.hf import AccelerateMixin
from torch import Tensor

from skdiffusion._utils.checks import needs
from skdiffusion._utils.torch_seed import seed_torch
from skdiffusion.training.memory import step_in_parts
from skdiffusion.training.net import DenoiserNet


class DistributedDenoiserNet(AccelerateMixin, DenoiserNet):
    """A :class:`~skdiffusion.DenoiserNet` that several processes train together.

    Each of the processes, which ``accelerate launch script.py`` starts on GPUs and ``torchrun`` on
    CPUs too, fits the same rows. It trains on a share of them, in batches of `batch_size` rows of
    its own, and gradients are averaged at each step. Validation losses are averaged too, so that
    all processes stop at once and end with the same net. Started by itself it is a `DenoiserNet`,
    with mixed precision if that is asked for.

    Parameters
    ----------
    *args
        Those of :class:`~skdiffusion.DenoiserNet`.
    mixed_precision : {"no", "fp16", "bf16"} or None, default=None
        Numbers that the network computes with; None is what ``accelerate launch`` was told. It can
        be chosen once in a Python process.
    **kwargs
        Those of :class:`~skdiffusion.DenoiserNet`. With `steps_per_epoch` "auto" the processes go
        over the rows once between them.

    See Also
    --------
    skdiffusion.DenoiserNet : Its parameters and attributes.

    Notes
    -----
    An estimator with this net as `denoiser` has to be fitted in every process, with the same
    `random_state`. What `fresh_rows` returns belongs to the process that calls it. Where memory
    runs out, processes raise: they would have to halve their batches together.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.training import DistributedDenoiserNet
    >>> X = np.random.RandomState(0).normal(size=(64, 2))
    >>> net = DistributedDenoiserNet(max_epochs=2, random_state=0).fit(X)
    >>> net.n_processes_
    1
    """

    def __init__(self, *args: Any, mixed_precision: str | None = None, **kwargs: Any):
        self.mixed_precision = mixed_precision
        # not the mixin's, which has parameters of its own
        DenoiserNet.__init__(self, *args, **kwargs)

    # of the mixin, which are no parameters here
    _wrapped_with_accelerator, unwrap_after_train = False, True
    callbacks__print_log__sink = print
    optimizer_: Any

    @property
    def accelerator(self) -> Any:
        """The accelerator of the training that goes on, if any does."""
        return vars(self).get("accelerator_")

    def _train(self, *args: Any, **kwargs: Any) -> Self:
        """Train with an accelerator, which cannot be pickled and is not kept."""
        with needs("distributed", "DistributedDenoiserNet needs accelerate"):
            from accelerate import Accelerator
        if torch.distributed.is_available():
            # default arguments of what DDP imports would keep a group, and its threads, for ever
            import_module("torch.distributed.nn")
        # which makes the device of this process the default one
        self.accelerator_ = Accelerator(
            cpu=self.device == "cpu", mixed_precision=self.mixed_precision, device_placement=False
        )
        self.rank_ = self.accelerator_.process_index
        self.n_processes_ = self.accelerator_.num_processes
        atexit.unregister(leave_group)
        atexit.register(leave_group)
        self._wrapped_with_accelerator = False
        try:
            return super()._train(*args, **kwargs)
        finally:
            self._unwrap_accelerator()
            del self.accelerator_

    def _validate_params(self) -> None:
        # the mixin's refuses a device of ours
        DenoiserNet._validate_params(self)

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Wrap the network alone: closed forms have no gradients to average."""
        self.module_.net = self.accelerator.prepare(self.module_.net)
        self.optimizer_ = self.accelerator.prepare(self.optimizer_)
        self._wrapped_with_accelerator = True

    def _initialize_accelerator(self) -> None:
        """Wait for the training, as it may go on with a net that was trained before."""

    def _unwrap_accelerator(self) -> None:
        if self._wrapped_with_accelerator and self.initialized_:
            net = self.accelerator.unwrap_model(self.module_.net, keep_fp32_wrapper=False)
            self.module_.net, self.optimizer_ = net, self.optimizer_.optimizer
            dict(self.callbacks_)["lr_scheduler"].lr_scheduler_.optimizer = self.optimizer_
        self._wrapped_with_accelerator = False

    def gathered(self, value: Tensor) -> Tensor:
        """Return what each process has, one below the other."""
        return self.accelerator.gather(value.unsqueeze(0))

    def get_split_datasets(self, X: Tensor, y: Tensor | None = None, **fit_params: Any) -> Any:
        """Split as all processes do, take the share of this one, and noise of its own."""
        train, valid = super().get_split_datasets(X, y, **fit_params)
        share = slice(self.rank_, None, self.n_processes_)
        train = type(train)(train.X[share], None if train.y is None else train.y[share])
        if self.rank_:
            seed_torch(self.seed_ + self.rank_, self.device)
        return train, valid

    def run_single_epoch(self, iterator: Any, training: bool, **kwargs: Any) -> Any:
        """Run an epoch, whose losses are means over processes, so that these decide alike."""
        super().run_single_epoch(iterator, training, **kwargs)
        name = "train_loss" if training else "valid_loss"
        batches = [batch for batch in self.history[-1]["batches"] if name in batch]
        losses = torch.tensor([batch[name] for batch in batches], device=self.device)
        for batch, loss in zip(batches, self.gathered(losses).mean(0).tolist(), strict=True):
            batch[name] = loss

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Return the loss of a batch, whose gradients it adds, those of other processes too."""
        return step_in_parts(self, super().train_step_single, batch)

    def on_grad_computed(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Undo the scale of gradients of half precision before they are clipped."""
        self.accelerator.unscale_gradients()


def leave_group() -> None:
    """Leave the group of processes, as threads of it abort one that ends in it."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
