"""What runs measured over commits: lines of a file, series, steps and their pages."""
