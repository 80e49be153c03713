"""Columns of a table as encoded features, and back: what `TableEncoder` does once they are read."""

from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skdiffusion.tables.amounts import Recoding
from skdiffusion.tables.codecs import SimplexCodec
from skdiffusion.tables.coders import fit_coder
from skdiffusion.tables.discovery import bind_constraints
from skdiffusion.tables.frames import TableFormat
from skdiffusion.tables.identifiers import IdentifierCoder, find_identifiers
from skdiffusion.tables.levels import ByLevel, LevelCoder, find_category
from skdiffusion.tables.numeric_transforms import hint_at_codes
from skdiffusion.tables.options import set_kinds, transform_per_column
from skdiffusion.tables.reading import NUMERIC
from skdiffusion.tables.relations import broken_rows


class ColumnEncoding:
    """What estimators call without validation."""

    # `_coders` know the cells of columns, `_coded` encode these or what relations make of them

    def fit_columns(
        self, X: Any, columns: Any, sample_weight: Any = None, constraints: Any = None
    ) -> Self:
        """Fit to columns that have been read from the validated table; constraints may be known."""
        self._validate_params()
        for column in columns:
            column.weights = sample_weight
        validate_data(self, X, skip_check_array=True)
        set_kinds(self, columns)
        identifiers, self._hints = find_identifiers(self.identifiers, columns)
        self._code_hints = hint_at_codes(columns)
        transforms = transform_per_column(self.numeric_transform, columns)
        self._coders = [
            IdentifierCoder(column, identifiers[j])
            if j in identifiers
            else fit_coder(column, transforms[j], self)
            for j, column in enumerate(columns)
        ]
        given = self.constraints if constraints is None else constraints
        self.constraints_, relations = bind_constraints(given, self._coders, columns)
        self._set_relations(relations, columns, transforms)
        self._format = TableFormat(X, columns)
        self.kinds_ = [column.kind for column in columns]
        self.categories_ = [coder.levels for coder in self._coders]
        self.codecs_ = [coder.codec for coder in self._coded]
        self.transforms_ = [codec.name for codec in self.codecs_]
        self._indicators = {
            j: SimplexCodec(np.bincount(column.gaps, sample_weight))
            for j, column in enumerate(columns)
            if self.missing_indicator and 0 < column.missing < len(column.gaps)
        }
        values = np.repeat(np.arange(len(columns)), [codec.n_encoded for codec in self.codecs_])
        self.groups_ = np.concatenate([values, np.array([*self._indicators], dtype=values.dtype)])
        self.n_encoded_ = len(self.groups_)
        self.is_indicator_ = np.arange(self.n_encoded_) >= len(values)
        return self

    def _set_relations(self, relations, columns, transforms):
        """Set what encodes the columns that relations, or the categories beside them, make."""
        self._recoding = Recoding(relations, self._coders)
        self._coded = list(self._coders)
        for j, column in enumerate(self._recoding.encode(columns)):
            if column is not columns[j]:
                self._coded[j] = fit_coder(column, transforms[j], self)
        weights = columns[0].weights
        self._n_rows = len(columns[0].gaps) if weights is None else weights.sum()
        self._category_of = {}
        taken = {j for relation in self._recoding.relations for j in relation.columns}
        for j in [j for j, transform in enumerate(transforms) if transform == "auto"]:
            by = None if j in taken else find_category(j, columns, self._coders, taken)
            if by is not None:
                relation = ByLevel(j, by, self._coders[by].levels)
                column = relation.encode(columns)[j]
                self._coded[j] = LevelCoder(column, self._coders[by], self._coders[j], self.clip)
                self._category_of[j] = by
                self._recoding.relations.append(relation)

    def coded(self, columns: Any) -> Any:
        """Return the columns that are encoded in place of those of the table."""
        return self._recoding.encode(columns)

    def encode_columns(self, columns: Any) -> np.ndarray:
        """Encode columns that have been read."""
        coded = self.coded(columns)
        parts = [c.encode(column) for c, column in zip(self._coded, coded, strict=True)]
        blocks, gaps = zip(*parts, strict=True)
        # what relations determine may be missing all the same
        plain = [c is coder for c, coder in zip(self._coded, self._coders, strict=True)]
        gaps = [gaps[j] if plain[j] else column.gaps for j, column in enumerate(columns)]
        told = [codec.encode(gaps[j].astype(np.intp)) for j, codec in self._indicators.items()]
        return np.concatenate([*blocks, *told], axis=1)

    def encode_known(self, columns: Any, places: Any) -> Any:
        """Encode columns of which some are known, at `places`."""
        return self.encode_columns(columns)

    def decode_table(self, Z: Any, random_state=None, settled=None, gaps_of_constant=()) -> Any:
        """Decode, but for cells that are settled: by column the cells, and in which rows."""
        Z = self._check_encoded(Z)
        rng = None if random_state is None else check_random_state(random_state)
        *blocks, told = self._split(Z)
        parts = [c.decode(block, rng) for c, block in zip(self._coded, blocks, strict=True)]
        cells, gaps = map(list, zip(*parts, strict=True))
        for relation in self._recoding.relations:
            for j in relation.coded:
                with_gaps = (j, relation.coded[0], *relation.parents)
                gaps[j] = np.any([gaps[k] for k in with_gaps], axis=0)
        for k, (j, codec) in enumerate(self._indicators.items()):
            z = told[:, [k]]
            gaps[j] = gaps[j] | np.isnan(z[:, 0]) | (codec.decode(z) == 1)
        for j in gaps_of_constant:
            gaps[j] = gaps_of_constant[j]
        return self.assemble(cells, len(Z), settled, gaps)

    def decode_coded(self, Z: Any) -> Any:
        """Return what the coders decode, by column, with anything in place of missing cells."""
        *blocks, _ = self._split(Z)
        return [c.decode(block)[0] for c, block in zip(self._coded, blocks, strict=True)]

    def decode_cells(self, Z: Any, settled: Any = None) -> Any:
        """Return the cells of the table by column, with anything in place of missing ones."""
        return self._recoding.decode(self.decode_coded(Z), settled or {})

    def column_of(self, j: int, cells: Any, gaps: Any = None) -> Any:
        """Return a column of the table with the cells that its coder decodes."""
        gaps = np.zeros(len(cells), dtype=bool) if gaps is None else gaps
        return replace(self._format.columns[j], values=cells, gaps=gaps)

    def settled_cells(self, columns: Any) -> Any:
        """Return by column the cells that relations must not change, and where they are."""
        places = self.involved(self._recoding.relations)
        return {j: (self._coders[j].cells_of(columns[j]), ~columns[j].gaps) for j in places}

    def involved(self, relations: Any) -> Any:
        """Return the columns of relations, and those that the coding of these needs."""
        places = {j for relation in relations for j in relation.columns}
        for relation in self._recoding.relations[::-1]:
            if places & set(relation.coded):
                places |= set(relation.columns)
        return sorted(places)

    def open_cells(self, settled: Any) -> Any:
        """Return relations with known cells that have no feature alone, their rows and cells."""
        places = [j for j in self.involved(self._recoding.relations) if j in settled]
        if not places:
            return []
        opened, known = [], np.stack([settled[j][1] for j in places], axis=1)
        for pattern in np.unique(known, axis=0):
            there = {j for j, is_known in zip(places, pattern, strict=True) if is_known}
            relations = [each for each in self._recoding.relations if each.is_open(there)]
            if relations:
                rows = np.flatnonzero((known == pattern).all(axis=1))
                opened.append((relations, rows, {j: settled[j][0][rows] for j in there}))
        return opened

    def decode_codes(self, Z: Any) -> Any:
        """Return encoded rows as numbers, indicators last, and which are of categories."""
        *blocks, told = self._split(Z)
        codes, is_category = [], []
        for coder, block in zip(self._coded, blocks, strict=True):
            if coder.codec.n_encoded:
                x = coder.codec.decode(block)
                is_category.append(coder.codec.name == "simplex")
                codes.append(x if is_category[-1] else coder.settle(x))
        is_category += [True] * told.shape[1]
        return np.column_stack([*codes, told > 0]), np.array(is_category, dtype=bool)

    def assemble(self, cells: Any, n: int, settled: Any = None, gaps: Any = None) -> Any:
        """Put what coders decode into a table like that of `fit`, with some cells settled."""
        gaps = [np.full(n, coder.is_empty) for coder in self._coders] if gaps is None else gaps
        return self._format.assemble(self._recoding.decode(cells, settled or {}), n, gaps)

    def log_volume_of(self, columns: Any, sigma: Any) -> Any:
        """Return the `log_volume` of columns that have been read."""
        pairs = zip(self._coded, self.coded(columns), strict=True)
        volumes = [coder.log_volume(column, sigma) for coder, column in pairs]
        told = [codec.log_volume(volumes[j], sigma) for j, codec in self._indicators.items()]
        own, relations = self._recoding.as_cells(columns), self._recoding.relations
        n_broken = sum(broken_rows(relation, own).astype(int) for relation in relations)
        # by the rule of succession, of what held in all rows
        return np.sum(volumes + told, axis=0) - n_broken * np.log(self._n_rows + 2)

    def encoded_noise(self, columns: Any, noise: Any) -> Any:
        """Return the standard deviations of encoded noise; `noise` is in the columns' units."""
        steps = np.where(np.isin(self.kinds_, NUMERIC), noise, 0.0)
        for relation in self._recoding.relations:
            # in a difference noise adds up; functions or a category for columns have none
            steps[[*relation.coded]] *= -1 if len(relation.coded) == 1 else 0
        pairs = list(zip(columns, steps, strict=True))
        below, above = (
            self.encode_columns([replace(c, values=c.values + k * s) if s else c for c, s in pairs])
            for k in (-0.5, 0.5)
        )
        return np.abs(above - below)

    def features_of_column(self, j: int) -> Any:
        """Return the positions of the encoded features of a column, but for its indicator."""
        return np.flatnonzero((self.groups_ == j) & ~self.is_indicator_)

    def category_blocks(self) -> Any:
        """Return positions and vertices of each category, spike and indicator, in this order."""
        blocks, start = [], 0
        for codec in [*self.codecs_, *self._indicators.values()]:
            if codec.name in ("simplex", "spike"):
                blocks.append((start + np.arange(codec.vertices.shape[1]), codec.vertices))
            start += codec.n_encoded
        return blocks

    def void_features(self, Z: Any) -> Any:
        """Return which encoded features say nothing: the numbers of cells that are a spike."""
        void = np.zeros(Z.shape, dtype=bool)
        for j, codec in enumerate(self.codecs_):
            if codec.name == "spike":
                columns = self.features_of_column(j)
                void[:, columns[1]] = codec.is_spike(Z[:, columns])
        return void

    def _split(self, Z):
        """Return the features of each column and of its category, then those of the indicators."""
        blocks = np.split(Z, np.cumsum([codec.n_encoded for codec in self.codecs_]), axis=1)
        for j, by in self._category_of.items():
            blocks[j] = np.concatenate([blocks[j], blocks[by]], axis=1)
        return blocks

    def _check_encoded(self, Z):
        check_is_fitted(self)
        allowed = {"ensure_all_finite": "allow-nan", "ensure_min_features": 0}
        Z = check_array(Z, dtype=np.float64, input_name="X", ensure_min_samples=0, **allowed)
        if Z.shape[1] != self.n_encoded_:
            raise ValueError(
                f"X has {Z.shape[1]} columns, but TableEncoder makes {self.n_encoded_} features."
            )
        return Z
