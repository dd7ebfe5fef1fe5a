"""Encodes as files that a player reads: HLS and DASH."""
