"""Tests of the product as a whole, against the real Claude Code client and a model that we script."""
