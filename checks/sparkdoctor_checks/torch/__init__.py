"""Checks of the layer torch."""
