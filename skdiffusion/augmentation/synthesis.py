"""Synthetic rows of given targets, from noise or from real rows."""

from sklearn.base import clone

from skdiffusion.model.variation import vary


def fit_sampler(sampler, X, y, has_classes, rng):
    """Fit a copy of a sampler, told what the target is."""
    sampler, seed = clone(sampler), rng.randint(2**31 - 1)
    known = sampler.get_params(deep=False)
    if "target" in known:
        sampler.set_params(target="categorical" if has_classes else "continuous")
    if "random_state" in known and known["random_state"] is None:
        sampler.set_params(random_state=seed)
    return sampler.fit(X, y)


def synthesize(sampler, X, y, sigma, rng):
    """Draw one synthetic row for each real row and wanted target; fresh ones for None."""
    if sigma is None:
        return sampler.sample(len(y), y=y, random_state=rng)
    return vary(sampler.model_, X, y, sigma, rng)
