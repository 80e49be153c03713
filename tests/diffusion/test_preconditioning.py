"""White coordinates and the preconditioned network, against linear algebra and EDM's formulas."""

import copy
import pickle

import pytest
import torch
from torch import nn

from skdiffusion.diffusion.gaussians import GaussianDenoiser, MixtureDenoiser
from skdiffusion.diffusion.preconditioning import Preconditioned, WhiteFrame
from skdiffusion.nets import ResidualMLP

N, D = 10, 4


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


EYE = torch.eye(D, dtype=torch.float64)
MEAN = normal(D, seed=1)
_root = normal(D, D, seed=2)
COV = _root @ _root.T + 0.01 * EYE
GAUSSIANS = {
    "full": GaussianDenoiser(MEAN, COV),
    "diagonal": GaussianDenoiser(MEAN, torch.tensor([0.5, 4.0, 1.0, 0.01]).double()),
    "thin": GaussianDenoiser(MEAN, _root[:, :2] @ _root[:, :2].T + 1e-4 * EYE),
}
every_gaussian = pytest.mark.parametrize("gaussian", GAUSSIANS.values(), ids=GAUSSIANS)
_entries = torch.exp(1.5 * normal(3, D, seed=3) - 1)
LEVELS = {
    "scalar": torch.tensor(0.3, dtype=torch.float64),
    "per row": torch.exp(normal(N, 1, seed=4)),
    "few patterns": _entries[torch.tensor([2, 0, 1, 1, 1, 0, 2, 2, 1, 0])],
    "per entry": torch.exp(1.5 * normal(N, D, seed=5) - 1),
    "known and unknown": torch.tensor([[0.005, 20.0, 0.005, 20.0]], dtype=torch.float64),
}
every_level = pytest.mark.parametrize("sigma", LEVELS.values(), ids=LEVELS)
_second = normal(D, D, seed=15)
MIXTURE = MixtureDenoiser(
    torch.tensor([0.7, 0.3]),
    torch.stack([MEAN - 1, MEAN + 1]),
    torch.stack([COV / 2, _second @ _second.T + 0.05 * EYE]),
)
X = MEAN + 2 * normal(N, D, seed=6)


def covariance(gaussian):
    return torch.diag(gaussian.cov) if gaussian.is_diagonal else gaussian.cov


def each_row(sigma):
    """Noise levels of each row, and its noise covariance."""
    return [(row, torch.diag(row**2)) for row in sigma.expand(N, D)]


def posterior_covariance(S, noise):
    """Of the clean row given the noisy one, from the two precisions."""
    return torch.linalg.inv(torch.linalg.inv(S) + torch.linalg.inv(noise))


class RandomNet(nn.Module):
    """An arbitrary smooth function of all its inputs."""

    def __init__(self, rotation=None):
        super().__init__()
        self.enter = nn.Parameter(normal(D, 8, seed=7))
        self.level = nn.Parameter(normal(D, 8, seed=8))
        self.leave = nn.Parameter(normal(8, D, seed=9))
        self.rotation = EYE if rotation is None else rotation

    def forward(self, inputs, log_sigma):
        hidden = torch.tanh(inputs @ self.rotation @ self.enter + log_sigma @ self.level)
        return hidden @ self.leave @ self.rotation.T


