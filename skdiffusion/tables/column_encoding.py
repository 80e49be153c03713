"""Columns of a table as encoded features, and back: what `TableEncoder` does once they are read."""

from dataclasses import replace

import numpy as np
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skdiffusion.tables.codecs import SimplexCodec
from skdiffusion.tables.coders import fit_coder
from skdiffusion.tables.frames import TableFormat
from skdiffusion.tables.options import set_kinds, transform_per_column
from skdiffusion.tables.reading import NUMERIC


class ColumnEncoding:
    """The coders of the columns of a table, which the estimators call without validation."""

    def fit_columns(self, X, columns, sample_weight=None):
        """Fit to columns that have been read from the validated table `X`."""
        self._validate_params()
        for column in columns:
            column.weights = sample_weight
        validate_data(self, X, skip_check_array=True)
        set_kinds(self, columns)
        transforms = transform_per_column(self.numeric_transform, columns)
        self._coders = [
            fit_coder(column, transform, self)
            for column, transform in zip(columns, transforms, strict=True)
        ]
        self._format = TableFormat(X, columns)
        self.kinds_ = [column.kind for column in columns]
        self.categories_ = [coder.levels for coder in self._coders]
        self.codecs_ = [coder.codec for coder in self._coders]
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

    def encode_columns(self, columns):
        """Encode columns that have been read."""
        parts = [c.encode(column) for c, column in zip(self._coders, columns, strict=True)]
        blocks, gaps = zip(*parts, strict=True)
        told = [codec.encode(gaps[j].astype(np.intp)) for j, codec in self._indicators.items()]
        return np.concatenate([*blocks, *told], axis=1)

    def decode_table(self, Z, random_state=None, settled=None):
        """Decode, but for cells that are settled: by column the cells, and in which rows."""
        Z = self._check_encoded(Z)
        rng = None if random_state is None else check_random_state(random_state)
        *blocks, told = self._split(Z)
        parts = [c.decode(block, rng) for c, block in zip(self._coders, blocks, strict=True)]
        cells, gaps = map(list, zip(*parts, strict=True))
        for k, (j, codec) in enumerate(self._indicators.items()):
            z = told[:, [k]]
            gaps[j][:] |= np.isnan(z[:, 0]) | (codec.decode(z) == 1)
        for j, (wanted, there) in (settled or {}).items():
            cells[j] = np.where(there, wanted, cells[j])
        return self._format.assemble(cells, len(Z), gaps)

    def decode_cells(self, Z):
        """Return the cells of encoded rows by column, missing ones with anything in their place."""
        *blocks, _ = self._split(Z)
        return [c.decode(block)[0] for c, block in zip(self._coders, blocks, strict=True)]

    def decode_codes(self, Z):
        """Return encoded rows as numbers, indicators last, and which are of categories."""
        *blocks, told = self._split(Z)
        codes, is_category = [], []
        for coder, block in zip(self._coders, blocks, strict=True):
            if coder.codec.n_encoded:
                x = coder.codec.decode(block)
                is_category.append(coder.codec.name == "simplex")
                codes.append(x if is_category[-1] else coder.settle(x))
        is_category += [True] * told.shape[1]
        return np.column_stack([*codes, told > 0]), np.array(is_category, dtype=bool)

    def assemble(self, cells, n):
        """Put cells by column into a table like that of `fit`."""
        return self._format.assemble(cells, n)

    def log_volume_of(self, columns, sigma):
        """Return the `log_volume` of columns that have been read."""
        pairs = zip(self._coders, columns, strict=True)
        volumes = [coder.log_volume(column, sigma) for coder, column in pairs]
        told = [codec.log_volume(volumes[j], sigma) for j, codec in self._indicators.items()]
        return np.sum(volumes + told, axis=0)

    def encoded_noise(self, columns, noise):
        """Return the noise of encoded rows, by standard deviation, from that of their numbers.

        `noise` is in the units of the columns, one for all or one for each.
        """
        steps = np.where(np.isin(self.kinds_, NUMERIC), noise, 0.0)
        below, above = (
            self.encode_columns(
                [
                    replace(c, values=c.values + side * step) if step else c
                    for c, step in zip(columns, steps, strict=True)
                ]
            )
            for side in (-0.5, 0.5)
        )
        return np.abs(above - below)

    def features_of_column(self, j):
        """Return the positions of the encoded features of a column, but for its indicator."""
        return np.flatnonzero((self.groups_ == j) & ~self.is_indicator_)

    def category_blocks(self):
        """Return positions and vertices of each category, spike and indicator, in this order."""
        blocks, start = [], 0
        for codec in [*self.codecs_, *self._indicators.values()]:
            if codec.name in ("simplex", "spike"):
                blocks.append((start + np.arange(codec.vertices.shape[1]), codec.vertices))
            start += codec.n_encoded
        return blocks

    def void_features(self, Z):
        """Return which encoded features say nothing: the numbers of cells that are a spike."""
        void = np.zeros(Z.shape, dtype=bool)
        for j, codec in enumerate(self.codecs_):
            if codec.name == "spike":
                columns = self.features_of_column(j)
                void[:, columns[1]] = codec.is_spike(Z[:, columns])
        return void

    def _split(self, Z):
        """Return the features of each column, then those of the indicators."""
        return np.split(Z, np.cumsum([codec.n_encoded for codec in self.codecs_]), axis=1)

    def _check_encoded(self, Z):
        check_is_fitted(self)
        Z = check_array(
            Z,
            dtype=np.float64,
            input_name="X",
            ensure_all_finite="allow-nan",
            ensure_min_features=0,
            ensure_min_samples=0,
        )
        if Z.shape[1] != self.n_encoded_:
            raise ValueError(
                f"X has {Z.shape[1]} columns, but TableEncoder makes {self.n_encoded_} features."
            )
        return Z
