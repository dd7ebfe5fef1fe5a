"""The cache: a folder of entries, found by the content they were made from."""
