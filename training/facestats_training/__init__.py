"""A regressor of one's own: from rated photos or embeddings to a network that says how well it agrees with people."""
