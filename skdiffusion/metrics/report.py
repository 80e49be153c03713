"""All metrics of the package at once, under one protocol, and what they say."""

from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import pairwise_distances_argmin_min, roc_auc_score
from sklearn.utils import check_random_state

from skdiffusion._utils.checks import Seed, needs
from skdiffusion._utils.gross import regular_rows
from skdiffusion.metrics import evidence, fidelity
from skdiffusion.metrics.alignment import NUMERIC, align, histograms, single_precision
from skdiffusion.metrics.scaling import gower_points, subsample
from skdiffusion.metrics.two_sample import c2st, coverage_density, dcr_ratio, wasserstein
from skdiffusion.tables.options import position_of

# Rows a side for the exact Wasserstein distances, whose cost is cubic
MAX_ROWS = 1000
# Held-out rows below which neighbourhoods and folds say nothing
MIN_ROWS = 6


class FidelityReport(dict):
    """The figures of `fidelity_report`, a dictionary, and on demand what is behind them.

    What held-out rows differ from training rows by is chance, and no fault of generated ones.

    Attributes
    ----------
    columns, pairs : list of tuple
        Names, `shape_error` or `trend_error`, and that of held-out rows; the worst pair first.
    giveaways : dict of str to float
        By column, how much AUC a classifier of real and synthetic rows loses if it is shuffled.
    utility : list of dict
        Of a few columns, or the target: R² or accuracy in held-out rows of boosting that has
        learned from ``real`` or from ``synthetic`` rows, and of a constant guess, ``base``.
    privacy : dict
        `dcr_ratio`; `exact_copies` among synthetic and held-out rows; ``membership_auc`` of telling
        training from held-out rows by the distance to the closest synthetic row; ``identities``,
        columns of nearly unique cells that synthetic rows repeat, and in which share of them.
    relations : dict of str to tuple (float, float)
        Of each relation, the share of real and of synthetic rows in which it holds.
    identifiers : list of str
        Columns of categories that identify rows, and are left out of all else but ``identities``.
    grades : dict of str to str
        "good", "fair" or "poor" by question; ``verdict`` (list of str) has a line for each.
    """

    columns = cached_property(lambda self: self._errors(fidelity.column_errors))
    pairs = cached_property(
        lambda self: sorted(self._errors(fidelity.pair_errors), key=lambda pair: -pair[2])
    )
    giveaways = cached_property(evidence.find_giveaways)
    utility = cached_property(evidence.measure_utility)
    _graded = cached_property(evidence.grade_all)
    grades = property(lambda self: {question: grade for question, grade, _ in self._graded})
    verdict = property(lambda self: [f"{q}: {grade}. {words}" for q, grade, words in self._graded])

    @cached_property
    def privacy(self):
        rng, (train, test, fake) = check_random_state(self._seed), self._points
        real = [subsample(points, MAX_ROWS, rng) for points in (train, test)]
        near = -pairwise_distances_argmin_min(np.vstack(real), fake, metric="manhattan")[1]
        return {
            "dcr_ratio": self["dcr_ratio"],
            "exact_copies": self["exact_copies"],
            "exact_copies_held_out": fidelity.exact_copies(*self._aligned.codes[:2]),
            "membership_auc": roc_auc_score(np.repeat([1, 0], [*map(len, real)]), near),
            "identities": {name: share for name, share in self._repeated.items() if share},
        }

    @cached_property
    def relations(self):
        found = {}
        for relation in self._relations:
            real = self._tables[0]
            train, test, fake = (relation.holds(table, like=real) for table in self._tables)
            found[str(relation)] = float(np.mean([*train, *test])), float(np.mean(fake))
        return found

    def _errors(self, measure):
        """Return names of columns, their error in percent, and that of held-out rows."""
        (train, test, fake), is_category = self._aligned.codes, self._aligned.is_category
        held_out = measure(train, test, is_category)
        names = [str(coder.name) for coder in self._aligned.coders]
        return [
            (*(names[j] for j in at), 100 * error, 100 * held_out.get(at, 0.0))
            for at, error in measure(np.vstack([train, test]), fake, is_category).items()
        ]

    def to_frame(self) -> Any:
        """Return what is known of each column as a pandas frame, with a row for each."""
        with needs("pandas", "Frames of a report need pandas"):
            import pandas as pd
        coders, (train, test, fake) = self._aligned
        frame = pd.DataFrame(self.columns, columns=["name", "error", "held_out"])
        frame.insert(1, "kind", [coder.kind for coder in coders])
        for name, codes in (("real", np.vstack([train, test])), ("synthetic", fake)):
            frame[f"gaps_{name}"] = np.isnan(codes).mean(axis=0)
            frame[name] = [*map(evidence.summarise, coders, codes.T)]
        return frame.assign(giveaway=frame["name"].map(self.giveaways)).set_index("name")

    def to_html(self, path: Any = None) -> str:
        """Return a page of HTML that needs nothing else, and write it to a path if there is one."""
        with needs("report", "Pages of a report need Jinja2"):
            from jinja2 import Template
        coders, (train, test, fake) = self._aligned
        pictures = map(histograms, coders, np.vstack([train, test]).T, fake.T)
        text = files("skdiffusion.metrics").joinpath("report.html").read_text(encoding="utf-8")
        rows = self.to_frame().reset_index().itertuples()
        page = Template(text, autoescape=True).render(
            report=self,
            columns=[*zip(rows, coders, pictures, strict=True)],
            sizes=[len(train) + len(test), len(test), len(fake)],
        )
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page


