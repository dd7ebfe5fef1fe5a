"""Data about models: the registry of VMAF models."""
