"""Columns that identify rows: found, kept out of the model, and drawn anew."""

import math
import re
from os.path import commonprefix
from string import ascii_lowercase, ascii_uppercase, digits
from uuid import UUID

import numpy as np

from skdiffusion._utils.checks import needs
from skdiffusion.tables.clocks import EXACT
from skdiffusion.tables.codecs import ConstantCodec
from skdiffusion.tables.coders import Coder
from skdiffusion.tables.options import position_of
from skdiffusion.tables.vocabulary import as_objects, look_like_dates

# rows from which hardly an equal pair is no chance, and share of them that differ
MIN_ROWS, DISTINCT = 20, 0.9
# whole numbers that all differ may be amounts as well: the name must say it
NAMES = re.compile(
    r"(^|[_\W])(ids?|u?uid|guid|key|no|nr|code|index|account|customer|client|patient|member|iban"
    r"|ssn|isbn|serial|phone|mobile|passport)($|[_\W])|number|nummer|^unnamed: 0"
)
N_TRIES = 100


def find_identifiers(given, columns):
    """Make columns identifiers; return how they are drawn, and what to tell the user."""
    if given is None:
        return {}, []
    named = {} if isinstance(given, str) else given
    named = {position_of(key, columns, "identifiers"): how for key, how in named.items()}
    found = [j for j, c in enumerate(columns) if j not in named and _identifies(c)]
    drawn = dict.fromkeys(found, "pattern") | {j: h for j, h in named.items() if h is not None}
    for j in drawn:
        columns[j].kind = "identifier"
    names = ", ".join(repr(columns[j].name) for j in found)
    hint = (
        f"Cells of {names} seem to identify rows: they are not learned, and drawn anew in their "
        "pattern. Name the columns in identifiers of TableEncoder to say so, or otherwise."
    )
    return drawn, [hint] if found else []


def _identifies(column):
    cells = column.observed.tolist()
    if len(cells) < MIN_ROWS or column.kind not in ("categorical", "integer"):
        return False
    if column.kind == "integer":
        # customerId and customer_id are the same name
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(column.name)).lower()
        names_rows = NAMES.search(words) is not None
    else:
        is_text = all(isinstance(cell, str | UUID) for cell in cells)
        names_rows = is_text and not look_like_dates(cells)
    return names_rows and len(set(cells)) >= DISTINCT * len(cells)


class IdentifierCoder(Coder):
    """No feature; cells that are like those of `fit`, but none of them."""

    codec = ConstantCodec(0.0)

    def __init__(self, column, how):
        super().__init__(column)
        self.real = list(dict.fromkeys(column.observed.tolist()))
        self.how, self.dtype = how, column.values.dtype
        self.is_number = column.stored is not None
        self.most = _most_exact(column.stored) if self.is_number else None
        span = max(self.real) - min(self.real) if self.is_number and self.real else np.inf
        self.is_counter = span < 2 * len(self.real)
        if not (how in ("pattern", "drop") or callable(how) or str(how).startswith("faker:")):
            raise ValueError(
                f"identifiers of column {column.name!r} must be 'pattern', 'drop', 'faker:name', a "
                f"function of a number and a generator, or None, got {how!r}."
            )

    def numbers(self, column):
        return np.zeros(len(column.observed)), column.gaps

    def decode(self, Z, rng=None):
        gaps = np.full(len(Z), self.how == "drop" or self.is_empty)
        if gaps.all():
            return np.zeros(len(Z), self.dtype), gaps
        return self._draw(len(Z), rng or np.random.RandomState(0)), gaps

    def _draw(self, n, rng):
        if callable(self.how):
            cells = list(self.how(n, rng))
        elif self.how == "pattern" and self.is_counter and max(self.real) + n <= self.most:
            cells = max(self.real) + 1 + np.arange(n)
        elif self.how == "pattern":
            texts = [str(int(cell) if self.is_number else cell) for cell in self.real]
            cells = draw_alike(texts, n, rng, self.most)
            cells = [*map(UUID, cells)] if isinstance(self.real[0], UUID) else cells
        else:
            with needs("faker", "Names that are made up need Faker"):
                from faker import Faker
            source = Faker()
            source.seed_instance(int(rng.randint(2**31 - 1)))
            cells = [getattr(source, self.how.removeprefix("faker:"))() for _ in range(n)]
        if self.is_number:
            return np.array(cells, dtype=np.float64)
        return as_objects(cells) if self.dtype == object else np.array(cells)


def _most_exact(dtype):
    """Return up to where a data type, and double precision, have all whole numbers."""
    own = 2 ** (np.finfo(dtype).nmant + 1) if dtype.kind == "f" else int(np.iinfo(dtype).max)
    return min(own, EXACT - 1)


def draw_alike(real, n, rng, most):
    """Draw texts, of numbers up to `most`, that look like the real ones but differ from all."""
    start = _common(real)
    end = _common([text[start:][::-1] for text in real])
    taken, drawn = set(real), []
    has_zeros = any(text.startswith("0") for text in real)
    seen, is_even = set().union(*real), len(set(map(len, real))) == 1
    places = [set(column) for column in zip(*real, strict=True)] if is_even else []
    # characters of the place, where these make enough texts: of an hour the first is up to 2
    by_place = math.prod(map(len, places)) > N_TRIES * (len(real) + n)
    while len(drawn) < n:
        for attempt in range(2 * N_TRIES):
            text = real[rng.randint(len(real))]
            own = range(start, len(text) - end)
            middle = [_another(text[i], places[i] if by_place else seen, rng) for i in own]
            # where all of the pattern are taken it gets longer
            longer = [str(d) for d in rng.randint(10, size=6)] if attempt >= N_TRIES else []
            text = text[:start] + "".join(middle + longer) + text[len(text) - end :]
            fits = has_zeros or text[:1] != "0"
            if most is not None:
                text = str(int(text) % most) if longer else text
                fits = int(text) <= most and text == str(int(text))
            if fits and text not in taken:
                break
        taken.add(text)
        drawn.append(text)
    return drawn


def _common(texts):
    """Return how long the beginning is that all texts share, but for digits: chance makes these."""
    return len(commonprefix(texts).rstrip(digits))  # noqa: RUF071


def _another(character, seen, rng):
    classes = (digits, ascii_lowercase, ascii_uppercase)
    alike = next((each for each in classes if character in each), character)
    alphabet = sorted(seen.intersection(alike))
    return alphabet[rng.randint(len(alphabet))]
