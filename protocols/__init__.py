"""Bytes to our values and back, and connections with their security. Knows no plant hierarchy and no database."""
