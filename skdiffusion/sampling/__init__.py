"""What a fitted sampler does with codes: conditions, drawing, filling, scoring.

Estimators take what they need from the modules; what is public is the noise that rows start from.
"""

from skdiffusion.sampling.drawing import even_noise

__all__ = ["even_noise"]
