"""Tests of `pytest_vmaf.correlation`."""
