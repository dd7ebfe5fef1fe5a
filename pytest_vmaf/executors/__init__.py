"""Tasks on executors: `concurrent.futures`, Dask and whatever else has their interface."""
