"""How ForestDiffusion's public scoreboard of 27 tables ("FD27") judges generated tables.

Jolicoeur-Martineau, Fatras and Kachman, "Generating and imputing tabular data via diffusion and
flow-based gradient-boosted trees", AISTATS 2024, with the protocol of the authors' repository
(SamsungSAILMontreal/ForestDiffusion, script_generation.py and metrics.py): of five tables from one
fit, each is judged, and all figures are averaged.
"""

import warnings

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import f1_score, r2_score
from threadpoolctl import threadpool_limits

from skdiffusion.metrics import (
    GowerScaler,
    c2st,
    dcr_ratio,
    exact_copies,
    shape_error,
    trend_error,
    wasserstein,
)
from skdiffusion.metrics.alignment import single_precision

TABLES = [
    "iris",
    "wine",
    "seeds",
    "glass",
    "breast_cancer_diagnostic",
    "concrete_compression",
    "yacht_hydrodynamics",
    "airfoil_self_noise",
    "blood_transfusion",
    "planning_relax",
    "tictactoe",
    "ionosphere",
    "connectionist_bench_vowel",
    "connectionist_bench_sonar",
    "libras",
    "parkinsons",
]
# Distances take these labels for numbers, as the authors have it.
NUMERIC_LABELS = ("connectionist_bench_vowel",)


def judge(train, test, fakes, *, n_repetitions=5, seed=0):
    """Judge tables that one fit generated.

    Parameters
    ----------
    train, test : Table
        The two parts of a `benchmarks._data.Table`: what was fitted, and what was held out.
    fakes : sequence of array-like of shape (n_rows, n_columns)
        Generated tables like ``train.Z``: features, and the target as last column, all in original
        units. Integers are rounded and binary columns snapped here. The class score needs two
        tables of as many rows as `train` has, and is NaN with one.
    n_repetitions : int
        Trainings of each learner that draws random numbers.
    seed : int
        First seed of the learners, and that of C2ST.

    Returns
    -------
    dict of str to float
        Means over `fakes`. By the protocol: ``w1_train``, ``w1_test``, ``coverage_train``,
        ``coverage_test``, ``f1`` or ``r2`` (the other is NaN) and ``class_score``. Beside it:
        ``dcr_ratio``, ``copies`` and ``copies_test`` (shares of generated and of held-out rows that
        equal a training row), ``c2st_boosting`` against held-out rows, and ``shape_error`` and
        ``trend_error`` against all real ones.
    """
    fakes = [single_precision(train.restore_types(fake)) for fake in fakes]
    with threadpool_limits(1), warnings.catch_warnings():
        # The logistic regression of the protocol meets columns that are not scaled.
        warnings.simplefilter("ignore", ConvergenceWarning)
        figures = [_judge_one(train, test, fake, n_repetitions, seed) for fake in fakes]
        pairs = zip(fakes, fakes[1:] + fakes[:1], strict=True) if len(fakes) > 1 else ()
        scores = [class_score(train, *pair, n_repetitions, seed) for pair in pairs]
    means = {name: float(np.mean([row[name] for row in figures])) for name in figures[0]}
    return means | {"class_score": float(np.mean(scores)) if scores else float("nan")}


def _judge_one(train, test, fake, n_repetitions, seed):
    rows = [single_precision(train.Z), single_precision(test.Z), fake]
    categorical = distance_categories(train)
    scaler = GowerScaler(categorical).fit(rows[0])
    points = [scaler.transform(table) for table in rows]
    score = utility(train, test, fake, n_repetitions, seed)
    real, columns = np.vstack(rows[:2]), {"categorical": train.Z_categorical}
    return {
        "w1_train": wasserstein(points[0], points[2]),
        "w1_test": wasserstein(points[1], points[2]),
        "coverage_train": coverage(points[0], points[2]),
        "coverage_test": coverage(points[1], points[2]),
        "f1": score if train.is_classification else float("nan"),
        "r2": float("nan") if train.is_classification else score,
        "dcr_ratio": dcr_ratio(*points),
        "copies": exact_copies(rows[0], fake),
        "copies_test": exact_copies(rows[0], rows[1]),
        "c2st_boosting": c2st(*points[1:], random_state=seed),
        "shape_error": shape_error(real, fake, **columns),
        "trend_error": trend_error(real, fake, **columns),
    }


