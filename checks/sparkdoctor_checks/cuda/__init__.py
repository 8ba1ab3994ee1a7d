"""Checks of the layer cuda."""
