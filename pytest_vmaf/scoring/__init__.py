"""From two clips to verified scores."""
