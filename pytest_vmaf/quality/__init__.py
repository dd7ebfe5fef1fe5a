"""Two clips in, scores out. Nothing in here knows pytest."""
