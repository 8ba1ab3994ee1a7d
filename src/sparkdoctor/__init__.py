"""The environment doctor for NVIDIA DGX Spark (GB10) and the stack that people run on it."""

__version__ = "0.1.0"
