"""A kernel density whose kernels have their own covariances, as a denoiser in closed form.

Noised it is the mixture of ``N(x_i, S_i + N)``: its density, score and posterior are sums over the
kernels, exact for noise levels that differ from entry to entry.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.cells import Cells
from skdiffusion.diffusion.cholesky import stable_cholesky
from skdiffusion.diffusion.denoiser import Posterior
from skdiffusion.diffusion.patterns import noise_patterns
from skdiffusion.diffusion.woodbury import Average, Form, Kernels, Woodbury, noised_form

# numbers held at once: small enough for the cache, which is several times faster than memory
_MAX_ELEMENTS = 2**19
# fewer kernels are summed in full, which for matrix products is no slower
_MIN_TRUNCATED = 8192
_CELL_SIZE = 512
# of the largest singular value: what rounding makes of zero
_DEPENDENT = 1e-10
_FIRST_CELLS = 4


class KernelDenoiser(nn.Module):
    """Exact denoiser of Gaussian kernels (n, d) with low-rank covariances (n, d, r) of their own.

    Columns in which kernels are points, such as categories, have a tiny floor and factors of zero.
    """

    log_weights: Tensor
    means: Tensor
    factors: Tensor
    floors: Tensor
    origin: Tensor

    def __init__(
        self,
        means: Tensor,
        factors: Tensor,
        floors: Tensor,
        weights: Tensor | None = None,
        *,
        tolerance: float = 1e-6,
    ):
        super().__init__()
        weights = means.new_ones(len(means)) if weights is None else weights
        if not bool((weights > 0).all() and (floors > 0).all()):
            raise ValueError("Every weight and every floor must be positive.")
        weights = weights.to(torch.float64)
        self.register_buffer("log_weights", (weights / weights.sum()).log())
        self.register_buffer("means", means.to(torch.float64))
        self.register_buffer("factors", factors.to(torch.float64))
        self.register_buffer("floors", floors.to(torch.float64))
        # squares are expanded, which loses digits far from the origin
        self.register_buffer("origin", self.means.mean(0))
        # the largest error of a log-density; zero sums all kernels
        self.tolerance = tolerance
        self._cells = self._partition()

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return self.means.shape[1]

    @property
    def weights(self) -> Tensor:
        """The weights of the kernels, of shape (n,)."""
        return self.log_weights.exp()

    def forward(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return the exact posterior mean, also for noise levels of zero and of infinity."""
        return Posterior((self._evaluate(x, sigma, "mean")[1] + self.origin).to(x.dtype))

    def log_prob(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the log-density of the noised kernels; infinite noise leaves an entry out."""
        return self._evaluate(x, sigma, None)[0].to(x.dtype)

    def log_terms_at(self, sigma: Tensor) -> Callable[[Tensor], Iterator[Tensor]]:
        """Return a function to logarithms of weight times density of each kernel, in batches.

        The noise level is the same for all rows; no kernel is left out.
        """
        levels, form = self._form(sigma)
        n_rows = self._n_rows(form)
        return lambda x: map(form.log_weights, self._centre(x, levels).split(n_rows))

    def score(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the gradient of `log_prob`, also at noise level zero."""
        return self._evaluate(x, sigma, "score")[1].to(x.dtype)

    def sample(
        self, n: int, generator: torch.Generator | None = None, sigma: float = 0.0
    ) -> Tensor:
        """Draw rows of the kernels noised at one level."""
        kernel = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        _, means, factors, floors = self._kernels().take(kernel)
        along = self._randn(n, factors.shape[2], generator=generator)
        spread = (floors + sigma**2).sqrt() * self._randn(*means.shape, generator=generator)
        return self.origin + means + torch.einsum("ndr,nr->nd", factors, along) + spread

    def sample_posterior(
        self, x: Tensor, sigma: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw a clean row for each noisy one."""
        draws = torch.empty(x.shape, dtype=torch.float64, device=x.device)
        for rows, y, levels in self._by_pattern(x, sigma):
            _, form = self._form(levels)
            chosen = [
                torch.multinomial(form.log_weights(part).softmax(1), 1, generator=generator)
                for part in y.split(self._n_rows(form))
            ]
            draws[rows] = self._draw(y, torch.cat(chosen).squeeze(1), levels, generator)
        return draws

    def sample_measured(
        self,
        matrix: Tensor,
        values: Tensor,
        noise: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw a row for each measurement (n, m) by a matrix (m, d), with noise (m,)."""
        matrix, values, noise = _independent(matrix, values, noise)
        if not len(matrix):
            return self.sample(len(values), generator)
        _, means, factors, floors = self._kernels()
        along = matrix @ factors
        covariance = along @ along.mT + (matrix * floors.unsqueeze(1)) @ matrix.mT
        root = stable_cholesky(covariance + torch.diag(noise**2))
        log_peak = self.log_weights - root.diagonal(dim1=1, dim2=2).log().sum(1)
        values, seen = values - self.origin @ matrix.mT, means @ matrix.mT
        chosen, size = [], max(1, _MAX_ELEMENTS // along[..., 0].numel())
        for part in values.split(size):
            surprise = (part.unsqueeze(1) - seen).permute(1, 2, 0)
            white = torch.linalg.solve_triangular(root, surprise, upper=False)
            share = (log_peak - (white**2).sum(1).mT / 2).softmax(1)
            chosen.append(torch.multinomial(share, 1, generator=generator).squeeze(1))
        kernel = torch.cat(chosen)
        # Matheron's rule: a draw of the kernel, moved by what it measures too little
        _, means, factors, floors = self._kernels().take(kernel)
        z = self._randn(len(means), factors.shape[2], generator=generator)
        rows = means + torch.einsum("ndr,nr->nd", factors, z)
        rows = rows + floors.sqrt() * self._randn(*means.shape, generator=generator)
        measured = rows @ matrix.mT + noise * self._randn(*values.shape, generator=generator)
        pull = torch.cholesky_solve((values - measured).unsqueeze(2), root[kernel])
        pull = (pull.squeeze(2) @ matrix).unsqueeze(2)
        moved = factors @ (factors.mT @ pull) + floors.unsqueeze(2) * pull
        return self.origin + rows + moved.squeeze(2)

    def marginal(self, kept: Tensor) -> "KernelDenoiser":
        """Return the distribution of some of the columns."""
        floors = self.floors if self.floors.dim() == 1 else self.floors[:, kept]
        parts = self.means[:, kept], self.factors[:, kept], floors, self.weights
        return KernelDenoiser(*parts, tolerance=self.tolerance)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "KernelDenoiser":
        # the partition holds tensors too, on the device of the kernels
        super()._apply(fn, recurse)
        self._cells = self._partition()
        return self

    def _partition(self) -> Cells | None:
        truncated = len(self.means) >= _MIN_TRUNCATED and self.tolerance > 0
        return Cells.of(self._kernels(), _CELL_SIZE) if truncated else None

    def _kernels(self) -> Kernels:
        """Return the kernels, centred."""
        floors = self.floors.reshape(len(self.means), -1)
        return Kernels(self.log_weights, self.means - self.origin, self.factors, floors)

    def _form(self, sigma: Tensor) -> tuple[Tensor, Form]:
        """Return the noise levels of all columns, and the kernels noised by them."""
        levels = sigma.to(torch.float64).expand(self.n_features)
        return levels, noised_form(self._kernels(), levels)

    def _randn(self, *shape: int, generator: torch.Generator | None) -> Tensor:
        return torch.randn(
            *shape, generator=generator, dtype=torch.float64, device=self.means.device
        )

    def _centre(self, x: Tensor, levels: Tensor) -> Tensor:
        """Centre rows, with a number in place of what infinite noise hides."""
        return torch.where(torch.isfinite(levels), x.to(torch.float64) - self.origin, 0.0)

    def _by_pattern(self, x: Tensor, sigma: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield rows that share their noise levels: their indices, the centred rows, the levels."""
        patterns, index = noise_patterns(x, sigma)
        for pattern, levels in enumerate(patterns):
            rows = torch.nonzero(index == pattern).squeeze(1)
            yield rows, self._centre(x[rows], levels), levels

    def _draw(
        self, y: Tensor, kernel: Tensor, levels: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Draw from the posterior of one kernel for each row."""
        chosen = self._kernels().take(kernel)
        wood = Woodbury.of(chosen, levels)
        z = torch.einsum("ndr,nd->nr", wood.W, y - chosen.means)
        z = z + self._randn(*z.shape, generator=generator)
        spread = wood.floor_part.sqrt() * self._randn(*y.shape, generator=generator)
        mean = self.origin + chosen.means + wood.g * (y - chosen.means)
        return mean + torch.einsum("ndr,nr->nd", wood.G, z) + spread

    def _evaluate(self, x: Tensor, sigma: Tensor, average: Average | None) -> tuple[Tensor, Tensor]:
        """Return log-densities, and an average over the kernels of each row."""
        log_prob, value = self._empty(x, average)
        for rows, y, levels in self._by_pattern(x, sigma):
            log_prob[rows], value[rows] = self._evaluate_pattern(y, levels, average)
        return log_prob, value

    def _empty(self, x: Tensor, average: Average | None) -> tuple[Tensor, Tensor]:
        """Return what sums over no kernels are; without an average it has no columns."""
        width = 0 if average is None else self.n_features
        value = self.means.new_zeros(len(x), width)
        return self.means.new_full((len(x),), -math.inf), value

    def _evaluate_pattern(
        self, y: Tensor, levels: Tensor, average: Average | None
    ) -> tuple[Tensor, Tensor]:
        if self._cells is None:
            form = noised_form(self._kernels(), levels, average or "mean")
            return self._evaluate_form(y, form, average)
        bounds = self._cells.log_bounds(y, levels)
        first = bounds.topk(min(_FIRST_CELLS, bounds.shape[1]), dim=1).indices
        nearest = torch.zeros_like(bounds, dtype=torch.bool).scatter_(1, first, True)
        log_prob, value = self._evaluate_cells(self._cells, y, levels, average, nearest)
        # all cells left out together must stay below the tolerance
        negligible = log_prob + math.log(self.tolerance / bounds.shape[1])
        others = (bounds > negligible.unsqueeze(1)) & ~nearest
        rest = self._evaluate_cells(self._cells, y, levels, average, others)
        return _merge(log_prob, value, *rest)

    def _evaluate_cells(
        self, cells: Cells, y: Tensor, levels: Tensor, average: Average | None, wanted: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Do as `_evaluate_form`, each row with the cells it wants, given as (m, c) of bool."""
        kernels, (log_prob, value) = self._kernels(), self._empty(y, average)
        for index, wanting in zip(cells.members, wanted.mT, strict=True):
            rows = torch.nonzero(wanting).squeeze(1)
            if len(rows):
                form = noised_form(kernels.take(index), levels, average or "mean")
                part = self._evaluate_form(y[rows], form, average)
                log_prob[rows], value[rows] = _merge(log_prob[rows], value[rows], *part)
        return log_prob, value

    def _evaluate_form(
        self, y: Tensor, form: Form, average: Average | None
    ) -> tuple[Tensor, Tensor]:
        log_probs, values = [], []
        for rows in y.split(self._n_rows(form)):
            log_weights = form.log_weights(rows)
            log_prob = log_weights.logsumexp(1)
            log_probs.append(log_prob)
            if average is None:
                values.append(rows[:, :0])
            else:
                values.append(form.average((log_weights - log_prob.unsqueeze(1)).exp(), rows))
        return torch.cat(log_probs), torch.cat(values)

    @staticmethod
    def _n_rows(form: Form) -> int:
        return max(1, _MAX_ELEMENTS // (len(form.offset) * form.width))


def _independent(matrix: Tensor, values: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return measurements of which those without noise depend on no others, by least squares."""
    exact = noise == 0
    U, scales, V = torch.linalg.svd(matrix[exact], full_matrices=False)
    kept = scales > _DEPENDENT * scales.amax() if len(scales) else scales > 0
    sums = scales[kept].unsqueeze(1) * V[kept], matrix[~exact]
    told = values[:, exact] @ U[:, kept], values[:, ~exact]
    return torch.cat(sums), torch.cat(told, dim=1), torch.cat([0 * scales[kept], noise[~exact]])


def _merge(log_a: Tensor, value_a: Tensor, log_b: Tensor, value_b: Tensor) -> tuple[Tensor, Tensor]:
    """Join averages over two sets of kernels."""
    total = torch.logaddexp(log_a, log_b)
    # where neither set has a kernel, any number will do
    top = torch.where(torch.isfinite(total), total, 0.0)
    share_a, share_b = (log_a - top).exp().unsqueeze(1), (log_b - top).exp().unsqueeze(1)
    return total, share_a * value_a + share_b * value_b
