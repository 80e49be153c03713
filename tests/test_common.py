"""The scikit-learn contract of every public estimator, without exceptions."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from skdiffusion import (
    DenoiserNet,
    DiffusionManifoldSampler,
    OperatorScoreMatching,
    RiemannianKernelSmoother,
    TableEncoder,
)

ESTIMATORS = [
    DiffusionManifoldSampler(),
    DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=2), baseline="gaussian"),
    RiemannianKernelSmoother(),
    RiemannianKernelSmoother(metric="euclidean", bandwidth="scott", background=None),
    OperatorScoreMatching(),
    TableEncoder(),
]


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda estimator: {})
def test_scikit_learn_contract(estimator, check):
    check(estimator)
