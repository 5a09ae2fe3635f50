"""Encoded bytes to upright pixels, and pixels to the crops that are measured and embedded."""
