"""Estimators in files that hold no code: what a file may name, its parts, and its envelope."""
