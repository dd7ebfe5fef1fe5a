"""Baselines: measurements of earlier runs, stored next to the tests."""
