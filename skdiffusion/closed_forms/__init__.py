"""Fitting of closed-form denoisers to encoded rows, without a network."""
