"""Diffusion baselines, written from their papers, on one multilayer perceptron.

As in `benchmarks._baselines`, a method is ``fit(train, seed) -> sample`` with
``sample(n, seed) -> Z``.
"""

import math
from itertools import pairwise

import numpy as np
import torch
from sklearn.preprocessing import QuantileTransformer
from torch import nn

from benchmarks._baselines import RowCoder, class_labels, feature_coder


class RowMLP(nn.Module):
    """The network of TabDDPM: embeddings of time and class, added to a projection of the row.

    Kotelnikov et al., "TabDDPM: Modelling tabular data with diffusion models", ICML 2023,
    section 4, with two hidden layers of 256 units.
    """

    def __init__(self, n_columns, n_classes, width=256, embedding=128):
        super().__init__()
        self.frequencies = torch.exp(-math.log(10_000) * torch.linspace(0, 1, embedding // 2))
        self.time = nn.Sequential(
            nn.Linear(embedding, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        self.label = nn.Embedding(n_classes, embedding)
        self.row = nn.Linear(n_columns, embedding)
        self.body = nn.Sequential(
            nn.Linear(embedding, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, n_columns),
        )

    def forward(self, x, time, label):
        angles = time[:, None] * self.frequencies
        waves = torch.cat([angles.cos(), angles.sin()], dim=1)
        return self.body(self.row(x) + self.time(waves) + self.label(label))


def train_network(loss, net, x, label, n_steps, generator, batch_size=256, lr=1e-3):
    """Minimise ``loss(x, label)`` over random batches: AdamW, learning rate falling to 0."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=n_steps)
    for _ in range(n_steps):
        batch = torch.randint(len(x), (batch_size,), generator=generator)
        optimizer.zero_grad()
        loss(x[batch], label[batch]).backward()
        optimizer.step()
        decay.step()
    net.eval()


def seeded_network(n_columns, n_classes, seed):
    """Build a network and a generator without touching the global random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = RowMLP(n_columns, n_classes)
    return net, torch.Generator().manual_seed(seed)


class Labels:
    """The class label of each row as a condition; a single class for regression."""

    def __init__(self, train):
        self.train = train
        self.classes = np.unique(train.y) if train.is_classification else np.zeros(1)
        codes = np.searchsorted(self.classes, train.y) if train.is_classification else 0 * train.y
        self.codes = torch.as_tensor(codes, dtype=torch.long)

    def draw(self, n):
        """Return n codes with the training shares, and a table whose last column has the labels."""
        table = np.zeros((n, self.train.X.shape[1] + 1))
        if self.train.is_classification:
            table[:, -1] = class_labels(self.train, n)
        codes = np.searchsorted(self.classes, table[:, -1])
        return torch.as_tensor(codes, dtype=torch.long), table


def edm_mlp(train, seed, n_steps=2000):
    """Plain EDM on standardised numerics and centred one-hot categories, 18 steps of Heun.

    Karras et al., "Elucidating the design space of diffusion-based generative models",
    NeurIPS 2022: preconditioning of table 1 with sigma_data = 1, log-normal training noise
    (-1.2, 1.2), algorithm 1 without churn.
    """
    coder = feature_coder(train)
    x = torch.as_tensor(coder.fit_transform(train.Z), dtype=torch.float32)
    labels = Labels(train)
    net, generator = seeded_network(x.shape[1], len(labels.classes), seed)

    def precondition(x, sigma, label):
        """Return the factors c_skip and c_out, and the output of the raw network."""
        scale = (1 + sigma**2).sqrt()
        return 1 / scale**2, sigma / scale, net(x / scale, 250 * sigma.log()[:, 0], label)

    def loss(x0, label):
        sigma = torch.exp(1.2 * torch.randn(len(x0), 1, generator=generator) - 1.2)
        x = x0 + sigma * torch.randn(x0.shape, generator=generator)
        skip, out, raw = precondition(x, sigma, label)
        # With the weights of EDM, the loss of the denoiser is that of its raw network, unweighted.
        return ((raw - (x0 - skip * x) / out) ** 2).mean()

    def slope(x, sigma, label):
        sigma = sigma.expand(len(x), 1)
        skip, out, raw = precondition(x, sigma, label)
        return (x - skip * x - out * raw) / sigma

    train_network(loss, net, x, labels.codes, n_steps, generator)

    @torch.no_grad()
    def sample(n, seed):
        generator.manual_seed(seed)
        label, table = labels.draw(n)
        ramp = torch.linspace(80 ** (1 / 7), 0.002 ** (1 / 7), 18) ** 7
        sigmas = torch.cat([ramp, torch.zeros(1)])
        x = sigmas[0] * torch.randn(n, net.row.in_features, generator=generator)
        for now, then in pairwise(sigmas):
            first = slope(x, now, label)
            moved = x + (then - now) * first
            if then > 0:
                moved = x + (then - now) * (first + slope(moved, then, label)) / 2
            x = moved
        return coder.inverse_transform(x.double().numpy(), table)

    return sample


def tabddpm(train, seed, n_steps=3000, n_timesteps=1000, clip=5.2):
    """TabDDPM: Gaussian diffusion of quantile-normal numerics, multinomial of categories.

    Kotelnikov et al., ICML 2023, with the multinomial diffusion of Hoogeboom et al.,
    "Argmax flows and multinomial diffusion", NeurIPS 2021, and the cosine schedule of Nichol and
    Dhariwal, ICML 2021. `clip` bounds the predicted clean numerics while sampling, at the range of
    the quantile transform; None is the paper, which diverges on wide tables without it.
    """
    categories = sorted({*train.categorical, *train.binary})
    numeric = [j for j in train.Z_numeric if j not in categories]
    quantile = QuantileTransformer(
        n_quantiles=min(max(len(train.Z) // 30, 10), 1000),
        output_distribution="normal",
        subsample=None,
        random_state=seed,
    )
    coder = RowCoder(numeric, categories, numeric_transform=quantile, centre=False)
    x = torch.as_tensor(coder.fit_transform(train.Z), dtype=torch.float32)
    labels = Labels(train)
    net, generator = seeded_network(x.shape[1], len(labels.classes), seed)
    process = MixedDiffusion(net, len(numeric), coder.n_levels, n_timesteps, generator, clip)
    train_network(process.loss, net, x, labels.codes, n_steps, generator)

    def sample(n, seed):
        generator.manual_seed(seed)
        label, table = labels.draw(n)
        return coder.inverse_transform(process.sample(label).double().numpy(), table)

    return sample


class MixedDiffusion:
    """Discrete-time diffusion of rows: Gaussian columns first, then one-hot blocks."""

    def __init__(self, net, n_numeric, n_levels, n_timesteps, generator, clip):
        self.net, self.n_numeric, self.n_levels = net, n_numeric, n_levels
        self.generator, self.clip = generator, clip
        # signal[t] is the product of alphas up to step t; signal[0] = 1 stands for clean rows.
        steps = torch.arange(n_timesteps + 1, dtype=torch.float64) / n_timesteps
        curve = torch.cos((steps + 0.008) / 1.008 * math.pi / 2) ** 2
        beta = (1 - curve[1:] / curve[:-1]).clamp(max=0.999)
        self.alpha = torch.cat([torch.ones(1), 1 - beta]).float()
        self.signal = torch.cat([torch.ones(1), (1 - beta).cumprod(0)]).float()

    def blocks(self, one_hot):
        return one_hot.split(self.n_levels, dim=1)

    def split(self, rows):
        return rows[:, : self.n_numeric], self.blocks(rows[:, self.n_numeric :])

    def mix_uniform(self, p, share):
        """Keep each category with probability `share`, else draw it uniformly."""
        return share * p + (1 - share) / p.shape[1]

    def draw(self, p):
        """Draw one-hot rows from category probabilities."""
        codes = torch.multinomial(p, 1, generator=self.generator)
        return torch.zeros_like(p).scatter_(1, codes, 1.0)

    def posterior(self, noisy, clean, t):
        """Return the distribution of a block one step earlier, given it noisy and guessed clean."""
        p = self.mix_uniform(noisy, self.alpha[t]) * self.mix_uniform(clean, self.signal[t - 1])
        return p / p.sum(dim=1, keepdim=True)

    def loss(self, rows, label):
        n_timesteps = len(self.alpha) - 1
        t = torch.randint(1, n_timesteps + 1, (len(rows), 1), generator=self.generator)
        x0, clean = self.split(rows)
        signal = self.signal[t]
        noise = torch.randn(x0.shape, generator=self.generator)
        x = signal.sqrt() * x0 + (1 - signal).sqrt() * noise
        noisy = [self.draw(self.mix_uniform(c, signal)) for c in clean]
        eps, logits = self.split(self.net(torch.cat([x, *noisy], dim=1), t[:, 0].float(), label))
        loss = ((eps - noise) ** 2).mean() if self.n_numeric else torch.zeros(())
        divergences = [
            _kl(self.posterior(z, c, t), self.posterior(z, g.softmax(dim=1), t))
            for z, c, g in zip(noisy, clean, logits, strict=True)
        ]
        if divergences:
            # A random step estimates the sum over all steps, the variational bound.
            loss = loss + n_timesteps * torch.stack(divergences).mean()
        return loss

    @torch.no_grad()
    def sample(self, label):
        n = len(label)
        x = torch.randn(n, self.n_numeric, generator=self.generator)
        state = [self.draw(torch.full((n, k), 1.0 / k)) for k in self.n_levels]
        for step in range(len(self.alpha) - 1, 0, -1):
            t = torch.full((n, 1), step)
            out = self.net(torch.cat([x, *state], dim=1), t[:, 0].float(), label)
            eps, logits = self.split(out)
            x = self.denoise(x, eps, step)
            state = [
                self.draw(self.posterior(z, g.softmax(dim=1), t))
                for z, g in zip(state, logits, strict=True)
            ]
        return torch.cat([x, *state], dim=1)

    def denoise(self, x, eps, step):
        """Draw numerics one step earlier from the Gaussian posterior of the predicted clean row."""
        signal, before, alpha = self.signal[step], self.signal[step - 1], self.alpha[step]
        x0 = (x - (1 - signal).sqrt() * eps) / signal.sqrt()
        if self.clip is not None:
            x0 = x0.clamp(-self.clip, self.clip)
        mean = before.sqrt() * (1 - alpha) * x0 + alpha.sqrt() * (1 - before) * x
        spread = ((1 - alpha) * (1 - before) / (1 - signal)).sqrt()
        noise = torch.randn(x.shape, generator=self.generator)
        return mean / (1 - signal) + spread * noise


def _kl(p, q):
    """Mean Kullback-Leibler divergence of rows of probabilities."""
    tiny = torch.finfo(p.dtype).tiny
    return (p * (p.clamp(min=tiny).log() - q.clamp(min=tiny).log())).sum(dim=1).mean()
