"""Checks of the layer memory."""
