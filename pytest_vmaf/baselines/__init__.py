"""What earlier runs measured, stored next to the tests."""