def distance_categories(table):
    """Columns of ``table.Z`` that distances take for categories."""
    return table.categorical if table.name in NUMERIC_LABELS else table.Z_categorical


def coverage(real, fake):
    """Share of real rows with a generated one nearer than their k-th other real row.

    The loop of the protocol leaves k one above the smallest at which 95 % of the real rows have
    such a radius above 0.
    """
    radii = np.sort(cdist(real, real, "cityblock"), axis=1)
    k = int(((radii > 0).mean(axis=0) >= 0.95).argmax()) + 1
    return float((cdist(real, fake, "cityblock").min(axis=1) < radii[:, k]).mean())


def utility(train, test, fake, n_repetitions, seed):
    """Macro-F1, or R2, on held-out rows of four learners that saw only generated ones."""
    X, X_test = one_hot(train.categorical, fake[:, :-1], test.X)
    y, score = fake[:, -1], r2_score
    if train.is_classification:
        classes, y = np.unique(y, return_inverse=True)
        if not np.isin(test.y, classes).all():
            return 0.0

        def score(truth, predicted):
            return f1_score(truth, classes[predicted], average="macro")

    def train_and_score(learner):
        return score(test.y, learner.fit(X, y).predict(X_test))

    return _mean_score(train.is_classification, train_and_score, n_repetitions, seed)


def class_score(train, fake, other, n_repetitions, seed):
    """Macro-F1, on another generated table alone, of four classifiers of real against generated."""
    Z, Z_fake, Z_other = one_hot(distance_categories(train), single_precision(train.Z), fake, other)
    X, y = np.vstack([Z, Z_fake]), np.repeat([1, 0], [len(Z), len(Z_fake)])

    def train_and_score(learner):
        predicted = learner.fit(X, y).predict(Z_other)
        return f1_score(np.zeros(len(predicted)), predicted, average="macro")

    return _mean_score(True, train_and_score, n_repetitions, seed)


def _mean_score(is_classification, train_and_score, n_repetitions, seed):
    """Mean over four learners; those without random numbers are trained once."""
    fixed, drawn = learners(is_classification)
    seeds = range(seed, seed + n_repetitions)
    scores = [train_and_score(learner) for learner in fixed]
    scores += [np.mean([train_and_score(learner(s)) for s in seeds]) for learner in drawn]
    return float(np.mean(scores))


def learners(is_classification):
    """Return learners without random numbers, and functions from a seed to a learner with them."""
    if is_classification:
        return (
            [LogisticRegression(C=np.inf, max_iter=500), _boosting(True)],
            [
                lambda seed: _Boosted(random_state=seed),
                lambda seed: RandomForestClassifier(max_depth=28, random_state=seed),
            ],
        )
    return (
        [LinearRegression(), _boosting(False)],
        [
            lambda seed: AdaBoostRegressor(random_state=seed),
            lambda seed: RandomForestRegressor(max_depth=28, random_state=seed),
        ],
    )


class _Boosted(AdaBoostClassifier):
    """AdaBoost that guesses where no stump is better than chance, as on copies of rows."""

    def fit(self, X, y):
        try:
            return super().fit(X, y)
        except ValueError as error:
            if "worse than random" not in str(error):
                raise
        return DummyClassifier(strategy="stratified", random_state=self.random_state).fit(X, y)


def _boosting(is_classification):
    """XGBoost as the protocol has it; where that is not installed, scikit-learn's boosting."""
    try:
        from xgboost import XGBClassifier, XGBRegressor
    except ImportError:
        if is_classification:
            return HistGradientBoostingClassifier(early_stopping=False)
        return HistGradientBoostingRegressor(early_stopping=False)
    return (XGBClassifier if is_classification else XGBRegressor)(reg_lambda=0, n_jobs=1)


def one_hot(columns, *tables):
    """Code some columns of several tables one-hot by all of their values."""
    kept = [j for j in range(tables[0].shape[1]) if j not in columns]
    levels = [np.unique(np.concatenate([table[:, j] for table in tables])) for j in columns]
    return [
        np.hstack(
            [table[:, kept], *(table[:, [j]] == v for j, v in zip(columns, levels, strict=True))]
        )
        for table in tables
    ]
