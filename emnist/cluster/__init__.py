"""Work on a Dask cluster, which decides no result."""
