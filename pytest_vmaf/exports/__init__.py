"""Runs in the formats of benchmark trackers."""
