"""Published results of other systems, read from a folder that is named on the command line."""

import pandas as pd

FOREST = "forestdiffusion_generation.csv"
TREES = "utrees_fd27.csv"
FOREST_NAMES = {
    "forest_diffusion_flow_nt51_ycond": "Forest-Flow",
    "forest_diffusion_vp_nt51_ycond": "Forest-VP",
    "oracle": "copied training rows",
    "stasy": "STaSy",
    "CTABGAN": "CTAB-GAN+",
}
FOREST_COLUMNS = {
    "dataset": "table",
    "W_train": "w1_train",
    "W_test": "w1_test",
    "R2_fake": "r2",
    "F1_fake": "f1",
}
TREES_COLUMNS = {
    "W1te": "w1_test",
    "W1tr": "w1_train",
    "R2": "r2",
    "F1": "f1",
    "covtr": "coverage_train",
    "covte": "coverage_test",
}


def read_scoreboard(folder):
    """Figures of other systems under the protocol of ForestDiffusion, one row for each table.

    The files of ForestDiffusion's authors, and of those of Unmasking Trees (McCarter, 2024). Both
    write 0 throughout where a table has no such score.
    """
    forest = pd.read_csv(folder / FOREST, skipinitialspace=True).rename(columns=FOREST_COLUMNS)
    names = forest["method"].str.strip()
    forest["method"] = names.map(FOREST_NAMES).fillna(names)
    forest["table"] = forest["table"].str.strip()
    trees = pd.read_csv(folder / TREES, index_col=0).rename(columns=TREES_COLUMNS)
    trees = trees.rename_axis("table").reset_index().assign(method="Unmasking Trees")
    rows = pd.concat([forest, trees], ignore_index=True)
    for score in ["r2", "f1", "w1_train", "w1_test"]:
        is_absent = rows[score].eq(0).groupby(rows["table"]).transform("all")
        rows[score] = rows[score].mask(is_absent)
    kept = ["table", "method", *TREES_COLUMNS.values(), "class_score"]
    return rows[kept].assign(method=rows["method"] + " (published)")


def read_mixed(folder):
    """Shape and trend error, in per cent, and seconds of training that TabPC's authors report."""
    scores = {
        name: pd.read_csv(folder / "tabpc" / f"{name}.csv").set_index(["method", "dataset"])["mean"]
        for name in ("shape", "trend", "training_time")
    }
    errors = {f"{name}_error": 100 * (1 - scores[name]) for name in ("shape", "trend")}
    rows = pd.DataFrame(errors | {"training_s": scores["training_time"]})
    return rows.rename_axis(["method", "table"]).reset_index()
