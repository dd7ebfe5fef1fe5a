"""The scorers that pytest-vmaf includes: one module each, each a pluggy plugin."""
