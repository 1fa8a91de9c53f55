"""Real sidecars, real hooks and the real command line; a sleeping process stands for Claude Code."""
