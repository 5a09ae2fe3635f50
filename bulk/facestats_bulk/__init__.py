"""Bulk scoring on Ray Data: many images to Parquet, through the pipeline of the core."""
