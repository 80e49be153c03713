"""Synthetic rows for training: which rows to start from, and putting tables together."""
