"""Nothing is built here."""
