"""The scikit-learn contract of the embeddings, without exceptions."""

from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, Isomap
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdiffusion.manifold import AutoencoderEmbedding, InvertibleEmbedding

ESTIMATORS = [
    AutoencoderEmbedding(max_epochs=1),
    InvertibleEmbedding(Isomap(n_components=1)),
    InvertibleEmbedding(TSNE(perplexity=2, max_iter=250, init="random")),
    InvertibleEmbedding(PCA(1), decoder="own"),
]


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda estimator: {})
def test_scikit_learn_contract(estimator, check):
    check(estimator)
