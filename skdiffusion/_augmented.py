"""`AugmentedEstimator`: train on real and synthetic rows, if that helps."""

from collections.abc import Hashable
from numbers import Integral, Real

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state, check_scalar, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from skdiffusion._sampler import DiffusionManifoldSampler
from skdiffusion._utils.checks import check_weights, params_of_rows
from skdiffusion._utils.fitting import all_or_nothing
from skdiffusion._utils.systematic import spread
from skdiffusion.augmentation.rows import jitter, read_target, regular, stack
from skdiffusion.augmentation.synthesis import fit_sampler, synthesize
from skdiffusion.tables.frames import take_rows, validate_table

AUTO_RATIOS = (0.0, 2.0, 4.0)


def _estimator_has(name):
    """Return a check of whether the estimator, fitted or not, has an attribute."""
    return lambda self: hasattr(getattr(self, "estimator_", self.estimator), name)


class AugmentedEstimator(MetaEstimatorMixin, BaseEstimator):
    """Classifier or regressor that is trained on real rows and synthetic ones.

    How many rows of a diffusion model the estimator is trained on, or none, is decided by
    cross-validation, with the model fitted inside each fold. None are used unless the best number
    beats none by `margin` standard errors, which know that the folds share training rows [1]_.

    Parameters
    ----------
    estimator : estimator
        Unfitted classifier or regressor, or a pipeline that ends in one.
    sampler : DiffusionManifoldSampler or None, default=None
        Unfitted model of the rows; None is ``DiffusionManifoldSampler()``. With
        ``sigma=None`` any estimator with ``fit(X, y)`` and
        ``sample(n_samples, y=, random_state=)`` will do.
    ratio : "auto", float or sequence of float, default="auto"
        Number of synthetic rows as a share of the real ones: one that is used, or several to
        choose from by cross-validation. "auto" is ``(0, 2, 4)``.
    sigma : float or None, default=None
        Noise level from which real rows are denoised, in standard deviations of a column; see
        :class:`DiffusionOversampler`. None draws fresh rows, which vary more.
    balance : bool, default=False
        Whether all classes get equally many synthetic rows, rather than in proportion to their
        real ones. Ignored by regressors.
    margin : float, default=2.0
        Standard errors by which synthetic rows have to beat none, if that is among the choices:
        with fewer more tables gain, and some lose.
    cv : int, cross-validation generator or iterable, default=5
        Folds to choose among several ratios by. A whole number is stratified for classifiers, and
        lowered to the size of the smallest class if that is larger than 1.
    scoring : str, callable or None, default=None
        What to choose by; None is the estimator's own `score`.
    random_state : int, RandomState instance or None, default=None
        Source of randomness of the synthetic rows.

    Attributes
    ----------
    estimator_ : estimator
        The estimator fitted on all rows.
    sampler_ : estimator or None
        The model fitted on all real rows; None if no synthetic rows are used.
    ratio_ : float
        The chosen ratio.
    cv_results_ : dict of ndarray
        For each ratio its scores in the folds, their mean, and how much better that is than
        ``ratio=0`` (with its corrected standard error [1]_); only where there is a choice.
    classes_ : ndarray of shape (n_classes,)
        The classes, of a classifier.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of str
        Names of the columns, where they all have one.

    See Also
    --------
    DiffusionOversampler : Adds rows of rare classes and rare targets.

    Notes
    -----
    Synthetic rows have the targets of real ones, which take turns; numeric targets move at random
    within the gaps to their neighbours. A larger ratio uses all synthetic rows of a smaller one.

    References
    ----------
    .. [1] Nadeau and Bengio, "Inference for the generalization error", Machine Learning 52, 2003,
       section 5.1.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdiffusion import AugmentedEstimator, DenoiserNet, DiffusionManifoldSampler
    >>> X, y = load_iris(return_X_y=True)
    >>> sampler = DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=2))
    >>> model = AugmentedEstimator(
    ...     LogisticRegression(max_iter=500), sampler=sampler, ratio=1.0, random_state=0
    ... )
    >>> bool(model.fit(X, y).score(X, y) > 0.9)
    True
    """

    def __init__(
        self,
        estimator,
        *,
        sampler=None,
        ratio="auto",
        sigma=None,
        balance=False,
        margin=2.0,
        cv=5,
        scoring=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.sampler = sampler
        self.ratio = ratio
        self.sigma = sigma
        self.balance = balance
        self.margin = margin
        self.cv = cv
        self.scoring = scoring
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags, tags.regressor_tags = inner.classifier_tags, inner.regressor_tags
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label = False
        tags.target_tags.required = True
        tags.input_tags.allow_nan = inner.input_tags.allow_nan
        tags.input_tags.string = inner.input_tags.string
        tags.input_tags.categorical = inner.input_tags.categorical
        return tags

    def fit(self, X, y, **params):
        """Choose the number of synthetic rows, and fit the estimator with them.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.
        y : array-like of shape (n,)
            Classes or numbers.
        **params : dict
            `groups` for the splitter of the folds, and `sample_weight` for the estimator's `fit`:
            synthetic rows follow real ones in proportion to the weights, and weigh their mean. With
            ``enable_metadata_routing=True`` what the estimator and the splitter request.

        Returns
        -------
        self : AugmentedEstimator
            The fitted estimator.
        """
        with all_or_nothing(self):
            ratios = self._ratios()
            check_scalar(self.margin, "margin", Real, min_val=0)
            X = validate_table(self, X, reset=True, allow_missing=True)
            is_object = isinstance(X, np.ndarray) and X.dtype == object
            if is_object and not all(isinstance(value, Hashable) for value in X.flat):
                raise TypeError("Every argument must be a string or a number, one for each cell.")
            y = read_target(self, X, y)
            if is_classifier(self.estimator):
                check_classification_targets(y)
            else:
                y = y.astype(np.float64)
            options, to_split = self._route(params, len(y))
            rng = check_random_state(self.random_state)
            self.ratio_ = ratios[0]
            if len(ratios) > 1:
                self.ratio_ = self._choose(ratios, X, y, options, to_split, rng)
            self.sampler_, parts = self._synthetic(X, y, [self.ratio_], options, rng)
            self.estimator_ = self._train(X, y, parts, options)
        return self

    def get_metadata_routing(self):
        """Return which metadata of `fit` the estimator and the splitter request.

        Returns
        -------
        routing : MetadataRouter
            The requests.
        """
        fit, split = (MethodMapping().add(caller="fit", callee=name) for name in ("fit", "split"))
        router = MetadataRouter(owner=self).add(estimator=self.estimator, method_mapping=fit)
        return router.add(splitter=check_cv(self.cv), method_mapping=split)

    def predict(self, X):
        """Predict classes or numbers.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n,)
            What the fitted estimator predicts.
        """
        return self._delegate("predict", X)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X):
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        probability : ndarray of shape (n, n_classes)
            In the order of `classes_`.
        """
        return self._delegate("predict_proba", X)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X):
        """Return the confidence in the classes.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        decision : ndarray of shape (n,) or (n, n_classes)
            What the fitted estimator returns.
        """
        return self._delegate("decision_function", X)

    @available_if(_estimator_has("score"))
    def score(self, X, y):
        """Return the score of the fitted estimator on rows and their true targets.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.
        y : array-like of shape (n,)
            Their targets.

        Returns
        -------
        score : float
            By the estimator's own `score`, whatever `scoring` is.
        """
        return self._delegate("score", X, y)

    @property
    def classes_(self):
        """The classes of the fitted classifier."""
        return self.estimator_.classes_

    def _delegate(self, method, X, *args):
        check_is_fitted(self)
        X = validate_table(self, X, reset=False, allow_missing=True)
        return getattr(self.estimator_, method)(X, *args)

    def _route(self, params, n):
        """Say which metadata of `fit` go to which method."""
        params = {name: value for name, value in params.items() if value is not None}
        if get_config()["enable_metadata_routing"] and params:
            routed = process_routing(self, "fit", **params)
            to_fit, to_split = routed.estimator.fit, routed.splitter.split
        else:
            to_fit = {name: params.pop(name) for name in ["sample_weight"] if name in params}
            to_split = {name: params.pop(name) for name in ["groups"] if name in params}
            if params:
                raise TypeError(f"fit got unexpected arguments: {', '.join(params)}.")
        if "sample_weight" in to_fit:
            to_fit["sample_weight"] = check_weights(to_fit["sample_weight"], n)
        return to_fit, to_split

    def _ratios(self):
        is_auto = isinstance(self.ratio, str) and self.ratio == "auto"
        ratios = np.unique(AUTO_RATIOS if is_auto else self.ratio)
        is_real = len(ratios) and ratios.dtype.kind in "iuf"
        if not (is_real and (ratios >= 0).all() and np.isfinite(ratios).all()):
            raise ValueError(
                "ratio must be 'auto', or one or several finite numbers of at least 0, "
                f"got {self.ratio!r}."
            )
        return ratios.astype(float).tolist()

    def _choose(self, ratios, X, y, options, to_split, rng):
        """Cross-validate the ratios; return the best, none unless it beats none clearly."""
        scorer = check_scoring(self.estimator, scoring=self.scoring)
        cv = self.cv
        if isinstance(cv, Integral) and is_classifier(self.estimator):
            cv = max(2, min(cv, np.unique(y, return_counts=True)[1].min()))
        cv = check_cv(cv, y, classifier=is_classifier(self.estimator))
        scores, odds = [], []
        for train, test in cv.split(X, y, **to_split):
            odds.append(len(test) / len(train))
            rows = take_rows(X, train), y[train]
            inside = params_of_rows(X, options, train)
            _, parts = self._synthetic(*rows, ratios, inside, rng)
            scores.append([])
            for i in range(len(ratios)):
                model = self._train(*rows, parts[: i + 1], inside)
                scores[-1].append(scorer(model, take_rows(X, test), y[test]))
        self.cv_results_ = _results(ratios, np.array(scores), np.mean(odds))
        best = int(np.argmax(self.cv_results_["mean_test_score"]))
        if ratios[0] == 0:
            gain, error = (self.cv_results_[k][best] for k in ("mean_gain", "se_gain"))
            if not gain > self.margin * error:
                return 0.0
        return ratios[best]

    def _synthetic(self, X, y, ratios, options, rng):
        """Fit a model and make the rows that each ratio has beyond the ratio before it."""
        numbers = np.diff([0, *(round(r * len(y)) for r in ratios)])
        has_classes = is_classifier(self.estimator)
        if not numbers.any():
            return None, []
        sampler = DiffusionManifoldSampler() if self.sampler is None else self.sampler
        sampler = fit_sampler(sampler, X, y, has_classes, rng)
        weights = options.get("sample_weight", np.ones(len(y)))
        if self.balance and has_classes:
            classes = np.unique(y, return_inverse=True)[1]
            weights = weights / np.bincount(classes, weights).clip(1e-300)[classes]
        parts, weights = [], regular(X, weights)
        for n in numbers:
            rows = spread(weights, n, rng)
            y_new = y[rows] if has_classes else jitter(y, rows, rng)
            parents = take_rows(X, rows)
            parts.append(
                (synthesize(sampler, parents, y_new, self.sigma, rng) if n else parents, y_new)
            )
        return sampler, parts

    def _train(self, X, y, parts, options):
        """Fit a copy of the estimator on real rows and several parts of synthetic ones."""
        n = len(y)
        for X_new, y_new in parts:
            if len(y_new):
                X, y = stack(X, X_new), np.concatenate([y, y_new])
        if "sample_weight" in options:
            weights = np.pad(options["sample_weight"], (0, len(y) - n), mode="mean")
            options = {**options, "sample_weight": weights}
        return clone(self.estimator).fit(X, y, **options)


def _results(ratios, scores, odds):
    """Describe the scores of shape (n_splits, n_ratios); `odds` are test over training rows."""
    gain = scores - scores[:, [0]] if ratios[0] == 0 else np.full_like(scores, np.nan)
    spread_of_gain = gain.std(axis=0, ddof=1) if len(gain) > 1 else np.full(len(ratios), np.inf)
    return {
        "ratio": np.array(ratios),
        **{f"split{i}_test_score": row for i, row in enumerate(scores)},
        "mean_test_score": scores.mean(axis=0),
        "std_test_score": scores.std(axis=0),
        "mean_gain": gain.mean(axis=0),
        # the splits share training rows, whence the second term
        "se_gain": spread_of_gain * np.sqrt(1 / len(gain) + odds),
    }
