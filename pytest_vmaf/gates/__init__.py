"""Limits on scores and on their changes."""
