"""The scoring core: from the bytes of a photo to a score document. Knows no HTTP, no server process and no torch."""
