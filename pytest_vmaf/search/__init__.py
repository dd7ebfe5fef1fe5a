"""What an encoder needs for a quality."""
