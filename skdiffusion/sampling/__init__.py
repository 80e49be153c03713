"""What a fitted sampler does with codes: conditions, drawing, filling, scoring."""
