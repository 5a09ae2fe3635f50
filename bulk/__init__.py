"""Bulk scoring on Ray Data: many images to Parquet, through the gateway's own pipeline."""
