"""`DiffusionAnomalyDetector`: which rows are unlike the others, why, and how surely."""

from numbers import Real
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, TransformerMixin
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.validation import check_is_fitted

from skdiffusion._utils.checks import Interval, Options, StrOptions, check_count
from skdiffusion._utils.fitting import all_or_nothing
from skdiffusion.detection.anomaly_model import METHODS, AnomalyModel, AnomalyOptions
from skdiffusion.detection.conformal import benjamini_hochberg, conformal_pvalues
from skdiffusion.detection.row_encoder import GapFiller, RowEncoder, find_marked
from skdiffusion.tables.frames import TableInput, validate_table
from skdiffusion.training.net import DenoiserNet

HYBRID = ("neighbors", "kernel", "denoise")
# a network learns a group of anomalies as well as it learns anything
ROBUST_HYBRID = ("neighbors", "kernel")
# of held-out normal rows, where nothing is known of the anomalies
AUTO_ALARMS = 0.05
# apart, as an interval of contamination has to begin above zero
NONE = Options(Real, {0})
ROUNDING = 1e-9


class DiffusionAnomalyDetector(TableInput, TransformerMixin, OutlierMixin, BaseEstimator):
    r"""Score rows by how unlike they are to the rows seen in `fit`.

    The default adds up three scores: the distance to the nearest neighbour, the density of narrow
    kernels, and how much a network trained to denoise normal rows would change the row. Each is
    the logarithm of its rank among the scores that training rows get without themselves.

    Parameters
    ----------
    method : str or sequence of str, default="hybrid"
        What to score rows by. A sequence adds up its members; "hybrid" is ``("neighbors", "kernel",
        "denoise")``, and without the network for contaminated training rows.

        ===========  ==========================================================================
        "neighbors"  distance to the nearest row; for contaminated training rows to a tenth of them
        "kernel"     log-density under kernels shaped by 50 neighbours each; for contaminated
                     training rows under a Gaussian of the most compact half
        "denoise"    error of one denoising step, at two noise levels
        ===========  ==========================================================================

    contamination : "auto", 0 or float in (0, 0.5], default="auto"
        The share of anomalies among the training rows.

        - "auto": none are expected, and one in twenty normal rows will be reported.
        - 0: none, and no row more normal than the least normal training row is reported.
        - a share: some, and that share of the training rows is reported. The methods change to
          ones that withstand them: more neighbours, larger noise levels, a robust Gaussian, and
          training that leaves out the rows with the largest errors.

    denoiser : DenoiserNet or None, default=None
        Unfitted net of "denoise" with all training options. None is
        :func:`~skdiffusion.training.judging_net`.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Which columns are categories, as in :class:`~skdiffusion.TableEncoder`.
    verbose : int, default=0
        1 shows progress bars.
    random_state : int, RandomState instance or None, default=None
        Source of randomness of `fit`.

    Attributes
    ----------
    offset_ : float
        Rows with `score_samples` below it are reported as anomalies.
    training_scores_ : ndarray of shape (n,)
        Scores of the training rows, each found without itself.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns, where they all have one.

    See Also
    --------
    RiemannianKernelSmoother : Densities for their own sake.

    Notes
    -----
    Within a tenth of the distance from a training row to the nearest other one, scores pass over
    to that of `training_scores_`, so ``fit_predict(X)`` and ``fit(X).predict(X)`` agree where rows
    are distinct. In a table with more than 1 % of copies they do not pass over.

    Missing cells are filled by their mean given the others, and so speak neither for nor against a
    row. A category that `fit` has not seen counts as rarer than the rarest.

    References
    ----------
    Livernoche, V., Jain, V., Hezaveh, Y., Ravanbakhsh, S. (2024). On diffusion modeling for anomaly
    detection. arXiv:2305.18593.

    Bates, S., Candes, E., Lei, L., Romano, Y., Sesia, M. (2023). Testing for outliers with
    conformal p-values. Annals of Statistics 51. arXiv:2104.08279.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import DiffusionAnomalyDetector
    >>> rng = np.random.RandomState(0)
    >>> X = rng.normal(size=(200, 1)) @ np.ones((1, 3)) + 0.1 * rng.normal(size=(200, 3))
    >>> detector = DiffusionAnomalyDetector(method=("neighbors", "kernel"), random_state=0).fit(X)
    >>> detector.predict(np.array([[1.0, 1.0, 1.0], [1.0, 1.0, -1.0]]))
    array([ 1, -1])
    >>> int(detector.explain(np.array([[1.0, 1.0, -1.0]])).contributions.argmax())
    2
    """

    _parameter_constraints: ClassVar[dict] = {
        "method": [StrOptions({"hybrid", *METHODS}), list, tuple],
        "contamination": [StrOptions({"auto"}), NONE, Interval(Real, 0, 0.5, closed="right")],
        "denoiser": [DenoiserNet, None],
    }

    def __init__(
        self,
        *,
        method="hybrid",
        contamination="auto",
        denoiser=None,
        categorical_features="from_dtype",
        verbose=0,
        random_state=None,
    ):
        self.method = method
        self.contamination = contamination
        self.denoiser = denoiser
        self.categorical_features = categorical_features
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learn what normal rows are like.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Training rows, of which cells may be missing.
        y : array-like of shape (n,) or None, default=None
            Labels, of which -1 marks known anomalies. The methods weigh the more the better they
            tell them from the others.

        Returns
        -------
        self : DiffusionAnomalyDetector
            The fitted estimator. A fit that fails or is interrupted leaves it unfitted.

        Raises
        ------
        ValueError
            If a parameter is out of range, cells are infinite, a column has no cell, or fewer than
            two rows are not marked as anomalies.
        TypeError
            If a column holds cells that cannot be encoded.
        """
        with all_or_nothing(self):
            self._validate_params()
            rng = check_random_state(self.random_state)
            X = validate_table(self, X, reset=True, allow_missing=True)
            marked = find_marked(X, y)
            self._encoder = RowEncoder(X, self.categorical_features)
            Z = self._encoder.encode(X)
            if len(Z) - marked.sum() < 2:
                raise ValueError(
                    f"Normal rows cannot be learned from n_samples={len(Z) - marked.sum()}: give "
                    "at least 2 that are not marked as anomalies."
                )
            self._filler = GapFiller(Z[~marked])
            Z, groups = self._filler(Z), self._encoder.groups
            options = AnomalyOptions(
                self._methods(), self._share, self.denoiser, self.verbose, groups
            )
            self._settle(AnomalyModel(Z[~marked], Z[marked], options, rng), Z, marked)
        return self

    def partial_fit(self, X, y=None):
        """Learn from more rows, in the scale of the first ones. Networks train on with all rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            More training rows.
        y : array-like of shape (n,) or None, default=None
            Labels, as in `fit`.

        Returns
        -------
        self : DiffusionAnomalyDetector
            The estimator. If this fails it is as it was before.
        """
        if not hasattr(self, "offset_"):
            return self.fit(X, y)
        Z = self._filled(X)
        marked = find_marked(X, y)
        rng = check_random_state(self.random_state)
        model = self._model.extended(Z[~marked], Z[marked], rng)
        self._settle(model, np.concatenate([self._training, Z]), np.append(self._marked, marked))
        return self

    def fit_predict(self, X, y=None):
        """Fit, and tell the anomalies among the training rows, each judged without itself.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Training rows.
        y : array-like of shape (n,) or None, default=None
            Labels, as in `fit`.

        Returns
        -------
        labels : ndarray of int of shape (n,)
            -1 for anomalies, 1 for the others.
        """
        self.fit(X, y)
        return np.where(self.training_scores_ < self.offset_, -1, 1)

    def score_samples(self, X):
        """Score rows; the more normal the higher.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n,)
            Minus the sum over methods, in nats, of minus the log of the share of held-out rows
            that score as high, and a fifth of a robust z-score.
        """
        Z = self._filled(X)
        return -self._model.score(Z)

    def decision_function(self, X):
        """Score rows; negative for anomalies.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        decision : ndarray of shape (n,)
            ``score_samples(X) - offset_``.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Tell anomalies from normal rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        labels : ndarray of int of shape (n,)
            -1 for anomalies, 1 for the others.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def predict_pvalue(self, X):
        """Return conformal p-values: how often a normal row is at least as anomalous.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        pvalues : ndarray of shape (n,)
            For a normal row ``P(p <= a)`` is about `a`; none is below ``1 / (n_train + 1)``.

        Notes
        -----
        With networks, a row is scored by each of them and ranked among the training rows that it
        has not seen (:func:`~skdiffusion.detection.conformal_pvalues` with `fold`). With anomalies
        among the training rows, p-values are too large by up to the contamination.
        """
        Z = self._filled(X)
        scores = self._model.fold_scores(Z)
        return conformal_pvalues(self._model.held_out, scores, fold=self._model.fold)

    def select(self, X, *, fdr=0.1):
        """Pick out anomalies so that few of those picked are normal.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows; which are picked depends on all of them.
        fdr : float, default=0.1
            False-discovery rate: the expected share of normal rows among those picked.

        Returns
        -------
        picked : ndarray of bool of shape (n,)
            By :func:`~skdiffusion.detection.benjamini_hochberg` on `predict_pvalue`.
        """
        return benjamini_hochberg(self.predict_pvalue(X), fdr)

    def explain(self, X):
        """Say which cells make rows anomalous, and what they should have been.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        explanation : Bunch
            - contributions : ndarray or data frame of shape (n, n_features). How improbable each
              cell is given the others, in nats; zero for missing cells.
            - expected : ndarray or data frame of shape (n, n_features). The mean of each cell given
              the others, rounded as the cells of `fit`, or its nearest category.

        Notes
        -----
        Both come from the kernels, with noise of 0.05 standard deviations on the other cells. If
        two cells contradict each other, both are improbable.
        """
        Z = self._encoded(X)
        kernels, groups = self._model.kernels, self._encoder.groups
        surprise, expected = kernels.explain(self._filler(Z), groups, np.isnan(Z))
        return Bunch(
            contributions=self._encoder.table._format.assemble_floats(surprise),
            expected=self._encoder.decode(expected),
        )

    def transform(self, X):
        """Return the profile of rows: each method's score at each noise level.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        profile : ndarray of shape (n, n_columns)
            Larger for more anomalous rows.
        """
        Z = self._filled(X)
        return self._model.profile(Z)

    def get_feature_names_out(self, input_features=None):
        """Name the columns of the profile.

        Parameters
        ----------
        input_features : object, default=None
            Ignored.

        Returns
        -------
        names : ndarray of str
            The method and its noise level.
        """
        check_is_fitted(self)
        names = [name for score in self._model.scores for name in score.names]
        return np.asarray(names, dtype=object)

    def sample(self, n_samples=1, *, random_state=None):
        """Draw normal rows, from the kernels.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Source of randomness.

        Returns
        -------
        X : ndarray or data frame of shape (n_samples, n_features)
            Rows, in the container and with the data types of `fit`.
        """
        check_is_fitted(self)
        check_count(n_samples, "n_samples")
        rng = check_random_state(random_state)
        return self._encoder.decode(self._model.kernels.sample(n_samples, rng))

    def _methods(self):
        """Return the names of the methods in use."""
        if isinstance(self.method, str):
            hybrid = ROBUST_HYBRID if self._share else HYBRID
            return hybrid if self.method == "hybrid" else (self.method,)
        if not self.method or not set(self.method) <= set(METHODS):
            raise ValueError(
                f"method must be 'hybrid', one of {METHODS} or a sequence of them, "
                f"got {self.method!r}."
            )
        return tuple(self.method)

    @property
    def _share(self):
        """The expected share of anomalies among the training rows."""
        return 0.0 if self.contamination == "auto" else float(self.contamination)

    def _settle(self, model, Z, marked):
        """Keep a model, the scores of the training rows and the threshold."""
        self._model, self._training, self._marked = model, Z, marked
        self.training_scores_ = np.empty(len(Z))
        self.training_scores_[~marked] = -model.held_out
        if marked.any():
            self.training_scores_[marked] = -model.score(Z[marked])
        share = AUTO_ALARMS if self.contamination == "auto" else self._share
        # copies of training rows are tied with them up to rounding, which must not decide
        self.offset_ = float(np.quantile(-model.held_out, share)) - ROUNDING

    def _encoded(self, X):
        """Validate rows and encode them, with NaN for gaps."""
        check_is_fitted(self)
        return self._encoder.encode(validate_table(self, X, reset=False, allow_missing=True))

    def _filled(self, X):
        Z = self._encoded(X)
        return self._filler(Z)
