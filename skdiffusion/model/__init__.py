"""What a fitted model of a table can do: draw, score, encode, denoise, fill gaps, vary rows."""

from skdiffusion.model.table_model import Model

__all__ = ["Model"]
