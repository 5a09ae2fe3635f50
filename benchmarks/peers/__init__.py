"""What one would build instead, to measure against; each peer lives in an environment of its own."""
