"""The signatures: what tools print when something certain went wrong, one a file."""
