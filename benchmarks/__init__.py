"""Benchmarks. `python -m benchmarks` writes one page of ratios; the other modules are commands of their own."""
