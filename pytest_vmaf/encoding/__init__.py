"""One source in, encodes at a quality out."""
