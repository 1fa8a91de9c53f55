"""Two machines are made known to each other by a short code."""
