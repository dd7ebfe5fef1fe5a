"""What a video stream is made of: packets, headers, groups of pictures, and rates over time."""
