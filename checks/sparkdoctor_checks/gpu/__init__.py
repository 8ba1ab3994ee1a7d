"""Checks of the layer gpu."""
