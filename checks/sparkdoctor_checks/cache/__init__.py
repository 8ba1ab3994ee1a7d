"""Checks of the layer cache."""
