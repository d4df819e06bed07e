"""Many requests at once, on this machine or on a Ray cluster: a folder of Parquet files with one row a picture and method."""