@every_gaussian
@every_level
class TestWhiteFrame:
    def test_noisy_rows_become_white(self, gaussian, sigma):
        """``W (S + N) W' = 1`` for the linear map ``W`` from a row to its white coordinates."""
        frame = WhiteFrame(gaussian)
        for row, noise in each_row(sigma):
            white = frame(MEAN + EYE, row).white.T
            identity = white @ (covariance(gaussian) + noise) @ white.T
            torch.testing.assert_close(identity, EYE, rtol=0, atol=1e-8)

    def test_map_is_affine(self, gaussian, sigma):
        """The mean goes to zero, and the map of the rows above is all there is."""
        frame = WhiteFrame(gaussian)
        torch.testing.assert_close(frame(MEAN.expand(N, D), sigma).white, torch.zeros_like(X))
        for i, (row, _) in enumerate(each_row(sigma)):
            linear = frame(MEAN + EYE, row).white
            torch.testing.assert_close(frame(X, sigma).white[i], (X[i] - MEAN) @ linear)

    def test_root_is_that_of_the_posterior_covariance(self, gaussian, sigma):
        coordinates = WhiteFrame(gaussian)(X, sigma)
        for i, (_, noise) in enumerate(each_row(sigma)):
            root = coordinates.root[coordinates.pattern[i]]
            root = torch.diag(root) if root.dim() == 1 else root
            expected = posterior_covariance(covariance(gaussian), noise)
            torch.testing.assert_close(root @ root.T, expected, rtol=1e-6, atol=1e-9)

    def test_mean_is_the_gaussian_posterior_mean(self, gaussian, sigma):
        mean = WhiteFrame(gaussian)(X, sigma).mean
        torch.testing.assert_close(mean, gaussian(X, sigma).mean, rtol=1e-8, atol=1e-8)

    def test_colour_multiplies_by_the_root(self, gaussian, sigma):
        coordinates = WhiteFrame(gaussian)(X, sigma)
        vectors = normal(N, D, seed=10)
        roots = coordinates.root[coordinates.pattern]
        full = torch.diag_embed(roots) if roots.dim() == 2 else roots
        expected = torch.stack([root @ v for root, v in zip(full, vectors, strict=True)])
        torch.testing.assert_close(coordinates.colour(vectors), expected)

    def test_uncolour_inverts_colour(self, gaussian, sigma):
        coordinates = WhiteFrame(gaussian)(X, sigma)
        vectors = normal(N, D, seed=10)
        torch.testing.assert_close(coordinates.uncolour(coordinates.colour(vectors)), vectors)
        torch.testing.assert_close(coordinates.colour(coordinates.uncolour(vectors)), vectors)


class TestWhiteTargets:
    """What the network is to learn is white and tells nothing that the Gaussian knows."""

    @pytest.mark.parametrize("name", ["full", "diagonal"])
    @pytest.mark.parametrize("level", ["scalar", "known and unknown"])
    def test_draws(self, name, level):
        gaussian, n = GAUSSIANS[name], 40_000
        sigma = LEVELS[level]
        x0 = gaussian.sample(n, seeded(11))
        coordinates = WhiteFrame(gaussian)(x0 + sigma * normal(n, D, seed=12), sigma)
        both = torch.cat([coordinates.white, coordinates.uncolour(x0 - coordinates.mean)], dim=1)
        # the variance of a covariance of white numbers is at most 2 / n
        error = (both.T @ both / n - torch.eye(2 * D)).abs().max()
        assert error < 5 * (2 / n) ** 0.5
        assert both.mean(0).abs().max() < 5 / n**0.5


