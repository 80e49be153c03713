"""Denoising onto planes: exact on flat data, on the manifold on curved data."""

import pytest
import torch

from skdiffusion.diffusion import GaussianDenoiser
from skdiffusion.diffusion.tangent_denoiser import Frame, Planes, TangentDenoiser

FLOOR = 0.01


def normal(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


class Nowhere(torch.nn.Module):
    """A denoiser that leaves rows where they are, and cannot be right."""

    def forward(self, x, sigma):
        from skdiffusion.diffusion import Posterior

        return Posterior(x)


def flat(n=200, d=4, k=2):
    """Planes along the first axes, all the same."""
    anchors = torch.zeros(n, d, dtype=torch.float64)
    anchors[:, :k] = 2 * normal(n, k, seed=0)
    bases = torch.eye(d, dtype=torch.float64)[:, :k].expand(n, d, k)
    return Planes(anchors, anchors, bases, torch.full((n,), FLOOR, dtype=torch.float64))


def ring(n=400):
    angle = torch.linspace(0, 2 * torch.pi, n + 1)[:-1].double()
    points = torch.stack([angle.cos(), angle.sin()], dim=1)
    bases = torch.stack([-angle.sin(), angle.cos()], dim=1).unsqueeze(2)
    return Planes(points, points, bases, torch.zeros(n, dtype=torch.float64))


class TestFlat:
    @pytest.mark.parametrize(
        "sigma", [torch.tensor(0.3), torch.tensor([0.1, 0.4, 0.2, 0.3]), normal(50, 4, seed=3)]
    )
    def test_a_gaussian_stays_as_it_is(self, sigma):
        """Its own planes and floor tell an exact denoiser nothing new."""
        sigma = sigma.double().abs() + 0.01
        cov = torch.tensor([4.0, 4.0, FLOOR, FLOOR], dtype=torch.float64)
        gaussian = GaussianDenoiser(torch.zeros(4), cov)
        x = normal(50, 4, seed=1)
        coupled = TangentDenoiser(gaussian, flat(), 100.0, 200.0)
        torch.testing.assert_close(coupled(x, sigma).mean, gaussian(x, sigma).mean)

    def test_across_the_planes_the_floor_decides(self):
        x, sigma = normal(50, 4, seed=1), torch.tensor(0.2)
        mean = TangentDenoiser(Nowhere(), flat(), 1.0, 2.0)(x, sigma).mean
        torch.testing.assert_close(mean[:, :2], x[:, :2])
        torch.testing.assert_close(mean[:, 2:], x[:, 2:] * FLOOR / (FLOOR + 0.04))

    def test_above_the_second_level_nothing_changes(self):
        x, sigma = normal(50, 4, seed=1), torch.tensor(2.0)
        coupled = TangentDenoiser(Nowhere(), flat(), 1.0, 2.0)
        torch.testing.assert_close(coupled(x, sigma).mean, x)
        half = coupled(x, torch.tensor(2**0.5)).mean[:, 2:]
        torch.testing.assert_close(half, x[:, 2:] * (1 + FLOOR / (FLOOR + 2)) / 2)

    def test_the_largest_level_of_a_row_counts(self):
        x, sigma = normal(1, 4, seed=1), torch.tensor([[0.1, 0.1, 0.1, 2.0]])
        coupled = TangentDenoiser(Nowhere(), flat(), 1.0, 2.0)
        torch.testing.assert_close(coupled(x, sigma).mean, x)

    def test_entries(self):
        x, sigma = normal(50, 5, seed=1), torch.tensor(0.2)
        entries = torch.tensor([4, 0, 1, 2])
        coupled = TangentDenoiser(Nowhere(), flat(), 1.0, 2.0, entries=entries)
        alone = TangentDenoiser(Nowhere(), flat(), 1.0, 2.0)
        mean = coupled(x, sigma).mean
        torch.testing.assert_close(mean[:, entries], alone(x[:, entries], sigma).mean)
        torch.testing.assert_close(mean[:, 3], x[:, 3])

    def test_across_the_frame_nothing_changes(self):
        x, sigma = normal(50, 4, seed=1), torch.tensor(0.2)
        frame = Frame(torch.zeros(4).double(), torch.eye(4, dtype=torch.float64)[:, :3])
        coupled = TangentDenoiser(Nowhere(), flat(d=3), 1.0, 2.0, frame=frame)
        mean = coupled(x, sigma).mean
        entries = coupled(x, sigma * torch.tensor([1, 1, 1, 1 + 1e-9])).mean
        torch.testing.assert_close(mean, entries)
        torch.testing.assert_close(mean[:, 3], x[:, 3])
        torch.testing.assert_close(mean[:, 2], x[:, 2] * FLOOR / (FLOOR + 0.04))

    @pytest.mark.parametrize("sigma", [[1e-4, 0.5], [0.3, 0.6], [0.5, 0.1]])
    def test_entries_decide_where_on_the_plane_by_their_precision(self, sigma):
        """On the diagonal both entries tell of one number, and one without noise tells all."""
        line = torch.linspace(-2, 2, 41).double()
        anchors = torch.stack([line, line], dim=1)
        bases = torch.full((41, 2, 1), 0.5**0.5, dtype=torch.float64)
        planes = Planes(anchors, anchors, bases, torch.zeros(41, dtype=torch.float64))
        x, sigma = torch.tensor([[0.5, 0.9]]).double(), torch.tensor([sigma]).double()
        mean = TangentDenoiser(Nowhere(), planes, 1.0, 2.0)(x, sigma).mean
        expected = (x * sigma**-2).sum() / (sigma**-2).sum()
        torch.testing.assert_close(mean, expected.expand(1, 2))

    def test_distance(self):
        x = normal(50, 4, seed=1)
        coupled = TangentDenoiser(Nowhere(), flat(), 1.0, 2.0)
        torch.testing.assert_close(coupled.distance(x), x[:, 2:].norm(dim=1))


class TestCurved:
    def test_rows_come_onto_the_ring(self):
        x = 1.2 * ring().anchors[::7] + 0.05 * normal(58, 2, seed=2)
        coupled = TangentDenoiser(Nowhere(), ring(), 1.0, 2.0)
        radius = coupled(x, torch.tensor(0.1)).mean.norm(dim=1)
        torch.testing.assert_close(radius, torch.ones_like(radius), rtol=0, atol=0.01)

    def test_continuous(self):
        """Planes enter and leave the average without a jump."""
        angle = torch.linspace(0, 0.1, 2001).double()
        x = 1.05 * torch.stack([angle.cos(), angle.sin()], dim=1)
        mean = TangentDenoiser(Nowhere(), ring(), 1.0, 2.0)(x, torch.tensor(0.1)).mean
        steps = (mean[1:] - mean[:-1]).norm(dim=1)
        assert steps.max() < 1.5 * steps.median()

    def test_each_row_by_itself(self):
        x = normal(20, 2, seed=4)
        coupled = TangentDenoiser(Nowhere(), ring(), 1.0, 2.0)
        together = coupled(x, torch.tensor(0.1)).mean
        alone = torch.cat([coupled(row[None], torch.tensor(0.1)).mean for row in x])
        torch.testing.assert_close(together, alone)


def test_rows_in_parts(monkeypatch):
    """Memory is bounded by taking rows part by part, which changes nothing."""
    x, sigma = normal(50, 4, seed=1), normal(50, 4, seed=3).abs() + 0.01
    coupled = TangentDenoiser(Nowhere(), flat(), 1.0, 2.0)
    whole = coupled(x, sigma).mean
    monkeypatch.setattr(
        "skdiffusion.diffusion.tangent_denoiser._MAX_ELEMENTS", 7 * coupled.n_planes * 8
    )
    pull, sizes = coupled._pull, []
    monkeypatch.setattr(
        coupled, "_pull", lambda *parts: sizes.append(len(parts[0])) or pull(*parts)
    )
    torch.testing.assert_close(coupled(x, sigma).mean, whole)
    assert len(sizes) > 1
    assert max(sizes) == 7
