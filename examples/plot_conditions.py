"""
Rows on conditions: values, ranges, levels and dates
====================================================

Draw rows of a mixed table of which something is settled beforehand: a cell, a range, a choice of
levels, or something else for each row. Dates and missing cells are learned like everything else.
"""

# %%
# A mixed table
# -------------
#
# Half a year of a garden shop, made up so that the truth is known: the day of an order, how warm it
# was, what was bought and how much of it, the discount, which most orders do not have, and a rating
# that many customers do not leave, those of tools least of all.

import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skdiffusion import DenoiserNet, DiffusionManifoldSampler, TableEncoder

SLATE, ORANGE, BLUE = "#35495e", "#f4743b", "#3a8fb7"
PRODUCTS = ["flowers", "seeds", "soil", "tools"]


def make_orders(n, seed):
    rng = np.random.default_rng(seed)
    day = rng.integers(181, size=n)
    warmth = 9 - 10 * np.cos(2 * np.pi * day / 365) + rng.normal(scale=3.5, size=n)
    # seeds are for early spring, flowers for early summer, soil for warm days
    wish = np.stack([2.5 * np.exp(-(((day - c) / 40) ** 2)) for c in (140, 50)], axis=1)
    wish = np.column_stack([wish, warmth / 12, np.full(n, 0.4)]) + rng.gumbel(size=(n, 4))
    product = wish.argmax(axis=1)
    quantity = 1 + rng.poisson(np.array([4.0, 8.0, 2.0, 0.3])[product])
    discount = np.where(rng.random(n) < 0.3, rng.gamma(4, 1.5, size=n) + quantity / 4, 0).round(1)
    rating = np.clip(np.rint(4.2 + 0.08 * discount - rng.gamma(1, 0.8, size=n)), 1, 5)
    silent = rng.random(n) < np.array([0.3, 0.3, 0.4, 0.8])[product]
    return pd.DataFrame(
        {
            "day": pd.Timestamp("2025-01-01") + pd.to_timedelta(day, unit="D"),
            "warmth": warmth.round(1),
            "product": pd.Categorical.from_codes(product, PRODUCTS),
            "quantity": quantity,
            "discount": discount,
            "rating": pd.array(np.where(silent, np.nan, rating), dtype="Int64"),
        }
    )


X = make_orders(1500, seed=0)
X.head(4)

# %%
# Fit and sample
# --------------
#
# With ``missing_indicator=True`` drawn rows have gaps where the table has them. Without, they are
# complete.

model = DiffusionManifoldSampler(
    denoiser=DenoiserNet(max_epochs=25),
    random_state=0,
    encoder=TableEncoder(missing_indicator=True),
)
sampler = model.fit(X)
X_new = sampler.sample(1500, random_state=0)
X_new.head(4)

# %%
# The spring as it was, and as it is drawn.

fig, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharex=True, sharey=True, layout="constrained")
colours = dict(zip(PRODUCTS, [ORANGE, "#7fb069", SLATE, BLUE], strict=True))
for ax, (title, table) in zip(axes, {"real": X, "drawn": X_new}.items(), strict=True):
    for name, part in table.groupby("product", observed=True):
        ax.scatter(part["day"], part["warmth"], s=6, color=colours[name], label=name)
    ax.set_title(title)
    ax.xaxis.set_major_locator(mdates.MonthLocator(bymonth=range(1, 13)))
    ax.xaxis.set_major_formatter(mdates.DateFormatter("%b"))
axes[0].set_ylabel("warmth")
axes[1].legend(frameon=False, markerscale=2)
plt.show()

summary = {}
for title, table in {"real": X, "drawn": X_new}.items():
    summary[title] = {
        "no discount": np.mean(table["discount"] == 0),
        "no rating": table["rating"].isna().mean(),
        "no rating of tools": table["rating"][table["product"] == "tools"].isna().mean(),
    }
pd.DataFrame(summary).round(2)

# %%
# One condition for all rows
# --------------------------
#
# A dict from columns to what shall hold: a value, a range as a tuple with None for no end, or a
# list of categories. Known cells are conditioned on; ranges and lists are met by choosing among
# draws. The acceptance rate is the share of draws that meet all of them, here about the share of
# such orders in the table.

wanted = {
    "day": (pd.Timestamp("2025-03-01"), pd.Timestamp("2025-05-31")),
    "product": ["seeds", "soil"],
    "discount": (0.1, None),
}
spring = sampler.sample(300, conditions=wanted, random_state=0)
acceptance = sampler.acceptance_rate(wanted, random_state=0)


def matching(table):
    return table[
        table["day"].between("2025-03-01", "2025-05-31")
        & table["product"].isin(["seeds", "soil"])
        & (table["discount"] > 0)
    ]


truth = make_orders(100_000, seed=1)
print(f"acceptance {acceptance:.1%}, share of such orders {len(matching(truth)) / len(truth):.1%}")

# %%
# The table holds about a hundred such orders. The drawn ones are shown with those among a hundred
# thousand orders that are made by the same rule.

fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.2), layout="constrained")
for ax, name in zip(axes, ["warmth", "discount", "quantity"], strict=True):
    bins = np.linspace(*matching(truth)[name].quantile([0.001, 0.999]), 15)
    if name == "quantity":
        bins = np.arange(0.5, 19)
    ax.hist(matching(truth)[name], bins, density=True, color=SLATE, alpha=0.3, label="truth")
    ax.hist(
        spring[name], bins, density=True, histtype="step", color=ORANGE, linewidth=2, label="drawn"
    )
    ax.set(xlabel=name, yticks=[])
axes[0].legend(frameon=False)
fig.suptitle("seeds or soil, at a discount, in spring")
plt.show()

# %%
# A condition for each row
# ------------------------
#
# A table of some of the columns, with a row for each row to draw; its missing cells are free. Here
# the first day of each month, once for a product that is left open and once for tools. How much of
# a product is sold depends on the product alone, and what is sold on the season.

days = pd.date_range("2025-01-01", periods=6, freq="MS")
plan = pd.DataFrame({"day": np.repeat(days, 200), "product": pd.NA})
open_choice = sampler.sample(conditions=plan, random_state=0)
tools = sampler.sample(conditions=plan.assign(product="tools"), random_state=0)

fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
for table, label, colour in ((open_choice, "any product", SLATE), (tools, "tools", BLUE)):
    mean = table.groupby("day")["quantity"].mean()
    ax.plot(mean.index, mean, "o-", color=colour, label=f"{label}, drawn")
month = truth["day"].dt.to_period("M").dt.to_timestamp()
mean = truth[truth["day"].dt.day < 4].groupby(month)["quantity"].mean()
ax.plot(mean.index, mean, "--", color=ORANGE, label="any product, truth")
ax.xaxis.set_major_formatter(mdates.DateFormatter("%b"))
ax.set(ylabel="mean quantity", ylim=(0, None))
ax.legend(frameon=False)
plt.show()
