"""Rows that are images: scikit-learn's digits drawn, restored, and drawn level by level.

    python -m benchmarks.images

Digits. Methods are fitted on four fifths of the digits, pixels and class together, and draw as
many. The share of draws that a support-vector machine of the training rows takes for their class;
exact W1, DCR ratio and coverage as in the scoreboard; Frechet distance of the pixels to held-out
rows, and their Vendi score over that of as many held-out rows. "unet" is the sampler with a U-Net
and one unit for all pixels.

Restoration. Of 100 held-out digits the lower half is missing, or 4 x 4 means are all that is known
(of patches of a photograph, 8 x 8 means of 16 x 16 pixels). Root mean square error and SSIM of the
mean of so many draws, the share of pixels within the draws' 90 % interval, and CPU seconds of
filling, of imputers and regressions with their fit.

Levels. `HierarchicalSampler` beside one model of all columns, also trained for 40 epochs, twice
those of the digits, on digits (means of blocks first) and on libras (90 columns, 16 principal
components first; needs ``--data``), with draws that start near rows and from noise.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import zoom
from sklearn.datasets import load_digits, load_sample_image
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from benchmarks._data import Table, data_folder, load_table
from benchmarks._fd27 import coverage
from benchmarks._generators import METHODS, _fit, available, draw_tables
from benchmarks._report import versions
from benchmarks._results import append_results
from skdiffusion import (
    DenoiserNet,
    DiffusionManifoldSampler,
    HierarchicalSampler,
    RiemannianKernelSmoother,
    TableEncoder,
)
from skdiffusion.metrics import (
    GowerScaler,
    dcr_ratio,
    frechet_distance,
    structural_similarity,
    vendi_score,
    wasserstein,
)
from skdiffusion.nets import UNet
from skdiffusion.tables import LinearMeasurement

PARTS = ("digits", "restoration", "levels")
PACKAGES = ("numpy", "scikit-learn", "torch", "scikit-image", "imbalanced-learn", "synthpop-py")
SIDE, UNIT = 8, 4.0
N_RESTORED = 100


def halving(side):
    """Return the matrix that takes the means of 2 x 2 blocks of an image."""
    half = np.kron(np.eye(side // 2), [[0.5, 0.5]])
    return np.kron(half, half)


def pixels(unit=UNIT):
    """One unit for all pixels."""
    return TableEncoder(numeric_transform=unit, constraints=None, identifiers=None)


def unet_sampler(**options):
    """Return the sampler with a U-Net."""
    net = DenoiserNet(UNet, module__image_shape=(SIDE, SIDE), batch_size=128, **options)
    return DiffusionManifoldSampler(denoiser=net, encoder=pixels())


def digits_table():
    """Return the digits as a table of whole numbers and their class."""
    X, y = load_digits(return_X_y=True)
    return Table("digits", X, y.astype(float), "multiclass", integer=tuple(range(X.shape[1])))


# ------------------------------------------------------------------------------------- digits


def draw_digits(method, seed, **options):
    """Fit a method on one split and judge what it draws."""
    train, test = digits_table().split(seed)
    fits = METHODS | {"unet": lambda train, seed: _fit(unet_sampler(**options), train, seed)}
    (fake,), seconds = draw_tables(fits[method], train, seed)
    fake = train.restore_types(fake)
    scaler = GowerScaler(train.Z_categorical).fit(train.Z)
    points = [scaler.transform(table) for table in (train.Z, test.Z, fake)]
    n = len(test.X)
    rng = np.random.RandomState(0)
    judge = SVC(gamma=0.001).fit(train.X, train.y)
    return {
        "method": method,
        "seed": seed,
        "accuracy": judge.score(fake[:, :-1], fake[:, -1]),
        "w1": wasserstein(points[1], points[2]),
        "dcr_ratio": dcr_ratio(*points),
        "coverage": coverage(points[1], points[2]) / coverage(points[1], points[0]),
        "frechet": frechet_distance(test.X, fake[:, :-1]),
        "vendi": vendi_score(fake[rng.permutation(len(fake))[:n], :-1], reference=test.X)
        / vendi_score(test.X),
        "fit_s": seconds["fit_s"],
        "sample_s": seconds["sample_s"],
    }


# -------------------------------------------------------------------------------- restoration


def restored(table, task, method, truth, guess, draws, seconds, low=slice(None)):
    """Judge restored images (n, d), and draws (k, n, d) of them where there are some."""
    side = round(truth.shape[1] ** 0.5)
    inside = np.nan
    if draws is not None:
        ends = np.quantile(draws, [0.05, 0.95], axis=0)
        inside = float(((truth >= ends[0]) & (truth <= ends[1]))[:, low].mean())
    return {
        "images": table,
        "task": task,
        "method": method,
        "rmse": float(np.sqrt(((guess - truth)[:, low] ** 2).mean())),
        "ssim": structural_similarity(truth, guess, (side, side)),
        "within_90": inside,
        "n_draws": 0 if draws is None else len(draws),
        "cpu_s": seconds,
    }


def timed(function):
    """Return what a function returns and the CPU seconds that it takes."""
    start = time.process_time()
    return function(), time.process_time() - start


def repeated(sample, cells, n_draws):
    """Return draws (n_draws, n, d) of rows given what is known of each."""
    drawn = np.asarray(sample(np.repeat(cells, n_draws, axis=0)), dtype=float)
    return drawn.reshape(len(cells), n_draws, -1).swapaxes(0, 1)


def inpaint(train, truth, smoother, unet, n_draws):
    """Fill the lower half."""
    cells, low = truth.astype(float), slice(truth.shape[1] // 2, None)
    cells[:, low] = np.nan
    judge = partial(restored, "digits", "inpainting", truth=truth, low=low)
    imputers = {
        "KNNImputer": KNNImputer(keep_empty_features=True),
        "IterativeImputer": IterativeImputer(random_state=0, keep_empty_features=True),
    }
    for name, imputer in imputers.items():
        guess, seconds = timed(lambda i=imputer: i.fit(train).transform(cells))
        yield judge(name, guess=guess, draws=None, seconds=seconds)
    for name, model in {"smoother": smoother, "unet": unet}.items():
        sample = partial(_given_cells, model)
        draws, seconds = timed(lambda s=sample: repeated(s, cells, n_draws))
        yield judge(name, guess=draws.mean(axis=0), draws=draws, seconds=seconds)
    guess, seconds = timed(lambda: smoother.impute(cells))
    yield judge("smoother, its mean", guess=guess, draws=None, seconds=seconds)


def _given_cells(model, cells):
    return model.sample(conditions=cells, random_state=0)


def enlarge(images, train, truth, models, n_draws):
    """Restore images from the means of 2 x 2 blocks."""
    side = round(truth.shape[1] ** 0.5)
    matrix = halving(side)
    coarse = truth @ matrix.T
    judge = partial(restored, images, "super-resolution", truth=truth)
    small = coarse.reshape(-1, side // 2, side // 2)

    def bicubic():
        """Pixels are areas, whose centres move when images grow."""
        grown = [zoom(s, 2, order=3, mode="nearest", grid_mode=True) for s in small]
        return np.reshape(grown, truth.shape)

    def ridge():
        grid = {
            "alpha": [1e-3, 1e-2, 0.1, 1],
            "gamma": np.logspace(-1, 1, 5) / coarse.var() / coarse.shape[1],
        }
        search = GridSearchCV(
            KernelRidge(kernel="rbf"), grid, cv=5, scoring="neg_mean_squared_error"
        )
        mean = train.mean(axis=0)
        return search.fit(train @ matrix.T, train - mean).predict(coarse) + mean

    for name, function in {"bicubic": bicubic, "kernel ridge": ridge}.items():
        guess, seconds = timed(function)
        yield judge(name, guess=guess, draws=None, seconds=seconds)
    for name, sample in models.items():
        draws, seconds = timed(lambda s=sample: repeated(s, coarse, n_draws))
        yield judge(name, guess=draws.mean(axis=0), draws=draws, seconds=seconds)


def measured(model, matrix, coarse):
    """Draw images whose means of blocks are known."""
    return model.sample(conditions=LinearMeasurement(matrix, coarse), random_state=0)


def restore(quick):
    """Restore digits and patches of a photograph."""
    options = {"max_epochs": 1, "steps_per_epoch": 5} if quick else {}
    n, n_draws = (5, 4) if quick else (N_RESTORED, 20)
    train, test = digits_table().split(0)
    X = train.X[:200] if quick else train.X
    smoother = RiemannianKernelSmoother(encoder=pixels(), random_state=0).fit(X)
    unet = unet_sampler(**options).set_params(random_state=0).fit(X)
    yield from inpaint(X, test.X[:n], smoother, unet, n_draws)
    matrix = halving(SIDE)
    net = DenoiserNet(UNet, module__image_shape=(SIDE, SIDE), batch_size=128, **options)
    fine = DiffusionManifoldSampler(denoiser=net, encoder=pixels(2.0), manifold=None)
    quickly = DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=1), encoder=pixels())
    levels = HierarchicalSampler(levels=[matrix], sampler=[quickly, fine], random_state=0).fit(X)
    models = {
        "smoother": partial(measured, smoother, matrix),
        "unet": partial(measured, unet, matrix),
        "hierarchy, refined": partial(levels.refine, random_state=0),
    }
    yield from enlarge("digits", X, test.X[:n], models, n_draws)
    photograph = load_sample_image("china.jpg").mean(axis=2)
    rows = extract_patches_2d(
        photograph, (16, 16), max_patches=100 if quick else 1600, random_state=0
    )
    rows = rows.reshape(len(rows), -1)
    X, truth = rows[n:], rows[:n]
    kernels = RiemannianKernelSmoother(encoder=pixels(float(X.std())), random_state=0).fit(X)
    models = {"smoother": partial(measured, kernels, halving(16))}
    yield from enlarge("patches", X, truth, models, n_draws)


# ------------------------------------------------------------------------------------- levels


def draw_levels(name, table, seed, quick):
    """Draw a table by one model and by levels, near rows and from noise."""
    train, test = table.split(seed)
    coarse = halving(SIDE) if name == "digits" else 16
    steps = {"max_epochs": 1, "steps_per_epoch": 5} if quick else {}
    encoder = pixels() if name == "digits" else pixels("standard")
    scaler = GowerScaler(()).fit(train.X)

    def sampler(ratio, **options):
        net = DenoiserNet(**options | steps)
        return DiffusionManifoldSampler(
            denoiser=net, encoder=encoder, dcr_ratio=ratio, manifold=None, random_state=seed
        )

    for start, ratio in (("near rows", 0.75), ("from noise", None)):
        flat, fine = sampler(ratio), sampler(None)
        models = {
            "one model": flat,
            "one model, 40 epochs": sampler(ratio, max_epochs=40),
            "levels": HierarchicalSampler(levels=[coarse], sampler=[flat, fine]),
        }
        for method, model in models.items():
            _, seconds = timed(lambda m=model: m.fit(train.X, train.y.astype(int)))
            fake = np.asarray(model.sample(len(train.X), random_state=seed))
            points = [scaler.transform(part) for part in (train.X, test.X, fake)]
            yield {
                "table": name,
                "draws": start,
                "method": method,
                "seed": seed,
                "w1": wasserstein(points[1], points[2]),
                "dcr_ratio": dcr_ratio(*points),
                "coverage": coverage(points[1], points[2]),
                "fit_s": seconds,
            }


def measure(part, args):
    """Yield the rows of a part."""
    if part == "digits":
        options = {"max_epochs": 1, "steps_per_epoch": 5} if args.quick else {}
        methods = ["copy", "gmm"] if args.quick else ["copy", "smote", "gmm", "cart", "ours"]
        for seed in range(args.seeds):
            for method in [*available(methods), "unet"]:
                yield draw_digits(method, seed, **options)
    elif part == "restoration":
        yield from restore(args.quick)
    else:
        tables = {"digits": digits_table()}
        if args.data and not args.quick:
            tables["libras"] = load_table("libras", folder=data_folder(args.data))
        for seed in range(args.seeds):
            for name, table in tables.items():
                yield from draw_levels(name, table, seed, args.quick)


def write_report(folder, command):
    """Write the tables of all parts that were measured, as means over the seeds."""
    lines = ["# Rows that are images", "", f"    {command}", "", f"Versions: {versions(PACKAGES)}."]
    keys = {"digits": ["method"], "restoration": ["images", "task", "method"]}
    for part in PARTS:
        path = folder / f"images_{part}.csv"
        if not path.exists():
            continue
        results = pd.read_csv(path)
        key = keys.get(part, ["table", "draws", "method"])
        means = results.groupby(key, sort=False).mean(numeric_only=True).reset_index()
        means = means.drop(columns="seed", errors="ignore")
        means = means.map(lambda cell: f"{cell:.3f}" if isinstance(cell, float) else str(cell))
        body = [list(means), ["---"] * means.shape[1], *means.to_numpy().tolist()]
        seeds = results.get("seed", pd.Series([0])).nunique()
        lines += ["", f"## {part.capitalize()}", "", f"Splits: {seeds}.", ""]
        lines += ["| " + " | ".join(cells) + " |" for cells in body]
    path = folder / "images.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def main(argv=None):
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.images", description=__doc__)
    parser.add_argument("--data", help="folder of .npz tables, for libras")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", type=int, help="number of splits (default 3)")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--quick", action="store_true", help="short and small: does it run?")
    args = parser.parse_args(argv)
    args.seeds = args.seeds or (1 if args.quick else 3)
    args.output = args.output / "quick" if args.quick else args.output
    with threadpool_limits(1):
        for part in args.parts:
            path = args.output / f"images_{part}.csv"
            path.unlink(missing_ok=True)
            for row in measure(part, args):
                append_results(path, [row])
                print(part, *(f"{v:.3f}" if isinstance(v, float) else v for v in row.values()))
    command = f"python -m benchmarks.images --data FOLDER --seeds {args.seeds}"
    print(f"Report in {write_report(args.output, command)}.")


if __name__ == "__main__":
    main()