class TestContinuity:
    """Nearly the same noise levels give nearly the same coordinates."""

    @every_gaussian
    def test_nearly_uniform_noise(self, gaussian):
        frame, sigma = WhiteFrame(gaussian), LEVELS["scalar"]
        uniform = frame(X, sigma)
        nearly = frame(X, sigma * (1 + 1e-9 * normal(N, D, seed=13)))
        vectors = normal(N, D, seed=10)
        torch.testing.assert_close(nearly.white, uniform.white, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(nearly.mean, uniform.mean, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(
            nearly.colour(vectors), uniform.colour(vectors), rtol=1e-6, atol=1e-6
        )

    @every_level
    def test_diagonal_equals_full(self, sigma):
        """Up to the order and the sign of white columns, which colouring undoes."""
        diagonal = GAUSSIANS["diagonal"]
        full = GaussianDenoiser(MEAN, torch.diag(diagonal.cov))
        ours, other = WhiteFrame(full)(X, sigma), WhiteFrame(diagonal)(X, sigma)
        order = diagonal.cov.argsort(descending=True)
        torch.testing.assert_close(ours.white.abs(), other.white[:, order].abs())
        torch.testing.assert_close(ours.mean, other.mean)
        torch.testing.assert_close(ours.colour(ours.white), other.colour(other.white))
        expected = other.uncolour(X)[:, order].abs()
        torch.testing.assert_close(ours.uncolour(X).abs(), expected)

    def test_uniform_noise_keeps_the_principal_components(self):
        """Leading direction first, each scaled by its own noised deviation."""
        frame, sigma = WhiteFrame(GAUSSIANS["full"]), LEVELS["scalar"]
        _, deviations, directions = torch.linalg.svd(_root.T)
        variances = deviations**2 + 0.01 + sigma**2
        expected = (X - MEAN) @ directions.T / variances.sqrt()
        torch.testing.assert_close(frame(X, sigma).white.abs(), expected.abs())

    def test_no_variance_in_a_direction(self):
        """Coordinates stay finite, and the mean exact, however singular the covariance."""
        for cov in (torch.zeros(D), torch.diag(torch.zeros(D)), torch.ones(D, D)):
            gaussian = GaussianDenoiser(MEAN, cov)
            for sigma in LEVELS.values():
                coordinates = WhiteFrame(gaussian)(X, sigma)
                assert all(part.isfinite().all() for part in coordinates if part is not None)
                assert coordinates.uncolour(X).isfinite().all()
                expected = gaussian(X, sigma).mean
                torch.testing.assert_close(coordinates.mean, expected, rtol=1e-6, atol=1e-6)


class TestPreconditioned:
    @pytest.mark.parametrize("level", ["scalar", "per row"])
    @pytest.mark.parametrize("deviation", [0.5, 1.7])
    def test_isotropic_is_edm(self, level, deviation):
        """``c_skip x + c_out F(c_in x)`` of Karras et al., table 1, for an arbitrary network."""
        sigma, net = LEVELS[level], RandomNet()
        gaussian = GaussianDenoiser(torch.zeros(D), torch.full((D,), deviation**2).double())
        c_skip = deviation**2 / (sigma**2 + deviation**2)
        c_out = sigma * deviation / (sigma**2 + deviation**2).sqrt()
        c_in = 1 / (sigma**2 + deviation**2).sqrt()
        expected = c_skip * X + c_out * net(c_in * X, sigma.log().expand(N, D))
        torch.testing.assert_close(Preconditioned(net, gaussian)(X, sigma).mean, expected)

    def test_isotropic_as_a_matrix_is_edm_in_a_rotated_frame(self):
        sigma = LEVELS["scalar"]
        gaussian = GaussianDenoiser(torch.zeros(D), 4 * EYE)
        frame = WhiteFrame(gaussian)
        # the orthogonal map from rows to the frame, read off where there is next to no noise
        rotation = 2 * frame(EYE, torch.tensor(1e-9)).white.T
        expected = Preconditioned(
            RandomNet(), GaussianDenoiser(torch.zeros(D), torch.full((D,), 4))
        )
        actual = Preconditioned(RandomNet(rotation=rotation), gaussian)
        torch.testing.assert_close(actual(X, sigma), expected(X, sigma))

    @every_level
    def test_variances_of_their_own_are_edm_per_column(self, sigma):
        """Diagonal covariance and per-entry noise: the same formulas entry by entry."""
        gaussian, net = GAUSSIANS["diagonal"], RandomNet()
        variance, noise = gaussian.cov, sigma.expand(N, D) ** 2
        c_in = 1 / (noise + variance).sqrt()
        correction = net(c_in * (X - MEAN), 0.5 * noise.log())
        expected = (
            MEAN + variance * c_in**2 * (X - MEAN) + (noise * variance).sqrt() * c_in * correction
        )
        torch.testing.assert_close(Preconditioned(net, gaussian)(X, sigma).mean, expected)

    @every_gaussian
    @every_level
    @pytest.mark.parametrize("with_baseline", [False, True])
    def test_untrained_network_leaves_the_gaussian(self, gaussian, sigma, with_baseline):
        net = ResidualMLP(2 * D if with_baseline else D, D, width=8, depth=1)
        denoiser = Preconditioned(net, gaussian, MIXTURE if with_baseline else None)
        mean = denoiser(X, sigma).mean
        torch.testing.assert_close(mean, gaussian(X, sigma).mean, rtol=1e-8, atol=1e-8)

    @every_gaussian
    @every_level
    def test_a_network_that_passes_the_direction_on_is_the_baseline(self, gaussian, sigma):
        class PassOn(nn.Module):
            def __init__(self):
                super().__init__()
                self.one = nn.Parameter(torch.ones(1, dtype=torch.float64))

            def forward(self, inputs, log_sigma):
                return inputs[:, D:]

        denoiser = Preconditioned(PassOn(), gaussian, MIXTURE)
        expected = MIXTURE(X, sigma).mean
        torch.testing.assert_close(denoiser(X, sigma).mean, expected, rtol=1e-7, atol=1e-7)

    @every_gaussian
    @every_level
    def test_rows_do_not_depend_on_their_batch(self, gaussian, sigma):
        torch.manual_seed(0)
        net = ResidualMLP(2 * D, D, width=16, depth=2).double()
        nn.init.normal_(net.leave.weight)
        denoiser = Preconditioned(net, gaussian, MIXTURE)
        together = denoiser(X, sigma).mean
        for i, (row, _) in enumerate(each_row(sigma)):
            alone = denoiser(X[i : i + 1], row).mean[0]
            torch.testing.assert_close(together[i], alone, rtol=1e-7, atol=1e-7)

    def test_prepare_and_mean_are_the_two_halves_of_forward(self):
        net = ResidualMLP(2 * D, D, width=8)
        nn.init.normal_(net.leave.weight)
        denoiser = Preconditioned(net, GAUSSIANS["full"], MIXTURE)
        sigma = LEVELS["per entry"]
        prepared = denoiser.prepare(X, sigma)
        correction = denoiser.correction(prepared)
        torch.testing.assert_close(denoiser.mean(prepared, correction), denoiser(X, sigma).mean)
        torch.testing.assert_close(prepared.log_sigma, sigma.log())

    def test_dtype_of_the_rows(self):
        """Float32 in, float32 out, with a network in float32 or float64."""
        for net in (RandomNet(), RandomNet().float()):
            net.rotation = net.rotation.to(net.enter.dtype)
            denoiser = Preconditioned(net, GAUSSIANS["full"])
            for dtype in (torch.float32, torch.float64):
                mean = denoiser(X.to(dtype), LEVELS["per row"].to(dtype)).mean
                assert mean.dtype == dtype
                expected = denoiser(X, LEVELS["per row"]).mean
                torch.testing.assert_close(mean.double(), expected, rtol=1e-4, atol=1e-4)

    def test_only_the_network_is_trained(self):
        denoiser = Preconditioned(ResidualMLP(2 * D, D, width=8), GAUSSIANS["full"], MIXTURE)
        assert {id(p) for p in denoiser.parameters()} == {id(p) for p in denoiser.net.parameters()}

    @every_gaussian
    @pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
    def test_copies(self, gaussian, duplicate):
        net = ResidualMLP(2 * D, D, width=8)
        nn.init.normal_(net.leave.weight)
        denoiser = Preconditioned(net, gaussian, MIXTURE)
        sigma = LEVELS["per entry"]
        assert torch.equal(duplicate(denoiser)(X, sigma).mean, denoiser(X, sigma).mean)
