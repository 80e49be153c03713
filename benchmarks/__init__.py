"""One runnable module per claim, each with its baselines in the same run."""
