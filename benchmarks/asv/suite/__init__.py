"""Speed and memory by commit, for asv: ``asv run --python=same --quick``."""
