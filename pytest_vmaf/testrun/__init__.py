"""One pytest run: options, workers and the controller."""
