"""How well metrics agree with viewers: opinion scores, correlations, their intervals and differences."""
