"""Tables with relations between their columns, and what these are called."""

import numpy as np
import pandas as pd

CITIES = {"Wien": "AT", "Graz": "AT", "Bern": "CH", "Genf": "CH", "Rom": "IT", "Mailand": "IT"}
PRICES = {"pen": 1.5, "book": 12.9, "lamp": 35.0, "desk": 180.0, "mug": 7.25}
START = pd.Timestamp("2022-01-01")


def days(counts):
    return START + pd.to_timedelta(counts, unit="D")


def hotel(rng, n):
    arrive, nights = rng.integers(0, 500, n), rng.geometric(0.3, n)
    X = pd.DataFrame({"arrive": days(arrive), "leave": days(arrive + nights)})
    return X.assign(price=rng.gamma(3, 30, n).round(2)), ["arrive <= leave"]


def nights(rng, n):
    X = hotel(rng, n)[0]
    counts = (X["leave"] - X["arrive"]).dt.days
    return X.assign(nights=counts), ["sum of arrive, leave, nights"]


def minutes(rng, n):
    X, _ = session(rng, n)
    length = (X["end"] - X["start"]).dt.total_seconds() / 60
    return X.assign(minutes=length), ["sum of end, minutes, start"]


def session(rng, n):
    start = START + pd.to_timedelta(rng.integers(0, 10**6, n), unit="s")
    length = pd.to_timedelta(rng.gamma(1.5, 600, n).round(), unit="s")
    X = pd.DataFrame({"start": start, "end": start + length, "pages": rng.poisson(4, n)})
    return X, ["start <= end"]


def chain(rng, n):
    low = rng.normal(100, 15, n).round(1)
    middle = (low + rng.exponential(5, n)).round(1)
    high = (middle + rng.exponential(8, n)).round(1)
    X = pd.DataFrame({"low": low, "middle": middle, "high": high, "x": rng.normal(size=n)})
    return X, ["low <= middle", "middle <= high"]


def parts(rng, n):
    X = pd.DataFrame(rng.integers(0, 40, (n, 3)), columns=list("abc"))
    return X.assign(all=X.sum(axis=1), z=rng.integers(0, 9, n)), ["sum of a, all, b, c"]


def invoice(rng, n):
    net = rng.gamma(2, 50, n).round(2)
    tax = (net * rng.choice([0.07, 0.19], n)).round(2)
    X = pd.DataFrame({"net": net, "tax": tax, "gross": (net + tax).round(2)})
    return X.assign(kind=rng.choice(["a", "b"], n)), ["sum of gross, net, tax"]


def shares(rng, n):
    X = pd.DataFrame((100 * rng.dirichlet([2, 3, 4], n)).round(), columns=list("abc"))
    X["c"] = 100 - X["a"] - X["b"]
    return X, ["sum of a, b, c"]


def units(rng, n):
    celsius = rng.integers(-50, 400, n) / 10
    X = pd.DataFrame({"celsius": celsius, "fahrenheit": (1.8 * celsius + 32).round(1)})
    return X.assign(z=rng.normal(size=n)), ["sum of celsius, fahrenheit"]


def cities(rng, n):
    X = pd.DataFrame({"city": rng.choice(list(CITIES), n), "x": rng.normal(size=n)})
    return X.assign(country=X["city"].map(CITIES)), ["city determines country"]


def prices(rng, n):
    X = pd.DataFrame({"product": rng.choice(list(PRICES), n, p=[0.4, 0.3, 0.1, 0.1, 0.1])})
    X["price"] = X["product"].map(PRICES)
    return X.assign(quantity=rng.integers(1, 9, n)), ["product determines price"]


def ages(rng, n):
    age = rng.integers(0, 95, n)
    group = pd.cut(age, [-1, 17, 64, 120], labels=["child", "adult", "senior"]).astype(str)
    return pd.DataFrame({"age": age, "group": group, "y": rng.normal(size=n)}), [
        "age determines group"
    ]


def brackets(rng, n):
    income = rng.lognormal(10, 0.5, n).round(2)
    bracket = np.digitize(income, [12000, 25000, 50000]).astype(str)
    return pd.DataFrame({"income": income, "bracket": bracket}), ["income determines bracket"]


def flags(rng, n):
    level = rng.integers(0, 4, n)
    X = pd.DataFrame(np.eye(4)[level], columns=list("abcd"))
    return X.assign(x=rng.normal(size=n) + level), ["one of a, b, c, d"]


def plain(rng, n):
    size = rng.normal(size=n)
    X = pd.DataFrame({"height": 170 + 10 * size, "weight": 70 + 8 * size + 5 * rng.normal(size=n)})
    X["age"], X["sex"] = rng.integers(18, 90, n), rng.choice(["f", "m"], n)
    return X.assign(income=rng.lognormal(10, 0.5, n).round()), []


TABLES = [
    hotel, nights, session, minutes, chain, parts, invoice, shares,
    units, cities, prices, ages, brackets, flags, plain,
]  # fmt: skip


def name_of(constraint):
    """Return what a constraint says, whatever the signs and the order of its terms."""
    if type(constraint).__name__ == "LinearEquation":
        return "sum of " + ", ".join(sorted(constraint.coefficients))
    return str(constraint)
