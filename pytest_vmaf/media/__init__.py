"""Clips, and the programs that read them."""
