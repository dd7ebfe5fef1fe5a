"""The public object: what the vmaf fixture yields."""
