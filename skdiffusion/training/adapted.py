"""What skorch does in another way than a scikit-learn estimator, or this package, should."""

from typing import Any

import torch
from skorch import NeuralNet

from skdiffusion.training.callbacks import EarlyStop


class AdaptedNet(NeuralNet):
    """A skorch net with a device "auto", whose parameters stay as given."""

    def __sklearn_is_fitted__(self) -> bool:
        """As in skorch 1.3; before, what had been set counted as fitted."""
        return getattr(self, "initialized_", False)

    def notify(self, method_name: str, **kwargs: Any) -> None:
        """Call the callbacks; a KeyboardInterrupt of theirs after an epoch is an early stop."""
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt as error:
            if method_name != "on_epoch_end":
                raise
            raise EarlyStop from error

    def get_params(self, deep: bool = True, **kwargs: Any) -> dict[str, Any]:
        """Return the parameters, as :class:`skorch.NeuralNet` does but for its own records."""
        params = super().get_params(deep=deep, **kwargs)
        # among them a set, whose order in a repr would change from process to process
        params = {name: value for name, value in params.items() if not name.startswith("_")}
        # as it was given: skorch reads what "auto" stands for
        params["device"] = vars(self)["device"]
        return params

    def get_params_for_optimizer(self, *args: Any, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Return the optimiser's options; AdamW is fused unless told otherwise."""
        args, kwargs = super().get_params_for_optimizer(*args, **kwargs)
        if self.optimizer is torch.optim.AdamW:
            kwargs.setdefault("fused", True)
        return args, kwargs

    @property
    def device(self) -> str:
        """Where the net trains; "auto" is looked up, not replaced, as fit leaves parameters."""
        device = self.__dict__["device"]
        if device != "auto":
            return device
        return "cuda" if torch.cuda.is_available() else "cpu"

    @device.setter
    def device(self, value: str) -> None:
        self.__dict__["device"] = value

    def __setstate__(self, state: dict[str, Any]) -> None:
        # skorch moves the weights to the device by its name, of which "auto" is none
        asked = self.device = state["device"]
        super().__setstate__(state | {"device": self.device})
        self.device = asked

    def torch_compile(self, module: Any, name: str) -> Any:
        """Compile the network alone; closed forms gain nothing from it."""
        if self.compile and name == "module":
            module.net = super().torch_compile(module.net, name)
        return module
