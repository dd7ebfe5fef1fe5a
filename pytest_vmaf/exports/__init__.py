"""Runs in the formats that trackers of benchmarks read."""