def fidelity_report(
    train, test, fake, *, categorical=(), target=None, relations=(), random_state: Seed = None
) -> FidelityReport:
    """Judge a generated table by fidelity, coverage and privacy.

    Distances are taken in the Gower coordinates of the training rows. Columns of categories that
    identify rows, of which 95 % of real cells are distinct, count for privacy alone.

    Parameters
    ----------
    train, test, fake : array-like or data frame of shape (n_rows, n_columns)
        The rows the generator was fitted on, real rows it has not seen, and generated ones, best as
        many as training rows; at least six of the last two. Any tables that the samplers take, in
        original units, with the target as one more column.
    categorical : sequence of int or str, default=()
        As in `shape_error`; a class label is one, too.
    target : int, str or None, default=None
        The column that `utility` is measured by. None takes up to three, categories first.
    relations : sequence of objects, default=()
        Constraints of :mod:`skdiffusion.tables`, or other objects whose method
        ``holds(table, like=train)`` returns an array of bool.
    random_state : int, RandomState instance or None, default=None
        Source of sub-samples and folds, which generators of one seed have in common.

    Returns
    -------
    report : FidelityReport
        A dict of str to float, with more on demand:

        - ``w1_test``, ``w1_train``: `wasserstein` to held-out and to training rows;
        - ``c2st_boosting``: `c2st` against held-out rows;
        - ``coverage``, ``density``: `coverage_density` against held-out rows;
        - ``shape_error``, ``trend_error``: percent, against all real rows;
        - ``dcr_ratio``, ``exact_copies``: privacy.

    Raises
    ------
    ValueError
        If tables differ in their columns or the kinds of these, or there are too few rows.

    Notes
    -----
    The report of a second held-out part as `fake` shows what a perfect generator would reach.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import fidelity_report
    >>> rng = np.random.default_rng(0)
    >>> train, test = rng.normal(size=(300, 2)), rng.normal(size=(300, 2))
    >>> report = fidelity_report(train, test, train * [1, 5], random_state=0)
    >>> report["exact_copies"], report.grades["Columns"], report.grades["Privacy"]
    (0.0, 'poor', 'good')
    """
    tables = train, test, fake
    aligned = align(*tables, categorical=categorical)
    if target is not None:
        target = aligned.coders[position_of(target, aligned.coders, "target")].name
    repeated = evidence.find_identifiers(aligned)
    categories = [str(c.name) for c in aligned.coders if c.levels is not None]
    identifiers = [name for name in categories if name in repeated]
    if len(identifiers) < len(aligned.coders):
        aligned = aligned.keep([str(c.name) not in identifiers for c in aligned.coders])
    for name, codes in zip(("test", "fake"), aligned.codes[1:], strict=True):
        if len(codes) < MIN_ROWS:
            raise ValueError(f"{name} has {len(codes)} rows, a report needs {MIN_ROWS} at least.")
    is_number = [coder.kind in NUMERIC for coder in aligned.coders]
    for codes in aligned.codes:
        codes[:, is_number] = single_precision(codes[:, is_number])
    (first, second, made), is_category = aligned.codes, aligned.is_category
    points = train, test, fake = gower_points(aligned)
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    real, told = np.vstack([first, second]), {"categorical": np.flatnonzero(is_category)}
    sizes = {"max_rows": MAX_ROWS, "random_state": seed}
    coverage, density = coverage_density(test, fake)
    # a gross cell would be near to all that is far off
    regular = regular_rows(np.where(is_category, 0.0, first))
    report = FidelityReport(
        w1_test=wasserstein(test, fake, **sizes),
        w1_train=wasserstein(train, fake, **sizes),
        c2st_boosting=c2st(test, fake, random_state=seed),
        coverage=coverage,
        density=density,
        shape_error=fidelity.shape_error(real, made, **told),
        trend_error=fidelity.trend_error(real, made, **told),
        dcr_ratio=dcr_ratio(train[regular], test, fake),
        exact_copies=fidelity.exact_copies(first, made),
    )
    report.identifiers, report._repeated, report._seed = identifiers, repeated, seed
    report._tables, report._aligned, report._points = tables, aligned, points
    report._target, report._relations = target, relations
    return report
