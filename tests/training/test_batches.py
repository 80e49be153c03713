"""Batches of rows, drawn without replacement for as long as that goes."""

import pytest
import torch
from skorch.dataset import Dataset

from skdiffusion.training.batches import RowBatches

ROWS = torch.arange(10.0)[:, None]


def drawn(batch_size, n_steps, rows=ROWS):
    return [batch for batch, _ in RowBatches(Dataset(rows), batch_size, n_steps)]


class TestRowBatches:
    @pytest.mark.parametrize(("batch_size", "n_steps"), [(3, 7), (5, 2), (10, 3), (25, 2), (1, 1)])
    def test_sizes(self, batch_size, n_steps):
        """Always full batches, as many as asked for, be the table smaller or larger."""
        batches = drawn(batch_size, n_steps)
        assert [len(batch) for batch in batches] == [batch_size] * n_steps
        assert len(RowBatches(Dataset(ROWS), batch_size, n_steps)) == n_steps

    @pytest.mark.parametrize(("batch_size", "n_steps"), [(3, 7), (4, 5), (25, 2)])
    def test_every_row_before_any_again(self, batch_size, n_steps):
        rows = torch.cat(drawn(batch_size, n_steps)).flatten()
        for turn in rows.split(len(ROWS)):
            assert len(turn.unique()) == len(turn)

    def test_shuffled_by_the_torch_generator(self):
        torch.manual_seed(0)
        first, other = torch.cat(drawn(10, 1)), torch.cat(drawn(10, 1))
        torch.manual_seed(0)
        assert torch.equal(torch.cat(drawn(10, 1)), first)
        assert not torch.equal(first, other)
        assert not torch.equal(first, ROWS)

    def test_passes_differ(self):
        """Iterating again shuffles again."""
        batches = RowBatches(Dataset(ROWS), 10, 1)
        torch.manual_seed(0)
        (first,), (second,) = ([rows for rows, _ in batches] for _ in range(2))
        assert not torch.equal(first, second)

    def test_validation_keeps_the_order(self):
        state = torch.get_rng_state()
        (rows,) = drawn(-1, None)
        assert torch.equal(rows, ROWS)
        assert torch.equal(torch.get_rng_state(), state)
        assert len(RowBatches(Dataset(ROWS), -1)) == 1

    def test_all_rows_in_one_batch(self):
        (rows,) = drawn(-1, 1)
        assert torch.equal(rows.sort(0).values, ROWS)

    def test_rows_stay_whole(self):
        table = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
        for row in torch.cat(drawn(4, 4, table)):
            assert (row == table).all(1).any()

    @pytest.mark.parametrize("n_steps", [2, None])
    def test_weights_go_with_their_rows(self, n_steps):
        weights = torch.arange(10.0) / 2
        for rows, weight in RowBatches(Dataset(ROWS, weights), 3, n_steps):
            assert torch.equal(rows.squeeze(1) / 2, weight)

    @pytest.mark.parametrize("n_steps", [2, None])
    def test_without_weights_they_are_empty(self, n_steps):
        assert all(weight.numel() == 0 for _, weight in RowBatches(Dataset(ROWS), 3, n_steps))
