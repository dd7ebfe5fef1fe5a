"""Where in the picture: the score of what viewers look at, of a rectangle, and of every part."""
