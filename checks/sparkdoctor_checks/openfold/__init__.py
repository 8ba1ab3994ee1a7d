"""Checks of the layer openfold."""
