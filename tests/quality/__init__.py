"""The tests of the quality room, one file a module; traps, golden values and paths have files of their own."""
