"""Estimators among the parameters of others, of which None is a default."""

from typing import Any, Self

from sklearn.base import clone


class Parts:
    """Mixin: the default of a parameter `name` that is None is the class attribute `_default_name`.

    So that parameters of a default can be set and searched too, as `denoiser__lr`.
    """

    def _part(self, name: str) -> Any:
        """Return an unfitted copy of the estimator that a parameter is, or its default."""
        part = getattr(self, name)
        return clone(getattr(self, f"_default_{name}") if part is None else part)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of parts as ``part__name``: if one is None, of its default."""
        own = self.get_params(deep=False)
        for name in {key.partition("__")[0] for key in params if "__" in key} & {*own}:
            part = params.get(name, own[name])
            if part is None and hasattr(self, f"_default_{name}"):
                params[name] = clone(getattr(self, f"_default_{name}"))
            elif not hasattr(part, "set_params"):
                raise ValueError(
                    f"{name} is {part!r}, without parameters: set {name} to an estimator first."
                )
        return super().set_params(**params)
