"""A small autoencoder for rows, which starts as principal components, and its training."""

import torch
from torch import Tensor, nn

BATCH_SIZE = 128
# of the hidden layers: half of it trains twice as fast and is a third less exact
WIDTH = 128
# peak of the one-cycle learning rate
LR = 1e-2


class Bent(nn.Module):
    """A linear map plus a perceptron with smooth activations."""

    def __init__(self, n_inputs: int, n_outputs: int):
        super().__init__()
        layers = [nn.Linear(n_inputs, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU()]
        self.hidden = nn.Sequential(*layers)
        self.last = nn.Linear(WIDTH, n_outputs)
        self.skip = nn.Linear(n_inputs, n_outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the images of rows."""
        return self.skip(x) + self.last(self.hidden(x))


class Autoencoder(nn.Module):
    """An encoder and a decoder, which start at the principal components of centred rows."""

    def __init__(self, rows: Tensor, n_components: int):
        super().__init__()
        d = rows.shape[1]
        self.encode = Bent(d, n_components)
        self.decode = Bent(n_components, d)
        _, singular, directions = torch.linalg.svd(rows, full_matrices=False)
        deviation = singular / len(rows) ** 0.5
        # directions in which rows do not differ have no component
        k = int((deviation[:n_components] > 1e-6 * deviation[0]).sum())
        with torch.no_grad():
            for bent in (self.encode, self.decode):
                bent.skip.weight.zero_()
                bent.last.weight.mul_(0.1)
                bent.last.bias.zero_()
            self.encode.skip.weight[:k] = directions[:k] / deviation[:k, None]
            self.decode.skip.weight[:, :k] = directions[:k].T * deviation[:k]

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstructions of rows."""
        return self.decode(self.encode(x))


def train_autoencoder(net: Autoencoder, rows: Tensor, n_steps: int, input_noise: float) -> None:
    """Teach a net to reconstruct rows from noisy ones."""
    optimizer = torch.optim.AdamW(net.parameters(), LR, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, n_steps + 1, pct_start=0.1)
    for _ in range(n_steps):
        batch = rows[torch.randint(len(rows), (BATCH_SIZE,))]
        error = net(batch + input_noise * torch.randn_like(batch)) - batch
        optimizer.zero_grad()
        error.square().mean().backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
