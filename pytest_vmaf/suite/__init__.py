"""A regression suite as data: the manifest, its checks, and the tests and sweeps that are in it."""
