"""What lies behind the figures of a report, and what these say in words."""

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.inspection import permutation_importance
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from skdiffusion._utils.gross import LARGEST
from skdiffusion.metrics.alignment import robust_limits
from skdiffusion.metrics.scaling import place, subsample

# Rows a side that boosting learns from, which more would not change
MAX_LEARNED = 2000
# Columns that utility is measured by, and levels of one that is not named
MAX_TARGETS, MAX_LEVELS = 3, 20
# Share of distinct cells from which a column identifies rows, and cells below which none tells
UNIQUE, MIN_CELLS = 0.95, 20
# More than this share of cells is repeated than chance does, and it is no longer chance
REPEATED = 0.05
GRADES = ("good", "fair", "poor")
# Neighbours by which coverage is defined
N_NEIGHBORS = 5


def fill_gaps(aligned):
    """Return tables whose gaps lie beyond all else: trees do not take a column of gaps alone."""
    filling = np.where(aligned.is_category, -1.0, LARGEST)
    return [np.where(np.isnan(codes), filling, codes) for codes in aligned.codes]


def find_giveaways(report):
    """Return by column how much of a classifier's AUC is lost if it is shuffled, most first."""
    aligned, seed = report._aligned, report._seed
    rng, tables = check_random_state(seed), fill_gaps(aligned)[1:]
    n = min(MAX_LEARNED, *map(len, tables))
    X, y = np.vstack([subsample(table, n, rng) for table in tables]), np.repeat([1, 0], n)
    X, X_other, y, y_other = train_test_split(X, y, stratify=y, random_state=seed)
    model = HistGradientBoostingClassifier(random_state=seed).fit(X, y)
    options = {"scoring": "roc_auc", "n_repeats": 5, "random_state": seed}
    lost = permutation_importance(model, X_other, y_other, **options).importances_mean
    order = np.argsort(-lost, kind="stable")
    return {str(aligned.coders[j].name): max(float(lost[j]), 0.0) for j in order}


def measure_utility(report):
    """Return how well columns are predicted in held-out rows, learned from either kind of rows."""
    aligned, coders, seed = report._aligned, report._aligned.coders, report._seed
    rng = check_random_state(seed)
    # categories first; a level for every few rows cannot be learned
    n_levels = [0 if coder.levels is None else len(coder.levels) for coder in coders]
    targets = sorted(range(len(coders)), key=lambda j: n_levels[j] == 0)
    targets = [j for j in targets if n_levels[j] <= MAX_LEVELS][:MAX_TARGETS]
    if report._target is not None:
        targets = [j for j, coder in enumerate(coders) if coder.name == report._target]
    found = []
    for j in targets:
        tables = zip(fill_gaps(aligned), aligned.codes, strict=True)
        known = [filled[~np.isnan(codes[:, j])] for filled, codes in tables]
        known = [subsample(rows, MAX_LEARNED, rng) for rows in known]
        # there is nothing to learn where all cells are missing, or the same
        if len(coders) > 1 and min(map(len, known)) > 1 and np.ptp(known[0][:, j]) > 0:
            scores = _score_predictions(known, j, aligned.is_category[j], seed)
            found.append({"column": str(coders[j].name), **scores})
    return found


def _score_predictions(tables, j, is_category, seed):
    """Return scores in held-out rows of what training and synthetic rows teach of a column."""
    y = [table[:, j] for table in tables]
    X = [np.delete(table, j, axis=1) for table in tables]
    if is_category:
        model, guess = HistGradientBoostingClassifier, DummyClassifier(strategy="most_frequent")
    else:
        low, high = robust_limits(y[0])
        y = [place(cells, low, high - low or 1.0)[:, 0] for cells in y]
        model, guess = HistGradientBoostingRegressor, DummyRegressor()
    guess.fit(X[0], y[0])
    scores = {"base": max(guess.score(X[1], y[1]), 0.0)}
    for name, k in (("real", 0), ("synthetic", 2)):
        learned = guess
        if np.ptp(y[k]) > 0:
            learned = model(max_iter=50, early_stopping=False, random_state=seed).fit(X[k], y[k])
        scores[name] = float(learned.score(X[1], y[1]))
    return scores


def find_identifiers(aligned):
    """Return by column of unique real cells which share of synthetic cells repeats them."""
    found = {}
    for coder, *columns in zip(aligned.coders, *(codes.T for codes in aligned.codes), strict=True):
        train, test, fake = (column[~np.isnan(column)] for column in columns)
        real = np.concatenate([train, test])
        is_unique = len(np.unique(real)) >= max(UNIQUE * len(real), MIN_CELLS)
        # of measurements, values repeat
        if is_unique and coder.kind in ("categorical", "integer"):
            share, usual = (np.isin(c, train).sum() / max(len(c), 1) for c in (fake, test))
            found[str(coder.name)] = float(share) if share > usual + REPEATED else 0.0
    return found


def summarise(coder, codes):
    """Return in words the median and range of numbers and times, or the most frequent levels."""
    codes = codes[~np.isnan(codes)]
    if not len(codes):
        return "all missing"
    if coder.levels is None:
        low, middle, high = coder.text(np.quantile(codes, [0.05, 0.5, 0.95], method="nearest"))
        return f"{middle} ({low} to {high})"
    levels, counts = np.unique(codes, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:3]
    shares = zip(coder.text(levels[most]), counts[most] / len(codes), strict=True)
    return ", ".join(f"{level} {share:.0%}" for level, share in shares)


