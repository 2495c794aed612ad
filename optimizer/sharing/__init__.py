"""Sharing: centres that serve several factories, and what is fair among them."""
