"""Invertible coding of mixed tables, and of their target, as real vectors."""
