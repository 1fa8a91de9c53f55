"""Claude Code: the lane, its payloads, the text the model reads, the plugin."""
