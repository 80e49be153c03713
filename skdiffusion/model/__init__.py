"""What a fitted model of a table can do: draw, score, encode, denoise, fill gaps, vary rows."""
