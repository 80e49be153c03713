"""A page about a fitted estimator, which tells no cell of its table."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from skdiffusion import (
    DenoiserNet,
    DiffusionAnomalyDetector,
    DiffusionImputer,
    DiffusionManifoldSampler,
    DiffusionOversampler,
    HierarchicalSampler,
    OperatorScoreMatching,
    RiemannianKernelSmoother,
    TableEncoder,
    model_card,
)
from skdiffusion.manifold import AutoencoderEmbedding, InvertibleEmbedding
from skdiffusion.metrics import GowerScaler

SAMPLER = DiffusionManifoldSampler(
    denoiser=DenoiserNet(max_epochs=2, steps_per_epoch=2), n_steps=4, baseline="gaussian"
)
RNG = np.random.RandomState(0)
NUMBERS = pd.DataFrame({"len|gth": 1e4 + RNG.normal(size=40), "width": 1e4 + RNG.normal(size=40)})
MIXED = NUMBERS.assign(town=np.where(np.arange(40) % 3, "Xanten", "Yverdon"))
Y = np.arange(40) >= 34

FITS = {
    "sampler": lambda: SAMPLER.fit(MIXED, Y),
    "smoother": lambda: RiemannianKernelSmoother(bandwidth=0.3).fit(MIXED),
    "detector": lambda: DiffusionAnomalyDetector(method="neighbors").fit(MIXED),
    "encoder": lambda: TableEncoder().fit(MIXED),
    "imputer": lambda: DiffusionImputer(sampler=SAMPLER, n_models=1).fit(MIXED),
    "oversampler": lambda: DiffusionOversampler(sampler=SAMPLER).fit(MIXED, Y),
    "operator": lambda: OperatorScoreMatching().fit(NUMBERS),
    "levels": lambda: HierarchicalSampler(levels=(1,), sampler=SAMPLER).fit(NUMBERS),
    "autoencoder": lambda: AutoencoderEmbedding(1, max_epochs=1).fit(NUMBERS),
    "embedding": lambda: InvertibleEmbedding(AutoencoderEmbedding(1, max_epochs=1)).fit(NUMBERS),
    "scaler": lambda: GowerScaler().fit(MIXED),
}


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_of_every_estimator(fit):
    estimator = fit()
    card = model_card(estimator, X=MIXED, intended_use="Tests alone.")
    assert card.startswith(f"# Model card of {type(estimator).__name__}\n")
    assert f"40 rows, {estimator.n_features_in_} columns." in card
    assert r"| len\|gth |" in card and "Tests alone." in card and "- torch: " in card
    # not one cell
    assert "Xanten" not in card and "Yverdon" not in card
    assert not re.search(r"\b(9999|1000\d)\b", card)


def test_kinds_and_training():
    card = model_card(FITS["sampler"]())
    assert "| town | category |" in card or "| town | categorical |" in card
    assert re.search(r"- epochs: 2\n- train_loss: \d", card) and "max_epochs=2" in card
    assert "rows, 3 columns" not in card


def test_what_was_measured():
    evaluation = {"c2st": 0.51234567, "columns": ["Xanten"]}
    card = model_card(FITS["encoder"](), evaluation=evaluation)
    assert "## Evaluation\n\n- c2st: 0.51235\n" in card and "Xanten" not in card
    assert "## Evaluation" not in model_card(FITS["encoder"]())


def test_an_unfitted_one_is_refused():
    with pytest.raises(NotFittedError):
        model_card(TableEncoder())
