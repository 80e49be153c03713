"""`DiffusionAnomalyDetector`: which rows are unlike the others, why, and how surely."""

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.validation import check_is_fitted

from skdiffusion._utils.checks import (
    COUNT,
    Interval,
    Options,
    Seed,
    StrOptions,
    check_count,
    take_rows,
)
from skdiffusion._utils.fitting import all_or_nothing
from skdiffusion.augmentation.rows import stack
from skdiffusion.detection.anomaly_model import METHODS, AnomalyModel, AnomalyOptions
from skdiffusion.detection.anomaly_scores import KernelScore
from skdiffusion.detection.column_patterns import canonical_rows
from skdiffusion.detection.explanation import (
    contributions,
    explaining_model,
    marginal_surprise,
    repair,
)
from skdiffusion.detection.row_encoder import RowEncoder, find_marked
from skdiffusion.detection.verdicts import Verdicts
from skdiffusion.tables.frames import TableInput, read_table, validate_table

# apart, as an interval of contamination has to begin above zero
NONE = Options(Real, {0})


class DiffusionAnomalyDetector(TableInput, TransformerMixin, Verdicts, BaseEstimator):
    r"""Score rows by how unlike they are to the rows seen in `fit`.

    Answers in closed form are added up, each as the logarithm of its rank among those that training
    rows get without themselves. Numbers are looked at by their size and by their rank.

    Parameters
    ----------
    method : str or sequence of str, default="hybrid"
        What to score rows by. A sequence adds up its members; "hybrid" is all three.

        ===========  ==========================================================================
        "neighbors"  distance to the nearest row; for contaminated training rows to a tenth of them
        "patterns"   distance to the nearest row in up to 16 balanced halves of the columns, the
                     others at infinite noise; for contaminated training rows an isolation forest
        "kernel"     log-density under kernels shaped by 50 neighbours each; for contaminated
                     training rows under a Gaussian of the most compact half, in ranks
        ===========  ==========================================================================

    contamination : "auto", 0 or float in (0, 0.5], default="auto"
        The share of anomalies among the training rows.

        - "auto": none are expected, and one in twenty normal rows will be reported.
        - 0: none, and no row more normal than the least normal training row is reported.
        - a share: that share of the training rows is reported, by methods that withstand them.

    window : int or None, default=None
        How many of the latest rows `partial_fit` keeps, None for all.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Which columns are categories, as in :class:`~skdiffusion.TableEncoder`.
    random_state : int, RandomState instance or None, default=None
        Source of the draws that fill missing cells of training rows.

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

    Notes
    -----
    Neither the units nor the order of columns and rows make a difference. A row is compared to at
    most 8,000 training rows, 1,000 in each half of the columns, and 2,000 kernels.

    Close to a training row, scores pass over to that of `training_scores_`, so ``fit_predict(X)``
    and ``fit(X).predict(X)`` agree where rows are complete and less than 1 % are copies.

    A row with missing cells is scored and calibrated in its other columns alone. Where too few
    training rows are complete in them, others are filled by draws, and the share of filled cells
    counts in favour of the row. A category that `fit` has not seen counts as rarer than the rarest.
    The theory page on anomaly scores has formulas and references.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import DiffusionAnomalyDetector
    >>> rng = np.random.RandomState(0)
    >>> X = rng.normal(size=(200, 1)) @ np.ones((1, 3)) + 0.1 * rng.normal(size=(200, 3))
    >>> detector = DiffusionAnomalyDetector().fit(X)
    >>> detector.predict(np.array([[1.0, 1.0, 1.0], [1.0, 1.0, -1.0]]))
    array([ 1, -1])
    >>> int(detector.explain(np.array([[1.0, 1.0, -1.0]])).contributions.argmax())
    2
    """

    _parameter_constraints: ClassVar[dict] = {
        "method": [StrOptions({"hybrid", *METHODS}), list, tuple],
        "contamination": [StrOptions({"auto"}), NONE, Interval(Real, 0, 0.5, closed="right")],
        "window": [COUNT, None],
    }

    def __init__(
        self,
        *,
        method: Any = "hybrid",
        contamination: Any = "auto",
        window: int | None = None,
        categorical_features: Any = "from_dtype",
        random_state: Seed = None,
    ) -> None:
        self.method = method
        self.contamination = contamination
        self.window = window
        self.categorical_features = categorical_features
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn what normal rows are like.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Training rows, of which cells may be missing.
        y : array-like of shape (n,) or None, default=None
            Labels, of which -1 marks known anomalies, which are not learned.

        Returns
        -------
        self : DiffusionAnomalyDetector
            The fitted estimator. A fit that fails or is interrupted leaves it unfitted.

        Raises
        ------
        ValueError
            If a parameter is out of range, cells are infinite, or there is too little to learn.
        TypeError
            If a column holds cells that cannot be encoded.
        """
        with all_or_nothing(self):
            self._validate_params()
            X = validate_table(self, X, reset=True, allow_missing=True)
            self._learn(X, find_marked(X, y))
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn anew from all rows so far, or the latest `window`, as `fit` on them would.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            More training rows.
        y : array-like of shape (n,) or None, default=None
            Labels, as in `fit`.

        Returns
        -------
        self : DiffusionAnomalyDetector
            The estimator; as it was before if this fails.
        """
        if not hasattr(self, "offset_"):
            return self.fit(X, y)
        X = validate_table(self, X, reset=False, allow_missing=True)
        self._encoder.encode(X)  # what cannot be read is refused in its words
        marked = np.append(self._marked, find_marked(X, y))
        try:
            rows = stack(self._training, X)
        except Exception as error:  # each library of frames has its own
            raise TypeError(
                "These rows cannot be put below those of fit: give them in the same container, "
                "with the same data types."
            ) from error
        self._learn(rows, marked, self.window or 0)
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Score rows; the more normal the higher.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n,)
            The logarithm of the share of held-out rows that are as anomalous, and beyond all of
            them less a fifth of how much further out the row is, by the inverse hyperbolic sine of
            a robust z-score. Zero where all cells are missing.
        """
        Z = self._encoded(X)
        return -self._model.score(Z)

    def explain(self, X: Any) -> Any:
        """Say which cells make rows anomalous, and what they should have been.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        explanation : Bunch
            Arrays or data frames of shape (n, n_features), by cell.

            - contributions: how much it adds to the anomaly, in nats; zero where it is missing.
            - expected: its mean given the others, rounded as in `fit`, or its nearest category.
            - marginal: how improbable it is by itself, whatever the others, in nats.
        """
        Z = self._encoded(X)
        as_table = self._encoder.table._format.assemble_floats
        return Bunch(
            contributions=as_table(self._by_column(contributions(self._explaining, Z))),
            expected=self._encoder.decode(self._kernels.expect(Z[0], self._encoder.groups)),
            marginal=as_table(self._by_column(marginal_surprise(self._explaining, Z))),
        )

    def repair(self, X: Any) -> Any:
        """Return the nearest normal rows that differ in few cells.

        The cells that contribute most are replaced by those of the nearest training row.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        repaired : ndarray or data frame of shape (n, n_features)
            Rows of which `predict` reports none, in the container of `fit`.
        """
        Z, limit = self._encoded(X), -self.offset_
        Z, changed = repair(self._explaining, Z, lambda rows: self._model.score(rows) > limit)
        columns = read_table(validate_table(self, X, reset=False, allow_missing=True))
        changed = self._by_column(changed)
        cells = {j: (c.values, ~changed[:, j] & ~c.gaps) for j, c in enumerate(columns)}
        return self._encoder.decode(Z[0], settled=cells)

    def transform(self, X: Any) -> np.ndarray:
        """Return the profile of rows: the scores that are added up.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        profile : ndarray of shape (n, n_columns)
            Larger for more anomalous rows.
        """
        Z = self._encoded(X)
        return self._model.profile(Z)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the columns of the profile.

        Parameters
        ----------
        input_features : object, default=None
            Ignored.

        Returns
        -------
        names : ndarray of str
            The method, and the coordinates that it looks at.
        """
        check_is_fitted(self)
        return np.array([score.name for score in self._model.scores], dtype=object)

    def sample(self, n_samples: int = 1, *, random_state: Seed = None) -> Any:
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
        drawn = self._kernels.sample(n_samples, check_random_state(random_state))
        return self._encoder.decode(drawn)

    def _methods(self):
        if isinstance(self.method, str):
            return METHODS if self.method == "hybrid" else (self.method,)
        if not self.method or not set(self.method) <= set(METHODS):
            raise ValueError(
                f"method must be 'hybrid', one of {METHODS} or a sequence of them, "
                f"got {self.method!r}."
            )
        return tuple(self.method)

    def _learn(self, X, marked, n_latest=0):
        """Learn from the latest rows, or from all, and set the threshold."""
        # a copy, which the caller cannot change
        latest = np.arange(len(marked))[-n_latest:]
        X, marked = take_rows(X, latest), marked[latest]
        if (n_normal := len(marked) - marked.sum()) < 2:
            raise ValueError(
                f"Normal rows cannot be learned from n_samples={n_normal}: give at least 2 "
                "that are not marked as anomalies."
            )
        rng = check_random_state(self.random_state)
        encoder = RowEncoder(X, self.categorical_features)
        Z = encoder.encode(X)
        # in which order rows come must make no difference, not even by rounding
        order = canonical_rows(Z[0])
        sorted_Z = encoder.complete(Z[:, order], rng)
        kept = order[~marked[order]]
        normal, observed = sorted_Z[:, ~marked[order]], ~np.isnan(Z[0, kept])
        share = 0.0 if self.contamination == "auto" else self.contamination
        options = AnomalyOptions(self._methods(), share, encoder.groups, encoder.places)
        model = AnomalyModel(normal, observed, options)
        scores = np.empty(len(marked))
        scores[kept] = -model.held_out
        if marked.any():
            scores[marked] = -model.score(Z[:, marked])
        self._encoder, self._model, self._explaining = encoder, model, explaining_model(model)
        self._training, self._marked, self.training_scores_ = X, marked, scores
        self._calibrate(model.held_out[model.calibrating])

    def _encoded(self, X):
        """Validate rows and encode them, with NaN for gaps."""
        check_is_fitted(self)
        return self._encoder.encode(validate_table(self, X, reset=False, allow_missing=True))

    def _by_column(self, found):
        """Return what was found by column, with nothing for the last ones if they are empty."""
        return np.pad(found, ((0, 0), (0, self.n_features_in_ - found.shape[1])))

    @property
    def _kernels(self):
        """The kernels on normal rows, in linear coordinates."""
        return self._explaining.scores_of(KernelScore)[0].kernels
