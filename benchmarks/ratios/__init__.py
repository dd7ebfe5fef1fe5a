"""The parts of `python -m benchmarks`: each measures ratios and returns a section of the page."""
