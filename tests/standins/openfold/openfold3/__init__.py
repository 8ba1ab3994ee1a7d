"""A stand-in for OpenFold3: see run_openfold.py."""