def grade_all(report):
    """Return question, grade and words for each question that a report answers."""
    found = {}
    for question, value, good, fair, words in [*_likeness(report), *_use(report)]:
        # less is better
        rank = int(value > good) + int(value > fair)
        worst, said = found.get(question, (0, []))
        found[question] = max(worst, rank), [*said, words]
    return [(q, GRADES[rank], f"{'; '.join(said)}.") for q, (rank, said) in found.items()]


def _worst(errors, least):
    """Return what is furthest beyond chance, which is `least` or more: error, chance and words."""
    found = [(names, e, max(chance, least)) for *names, e, chance in errors]
    names, worst, chance = max(found, key=lambda each: each[1] - each[2])
    what = f"how {' and '.join(names)} hang together" if len(names) > 1 else names[0]
    return worst, chance, f"Least alike is {what}, off by {worst:.0f} % (chance: {chance:.0f})"


def _likeness(report):
    """Yield questions, values, limits of good and fair, and words: are rows like real ones?"""
    n_train, n_test, n_fake = map(len, report._points)
    # standard error of the difference of a share of training and held-out rows, in percent
    error = 100 * np.sqrt(1 / n_train + 1 / n_test)
    # what chance does in 95 % of columns of numbers, and more with many levels
    worst, chance, words = _worst(report.columns, 1.36 * error)
    yield "Columns", worst, chance + 3, 1.5 * chance + 10, words
    if report.pairs:
        # half a difference of correlations has half that error, of which chance may make two
        worst, chance, words = _worst(report.pairs, error)
        yield "Pairs of columns", worst, 1.5 * chance + 3, 2 * chance + 15, words
        mean, chance = np.mean([pair[-2:] for pair in report.pairs], axis=0)
        words = f"all are off by {mean:.0f} % in the mean (chance: {chance:.0f})"
        yield "Pairs of columns", mean, chance + 4, 1.5 * chance + 6, words
    # three standard errors of the AUC of rows that are alike
    auc, chance = report["c2st_boosting"], 0.5 + max(3 / np.sqrt(6 * min(n_test, n_fake)), 0.1)
    named = [name for name, lost in report.giveaways.items() if lost > 0.01 and auc > chance]
    words = f"A classifier tells synthetic from real rows with an AUC of {auc:.2f} (chance: 0.5)"
    words += ", most by " * bool(named) + ", ".join(named[:3])
    yield "Rows", auc, chance, max(chance, 0.8), words
    hit = 1 - np.prod(1 - n_fake / (n_test + n_fake - np.arange(1, N_NEIGHBORS + 1)))
    missed = f"{100 * (1 - report['coverage']):.0f} % (chance: {100 * (1 - hit):.0f})"
    words = f"{missed} of the held-out rows have no synthetic one beside them"
    yield "Coverage", -report["coverage"], -0.9 * hit, -0.7 * hit, words


def _use(report):
    """Yield the same: are rows private, do models learn from them, do relations hold?"""
    found, (n_train, n_test, _) = report.privacy, map(len, report._points)
    copies, usual = found["exact_copies"], found["exact_copies_held_out"]
    noise = 3 * np.sqrt((usual + 1 / n_test) / n_test)
    shares = f"{100 * copies:.0f} % of the rows repeat training rows ({100 * usual:.0f} %"
    words = f"{shares} of held-out rows do)"
    yield "Privacy", copies - usual, noise, noise + 0.05, words
    words = f"they lie {found['dcr_ratio']:.2f} times as far from training rows as held-out rows do"
    yield "Privacy", -found["dcr_ratio"], -0.6, -0.4, words
    auc, error = found["membership_auc"], np.sqrt((n_train + n_test + 1) / (12 * n_train * n_test))
    words = f"they tell training rows from others with an AUC of {auc:.2f}"
    yield "Privacy", auc, 0.5 + max(0.05, 3 * error), 0.5 + max(0.1, 5 * error), words
    if names := found["identities"]:
        yield "Privacy", 1, 0, 0, f"they repeat what identifies real rows: {', '.join(names)}"
    # of what real rows teach, where it is more than chance
    chance = 1.5 / np.sqrt(n_test)
    skills = [[u[k] - u["base"] for k in ("real", "synthetic")] for u in report.utility]
    if skills := [skill for skill in skills if skill[0] > max(0.1, chance)]:
        # of all together: a ratio of little skill is all chance
        real, synthetic = np.mean(np.maximum(skills, 0), axis=0)
        share = f"{100 * min(synthetic / real, 1):.0f} %"
        words = f"Models of synthetic rows have {share} of the skill of models of real rows"
        fair = max(0.6 * real, 1.5 * chance)
        yield "Utility", real - synthetic, max(0.3 * real, chance), fair, words
    if report.relations:
        lost = {name: real - synthetic for name, (real, synthetic) in report.relations.items()}
        name = max(lost, key=lost.get)
        real, synthetic = report.relations[name]
        shares = f"{100 * synthetic:.1f} % of synthetic and {100 * real:.1f} % of real rows"
        words = f"{name} holds in {shares}"
        yield "Relations", real - synthetic, 0.001, 0.05, words
