"""Stands in for PyTorch where it is imported and no more."""

__version__ = "2.13.0"
