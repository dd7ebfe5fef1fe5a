"""VMAF scoring: models, scorers, logs, scores and results."""
