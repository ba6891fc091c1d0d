"""SafeMIL: a reproducible benchmark for safe imitation from non-preferred trajectories."""

__version__ = "0.1.0"
