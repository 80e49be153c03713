"""skops reads the unfitted estimators; fitted ones hold tensors, which it cannot read yet."""

import pytest
from sklearn.base import clone

from tests.saving.saved_estimators import MAKERS

skops = pytest.importorskip("skops.io")

# what the guide asks to trust, besides the estimators themselves, and networks and solvers of one
TRUSTED = [
    "skdiffusion.nets.mlp.ResidualMLP",
    "skdiffusion.training.net.DenoiserNet",
    "skdiffusion.training.objective.DenoisingLoss",
    "skorch.dataset.Dataset",
    "torch.optim.adamw.AdamW",
    "torch.utils.data.dataloader.DataLoader",
]
CHOSEN = ("functools.partial", "solvers.ddim", "SGD", "KFold", "UNet")


@pytest.mark.parametrize("name", MAKERS)
def test_unfitted(name):
    if "polars" in name:
        pytest.importorskip("polars")
    # others may have fitted it
    estimator = clone(MAKERS[name]()[0])
    data = skops.dumps(estimator)
    own = {f"{type(part).__module__}.{type(part).__qualname__}" for part in parts(estimator)}
    unknown = set(skops.get_untrusted_types(data=data)) - set(TRUSTED) - own
    assert all(each.endswith(CHOSEN) for each in unknown)
    loaded = skops.loads(data, trusted=sorted({*TRUSTED, *own, *unknown}))
    assert repr(loaded) == repr(estimator)


def parts(estimator):
    """An estimator and those that are its parameters."""
    params = estimator.get_params(deep=True).values()
    return [estimator, *(value for value in params if hasattr(value, "get_params"))]
