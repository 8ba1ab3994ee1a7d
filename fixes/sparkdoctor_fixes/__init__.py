"""The built-in fixes: one a file."""
