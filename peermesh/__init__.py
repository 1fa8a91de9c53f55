"""peer: a brokerless mesh of Claude Code sessions. Importing this package imports nothing else."""

__version__ = "0.1.0"
