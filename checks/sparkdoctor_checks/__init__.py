"""The built-in checks: one a file, in a folder for each layer."""
