"""What happened, shown."""
