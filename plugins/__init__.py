"""The scorer backends that come with pytest-vmaf: one file each, each a pluggy plugin."""
