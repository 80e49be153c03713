"""Distinct patterns of noise levels, and matrices applied pattern by pattern."""

import pytest
import torch

from skdiffusion.diffusion.patterns import apply_by_pattern, noise_patterns


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class TestNoisePatterns:
    @pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 1), (1, 3)])
    def test_shared_by_all_rows(self, shape):
        sigma = torch.rand(shape) + 0.1
        patterns, index = noise_patterns(torch.zeros(5, 3), sigma)
        assert patterns.shape == (1, 3)
        assert torch.equal(patterns[index], sigma.double().expand(5, 3))

    @pytest.mark.parametrize("columns", [1, 4])
    def test_one_pattern_per_distinct_row(self, columns):
        distinct = torch.rand(7, columns, generator=torch.Generator().manual_seed(0)) + 0.1
        member = torch.randint(7, (40,), generator=torch.Generator().manual_seed(1))
        sigma = distinct[member]
        patterns, index = noise_patterns(torch.zeros(40, 4), sigma)
        assert torch.equal(patterns[index], sigma.double().expand(40, 4))
        assert len(patterns) == len(member.unique())
        assert len(torch.unique(patterns, dim=0)) == len(patterns)
        assert patterns.dtype == torch.float64

    @pytest.mark.parametrize("member", [[2, 2, 2, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1, 0, 0, 0]])
    def test_rows_of_one_pattern_stand_together(self, member):
        """In the order in which they come, and as one where they come again."""
        member = torch.tensor(member)
        distinct = torch.tensor([[0.3, 0.1], [0.1, 0.2], [0.2, 0.3]], dtype=torch.float64)
        patterns, index = noise_patterns(torch.zeros(9, 2), distinct[member])
        assert torch.equal(patterns[index], distinct[member])
        assert len(patterns) == len(member.unique())

    def test_coincidence_of_the_weighted_sums(self):
        """Rows are told apart by their sum with weights 1 ... sqrt(2): here two sums agree."""
        root = torch.tensor(2.0, dtype=torch.float64).sqrt()
        one, zero = torch.ones_like(root), torch.zeros_like(root)
        sigma = torch.stack(
            [torch.stack([root, zero]), torch.stack([zero, one]), torch.stack([root, zero])]
        )
        patterns, index = noise_patterns(torch.zeros(3, 2), sigma)
        assert torch.equal(patterns[index], sigma)
        assert len(patterns) == 2

    def test_gradient_free_of_the_dtype_of_rows(self):
        patterns, _ = noise_patterns(torch.zeros(2, 1), torch.tensor([[0.1], [0.2]]))
        assert torch.equal(patterns, torch.tensor([[0.1], [0.2]]).double())


class TestApplyByPattern:
    @pytest.mark.parametrize(
        "index",
        [
            [0, 0, 0, 0, 0, 0],
            [2, 1, 0, 0, 1, 2],  # equally many rows of each
            [0, 0, 1, 1, 2, 2],  # and in order
            [1, 0, 1, 1, 2, 1],
            [0, 3, 3, 3, 0, 3],  # patterns without rows
            [5, 4, 3, 2, 1, 0],  # a pattern for each row
        ],
    )
    def test_against_a_loop(self, index):
        index = torch.tensor(index)
        matrices, vectors = normal(int(index.max()) + 1, 2, 3, 3), normal(6, 2, 3, seed=1)
        expected = torch.stack(
            [
                torch.stack([matrices[g, k] @ vectors[i, k] for k in range(2)])
                for i, g in enumerate(index.tolist())
            ]
        )
        torch.testing.assert_close(apply_by_pattern(matrices, vectors, index), expected)

    def test_gradient(self):
        """The derivative of the product in the vectors is the matrix, in every branch."""
        for index in ([0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 0]):
            index = torch.tensor(index)
            matrices = normal(int(index.max()) + 1, 1, 2, 2)
            vectors = normal(4, 1, 2).requires_grad_()
            product = apply_by_pattern(matrices, vectors, index)
            (gradient,) = torch.autograd.grad(product[..., 1].sum(), vectors)
            torch.testing.assert_close(gradient, matrices[index][..., 1, :])
