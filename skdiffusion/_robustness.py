"""Noise and outliers in the rows of `fit`."""

from numbers import Real

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_consistent_length

from skdiffusion._utils.subsets import some_rows
from skdiffusion.diffusion import CleanDenoiser
from skdiffusion.geometry import noise_level
from skdiffusion.tables.encoder import TableEncoder
from skdiffusion.tables.frames import NUMERIC, take_rows, take_values, validate_table
from skdiffusion.tables.noisy_cells import encoded_noise

__all__ = ["check_noise", "NoiseRemoval", "read_noise", "without_outliers"]

N_NEIGHBORS = 10
# for estimating the noise
MAX_ROWS = 2000
CHUNK_ROWS = 4096


def without_outliers(sampler, X, y):
    """Return rows, and their targets, without those that are farthest from their neighbours."""
    share = sampler.contamination
    if not (isinstance(share, Real) and 0 <= share < 1):
        raise ValueError(f"contamination must be a share from 0 to below 1, got {share!r}.")
    if share == 0:
        return X, y
    table = validate_table(sampler, X, reset=True, allow_missing=True)
    if len(table) < 2:
        return X, y
    # codes by ranks would hide how far a cell is from all others
    encoder = TableEncoder(
        categorical_features=sampler.categorical_features,
        numeric_transform="standard",
        ordinal_features=sampler.ordinal_features,
        min_frequency=sampler.min_frequency,
        handle_unknown=sampler.handle_unknown,
    )
    codes = encoder.fit_transform(table)
    if encoder.n_codes_ == 0:
        # only constants, none of them farther off than others
        return X, y
    kept = _nearest_rows(np.nan_to_num(codes), share)
    if y is not None:
        check_consistent_length(X, y)
        y = take_values(y, kept)
    return take_rows(table, kept), y


def _nearest_rows(Z, contamination):
    """Return the positions of the rows that are not far from their neighbours, in their order."""
    neighbors = NearestNeighbors(n_neighbors=min(N_NEIGHBORS, len(Z) - 1)).fit(Z)
    distance = neighbors.kneighbors()[0][:, -1]
    n_kept = len(Z) - round(contamination * len(Z))
    return np.sort(np.argsort(distance, kind="stable")[: max(n_kept, 2)])


def check_noise(data_noise, encoder, coupling):
    """Raise if rows of a table cannot have this noise."""
    if isinstance(data_noise, str):
        if data_noise != "auto":
            raise ValueError(f"data_noise must be 'auto' or numbers, got {data_noise!r}.")
    elif not _checked_noise(data_noise, encoder).any():
        return
    kinds = zip(encoder.kinds_, encoder.transforms_, strict=True)
    kinds = {kind for kind, transform in kinds if transform != "constant"}
    if coupling.name in ("latent", "hierarchical") or kinds != {"continuous"}:
        raise ValueError(
            "data_noise needs rows of continuous numbers, whose codes are their own: it goes with "
            "neither categories or whole numbers nor coupling='latent' or 'hierarchical'."
        )


def read_noise(data_noise, encoder, X, coupling, codes):
    """Return the noise of each code of rows."""
    noise = np.zeros(encoder.n_codes_)
    if isinstance(data_noise, str):
        rows = codes[some_rows(len(codes), MAX_ROWS), : len(noise)]
        noise[:] = noise_level(rows, dimension=coupling.dimension)
        return noise
    if not np.any(data_noise):
        return noise
    # cells may be missing
    return np.nanmedian(encoded_noise(encoder, X, data_noise), axis=0)


class NoiseRemoval:
    """Rows without the noise that those of `fit` have, or without more.

    A mixin for estimators with codes, a denoiser of them, and ``noise_``: standard deviations of
    the noise of each code.
    """

    def denoise(self, X, noise=None):
        """Return rows without noise: the expected clean row given each.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Noisy rows of numbers.
        noise : float, array-like of shape (n_features,) or None, default=None
            Standard deviation of their noise, in the units of the columns. None is that of the rows
            of `fit`, ``data_noise``; rows with more noise than those need it said.

        Returns
        -------
        X : ndarray or data frame of shape (n, n_features)
            Clean rows.

        Raises
        ------
        ValueError
            If no noise is given, there is no ``data_noise``, or rows have missing cells or columns
            of other kinds than numbers: categories, ordered levels, dates or durations.

        Examples
        --------
        >>> import numpy as np
        >>> from skdiffusion import DenoiserNet, DiffusionManifoldSampler
        >>> X = np.random.RandomState(0).normal(size=(300, 2)) * [1.0, 0.01]
        >>> sampler = DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=2), random_state=0)
        >>> clean = sampler.fit(X).denoise([[0.3, 0.5]], noise=0.5)
        >>> bool(abs(clean[0, 1]) < 0.05)
        True
        """
        Z = self._codes(X)
        kinds = zip(self.encoder_.kinds_, self.encoder_.transforms_, strict=True)
        others = sorted({kind for kind, code in kinds if code != "constant"} - set(NUMERIC))
        if Z.isnan().any() or self.encoder_.level_blocks() or others:
            found = f" Some columns are {' or '.join(others)}." if others else ""
            raise ValueError(f"Only complete rows of numbers can be denoised.{found}")
        if self.coupling_ in ("latent", "hierarchical"):
            raise ValueError(f"coupling={self.coupling_!r} knows no noise of rows.")
        if noise is None:
            if not self.noise_.any():
                raise ValueError("Say how much noise there is: noise=, or data_noise= in fit.")
            sigma = np.broadcast_to(self.noise_, Z.shape)
        else:
            table = validate_table(self, X, reset=False)
            sigma = np.maximum(
                encoded_noise(self.encoder_, table, _checked_noise(noise, self.encoder_)),
                self.noise_,
            )
        _, denoiser = self._row_law()
        clean = CleanDenoiser(denoiser, torch.from_numpy(self.noise_).to(Z), self.sigma_min)
        levels = torch.from_numpy(np.array(sigma)).to(Z).clamp_min(self.sigma_min)
        with torch.no_grad():
            rows = [
                clean(z, s).mean.cpu().numpy()
                for z, s in zip(Z.split(CHUNK_ROWS), levels.split(CHUNK_ROWS), strict=True)
            ]
        return self.encoder_.inverse_transform(np.concatenate(rows))

    def _clean_model(self):
        """Return the model of rows without the noise that those of `fit` have."""
        model = self._model()
        if not self.noise_.any():
            return model
        return model._replace(denoiser=self._clean(model.denoiser))

    def _clean(self, denoiser):
        noise = torch.zeros(len(self.is_target_), dtype=torch.float64)
        noise[~self.is_target_] = torch.from_numpy(self.noise_)
        return CleanDenoiser(denoiser, noise.to(self._device), self.sigma_min)


def _checked_noise(noise, encoder):
    noise = np.asarray(noise, dtype=np.float64)
    if noise.shape not in ((), (encoder.n_features_in_,)):
        raise ValueError(
            f"Noise is one number or one for each of {encoder.n_features_in_} columns, got shape "
            f"{noise.shape}."
        )
    if not (np.isfinite(noise).all() and (noise >= 0).all()):
        raise ValueError(f"Noise must be finite and not negative, got {noise}.")
    return noise
