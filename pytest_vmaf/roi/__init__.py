"""Regions, masks and quality maps: scores of parts of the picture."""
