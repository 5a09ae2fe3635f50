"""The HTTP surface: routes, keys, limits, the web page, and the LooksmaxAI layout around the scoring core."""
