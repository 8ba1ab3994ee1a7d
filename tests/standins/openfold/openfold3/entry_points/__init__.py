"""As in OpenFold3."""
