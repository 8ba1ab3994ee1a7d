"""Checks of the layer machine."""
