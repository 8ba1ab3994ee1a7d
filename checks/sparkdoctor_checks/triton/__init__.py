"""Checks of the layer triton."""
