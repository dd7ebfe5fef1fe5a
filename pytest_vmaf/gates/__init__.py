"""Gates, tolerances and the table of metrics."""
