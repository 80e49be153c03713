"""The scikit-learn contract of every public estimator."""

from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdiffusion import (
    DenoiserNet,
    DiffusionAnomalyDetector,
    DiffusionImputer,
    DiffusionManifoldSampler,
    HierarchicalSampler,
    OperatorScoreMatching,
    RiemannianKernelSmoother,
    TableEncoder,
)
from skdiffusion.nets import TableTransformer, UNet

TINY = DiffusionManifoldSampler(
    denoiser=DenoiserNet(max_epochs=1, steps_per_epoch=3, module__width=8, module__depth=1),
    baseline="gaussian",
    n_steps=4,
    n_likelihood_steps=2,
)

NETS = [
    {"module": TableTransformer, "module__width": 4, "module__depth": 1},
    {"module": UNet, "module__image_shape": (2, 2), "module__width": 4, "module__depth": 2},
]

ESTIMATORS = [
    TINY,
    *(
        clone(TINY).set_params(denoiser=DenoiserNet(max_epochs=1, steps_per_epoch=3, **net))
        for net in NETS
    ),
    HierarchicalSampler(levels=(1,), sampler=TINY),
    RiemannianKernelSmoother(metric="euclidean", bandwidth=0.5, background=None),
    OperatorScoreMatching(),
    DiffusionAnomalyDetector(),
    DiffusionAnomalyDetector(method=("neighbors", "kernel")),
    DiffusionAnomalyDetector(contamination=0.1),
    DiffusionImputer(sampler=TINY, n_models=1, n_draws=4),
    DiffusionImputer(sampler=TINY, n_models=2, strategy="draw"),
    TableEncoder(),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_contract(estimator, check):
    check(estimator)
