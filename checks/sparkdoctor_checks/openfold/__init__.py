"""Checks of OpenFold3 and what it needs."""
