"""Checks of the layer deepspeed."""
